#include "trace.h"

#include <stdlib.h>

struct sluice_trace {
  struct sluice_trace_entry *entries;
  size_t count;
  size_t room;
  int is_broken; /* memory ran out: the record has a gap and is worth nothing */
};

struct sluice_trace *sluice__trace_new(void) {
  return calloc(1, sizeof(struct sluice_trace));
}

void sluice__trace_free(struct sluice_trace *trace) {
  if (trace == NULL) return;
  free(trace->entries);
  free(trace);
}

static struct sluice_trace_entry *append(struct sluice_trace *trace) {
  if (trace->count == trace->room) {
    size_t room = trace->room == 0 ? 1024 : trace->room * 2;
    struct sluice_trace_entry *entries = realloc(trace->entries, room * sizeof *entries);
    if (entries == NULL) {
      trace->is_broken = 1;
      return NULL;
    }
    trace->entries = entries;
    trace->room = room;
  }
  return &trace->entries[trace->count++];
}

void sluice__trace_call(struct sluice_trace *trace, struct sluice_engine *engine, union sluice_mailbox *mailbox,
                        enum sluice_operation operation) {
  struct sluice_trace_entry *entry = append(trace);
  if (entry != NULL) {
    entry->operation = (uint64_t)operation;
    entry->before = *mailbox;
  }
  sluice_mailbox_call(engine, mailbox, operation);
  if (entry != NULL) entry->after = *mailbox;
}

const void *sluice__trace_entries(const struct sluice_trace *trace, size_t *size) {
  *size = trace->is_broken ? 0 : trace->count * sizeof *trace->entries;
  return trace->entries;
}
