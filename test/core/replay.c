#include "replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/uv/trace_format.h"
#include "world.h"

enum { GRANT_WORDS = sizeof(struct sluice_grants) / sizeof(int32_t) };

static const char *name_of(uint32_t operation) {
  switch (operation) {
#define NAME(name, number) \
  case number: \
    return #name;
    SLUICE_MAILBOX_OPERATIONS(NAME)
#undef NAME
    default:
      return "unknown";
  }
}

static void print_difference(const char *name, size_t offset, size_t size, const struct sluice_mailbox *mailbox,
                             const struct sluice_trace_entry *entry, FILE *out) {
  const char *actual = (const char *)&mailbox->words + offset, *expected = (const char *)&entry->after + offset;
  if (memcmp(actual, expected, size) == 0) return;
  if (size == sizeof(int32_t)) {
    int32_t is, was;
    memcpy(&is, actual, size);
    memcpy(&was, expected, size);
    fprintf(out, "  %s: %" PRId32 ", and was %" PRId32 "\n", name, is, was);
  } else {
    double is, was;
    memcpy(&is, actual, size);
    memcpy(&was, expected, size);
    fprintf(out, "  %s: %.17g, and was %.17g\n", name, is, was);
  }
}

static void print_differences(uint64_t number, const struct sluice_mailbox *mailbox,
                              const struct sluice_trace_entry *entry, FILE *out) {
  fprintf(out, "operation %" PRIu64 ", %s:\n", number, name_of(entry->operation));
#define PRINT_INT(name, index) print_difference(#name, (index)*4, 4, mailbox, entry, out);
#define PRINT_DOUBLE(name, index) print_difference(#name, (index)*8, 8, mailbox, entry, out);
  SLUICE_MAILBOX_INTS(PRINT_INT)
  SLUICE_MAILBOX_DOUBLES(PRINT_DOUBLE)
#undef PRINT_INT
#undef PRINT_DOUBLE
}

/* Sets the words of the grants that the caller had changed. Returns how many bytes of the record that took, or -1. */
static int64_t apply_changes(struct sluice_grants *grants, uint32_t count, const char *at, const char *end) {
  if ((size_t)(end - at) / sizeof(struct sluice_trace_change) < count) return -1;
  for (uint32_t i = 0; i < count; i++) {
    struct sluice_trace_change change;
    memcpy(&change, at + i * sizeof change, sizeof change);
    if (change.index < 0 || change.index >= GRANT_WORDS) return -1;
    memcpy((char *)grants + (size_t)change.index * sizeof(int32_t), &change.value, sizeof change.value);
  }
  return (int64_t)(count * sizeof(struct sluice_trace_change));
}

/* Carries out one entry. Returns how many bytes of the record it took; 0 where the words differ, -1 where it is cut. */
static int64_t replay_entry(struct sluice_engine *engine, struct sluice_mailbox *mailbox, const char *at,
                            const char *end, uint64_t number, FILE *out) {
  struct sluice_trace_entry entry;
  if ((size_t)(end - at) < sizeof entry) return -1;
  memcpy(&entry, at, sizeof entry);
  int64_t changes = apply_changes(&mailbox->grants, entry.changed, at + sizeof entry, end);
  if (changes < 0) return -1;
  mailbox->words = entry.before;
  sluice_mailbox_call(engine, mailbox, (enum sluice_operation)entry.operation);
  if (memcmp(&mailbox->words, &entry.after, sizeof entry.after) == 0) return (int64_t)sizeof entry + changes;
  print_differences(number, mailbox, &entry, out);
  return 0;
}

int replay(const void *record, size_t size, uint64_t seed, FILE *out) {
  struct memory memory;
  memory_init(&memory);
  struct sluice_engine *engine = sluice_engine_new(&memory.allocator, seed);
  struct sluice_mailbox *mailbox = calloc(1, sizeof *mailbox);
  if (engine == NULL || mailbox == NULL) {
    fprintf(out, "out of memory\n");
    exit(EXIT_FAILURE);
  }
  sluice_share_grants(engine, &mailbox->grants);
  const char *at = record, *end = at + size;
  uint64_t number = 0;
  int64_t taken = 1;
  while (at < end && (taken = replay_entry(engine, mailbox, at, end, number, out)) > 0) {
    at += taken;
    number++;
  }
  sluice_engine_free(engine);
  free(mailbox);
  if (taken < 0) fprintf(out, "the record is cut or damaged at operation %" PRIu64 "\n", number);
  if (taken <= 0) return 1;
  fprintf(out, "replayed %" PRIu64 " operations: the same words\n", number);
  return 0;
}

/* The whole file, in memory that is the caller's to free; NULL where it cannot be read. */
static char *read_file(FILE *file, size_t *size) {
  size_t room = 1 << 16;
  char *bytes = malloc(room);
  *size = 0;
  while (bytes != NULL) {
    *size += fread(bytes + *size, 1, room - *size, file);
    if (*size < room) break;
    char *grown = realloc(bytes, room *= 2);
    if (grown == NULL) free(bytes);
    bytes = grown;
  }
  if (bytes == NULL || !ferror(file)) return bytes;
  free(bytes);
  return NULL;
}

int replay_file(const char *path, uint64_t seed) {
  FILE *file = fopen(path, "rb");
  size_t size;
  char *record = file == NULL ? NULL : read_file(file, &size);
  if (file != NULL) fclose(file);
  if (record == NULL) {
    perror(path);
    return 1;
  }
  int status = replay(record, size, seed, stdout);
  free(record);
  return status;
}
