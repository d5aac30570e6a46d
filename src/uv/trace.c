#include "trace.h"

#include <stdlib.h>
#include <string.h>

#define GRANT_WORDS (sizeof(struct sluice_grants) / sizeof(int32_t))

struct sluice_trace {
  char *bytes;
  size_t size;
  size_t room;
  int is_broken;               /* memory ran out: the record has a gap and is worth nothing */
  int32_t grants[GRANT_WORDS]; /* as the last operation left them */
};

struct sluice_trace *sluice__trace_new(void) {
  return calloc(1, sizeof(struct sluice_trace));
}

void sluice__trace_free(struct sluice_trace *trace) {
  if (trace == NULL) return;
  free(trace->bytes);
  free(trace);
}

static void append(struct sluice_trace *trace, const void *bytes, size_t size) {
  if (trace->size + size > trace->room) {
    size_t room = trace->room == 0 ? 1 << 16 : trace->room * 2;
    char *grown = realloc(trace->bytes, room);
    if (grown == NULL) {
      trace->is_broken = 1;
      return;
    }
    trace->bytes = grown;
    trace->room = room;
  }
  memcpy(trace->bytes + trace->size, bytes, size);
  trace->size += size;
}

static uint32_t append_changes(struct sluice_trace *trace, const int32_t *grants) {
  uint32_t count = 0;
  for (size_t i = 0; i < GRANT_WORDS; i++) {
    if (grants[i] == trace->grants[i]) continue;
    struct sluice_trace_change change = {(int32_t)i, grants[i]};
    append(trace, &change, sizeof change);
    count++;
  }
  return count;
}

void sluice__trace_call(struct sluice_trace *trace, struct sluice_engine *engine, struct sluice_mailbox *mailbox,
                        enum sluice_operation operation) {
  struct sluice_trace_entry entry = {.operation = (uint32_t)operation, .before = mailbox->words};
  size_t place = trace->size;
  append(trace, &entry, sizeof entry);
  entry.changed = append_changes(trace, (const int32_t *)(const void *)&mailbox->grants);
  sluice_mailbox_call(engine, mailbox, operation);
  entry.after = mailbox->words;
  memcpy(trace->grants, &mailbox->grants, sizeof trace->grants);
  if (!trace->is_broken) memcpy(trace->bytes + place, &entry, sizeof entry);
}

const void *sluice__trace_entries(const struct sluice_trace *trace, size_t *size) {
  *size = trace->is_broken ? 0 : trace->size;
  return trace->bytes;
}
