/* Events come first, since nobody knows before which jobs they are about, and what is lost meanwhile. Nothing here goes
 * through printf's fractions: their point is the locale's. */
#include "recording.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define ROOM_CHECK_MS 2
/* Who is cancelled gives up on a reader that has taken nothing for so long. */
#define STALLED_MS 500

const char *sluice_record_kind_name(enum sluice_record_kind kind) {
  switch (kind) {
#define NAME(name, text) \
  case SLUICE_RECORD_##name: \
    return text;
    SLUICE_RECORD_KINDS(NAME)
#undef NAME
  }
  return "";
}

const char *sluice_record_reason_name(enum sluice_record_reason reason) {
  switch (reason) {
#define NAME(name, text) \
  case SLUICE_REASON_##name: \
    return text;
    SLUICE_RECORD_REASONS(NAME)
#undef NAME
  }
  return "";
}

uint64_t sluice_recording_ns(const struct sluice_recording_about *about, uint64_t ticks) {
  if (ticks <= about->began) return 0;
  return (uint64_t)((double)(ticks - about->began) / about->ticks_per_ms * 1e6);
}

/* Jobs by handle, in the order in which they appear: open addressing, never more than half full. */
struct jobs {
  struct sluice_handle *handles;
  uint32_t *places; /* of the hash: a number + 1; 0: empty */
  uint32_t count;
  uint32_t room; /* of `places`; of `handles` half of that */
};

struct out {
  struct jobs jobs;
  int fd;
  const uint32_t *is_cancelled;
  int waited_ms; /* since the file has taken something */
  int error;     /* the first one; nothing is written after it */
  size_t size;
  char buffer[1 << 14];
};

/* The file takes no more for now: a pipe whose reader is slow, or has stopped reading. */
static void wait_for_room(struct out *out) {
  if (out->waited_ms >= STALLED_MS && __atomic_load_n(out->is_cancelled, __ATOMIC_RELAXED)) {
    out->error = UV_ECANCELED;
    return;
  }
  uv_sleep(ROOM_CHECK_MS);
  if (out->waited_ms < STALLED_MS) out->waited_ms += ROOM_CHECK_MS;
}

static void flush(struct out *out) {
  for (size_t written = 0; written < out->size && out->error == 0;) {
    ssize_t count = write(out->fd, out->buffer + written, out->size - written);
    if (count >= 0) {
      written += (size_t)count;
      out->waited_ms = 0;
    } else if (errno == EAGAIN) {
      wait_for_room(out);
    } else if (errno != EINTR) {
      out->error = uv_translate_sys_error(errno);
    }
  }
  out->size = 0;
}

static void put(struct out *out, const char *bytes, size_t length) {
  while (length > 0) {
    size_t room = sizeof out->buffer - out->size;
    size_t part = length < room ? length : room;
    memcpy(out->buffer + out->size, bytes, part);
    out->size += part;
    bytes += part;
    length -= part;
    if (out->size == sizeof out->buffer) flush(out);
  }
}

/* Numbers and words of ours: no more than 255 bytes. */
__attribute__((format(printf, 2, 3))) static void print(struct out *out, const char *format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is started above; clang-tidy 14 loses sight of that */
  int length = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (length > 0) put(out, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

static void print_ms(struct out *out, const char *key, uint64_t ns) {
  print(out, "\"%s\":%" PRIu64 ".%06" PRIu64, key, ns / 1000000, ns % 1000000);
}

/* UTF-8 goes as it is. */
static void print_string(struct out *out, const char *text, size_t length) {
  put(out, "\"", 1);
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)text[i];
    if (byte == '"' || byte == '\\') print(out, "\\%c", byte);
    else if (byte < 0x20) print(out, "\\u%04x", byte);
    else put(out, text + i, 1);
  }
  put(out, "\"", 1);
}

static uint32_t place_of(const struct jobs *jobs, struct sluice_handle handle) {
  uint64_t hash = ((uint64_t)handle.generation << 32 | handle.slot) * 0x9e3779b97f4a7c15u;
  uint32_t place = (uint32_t)(hash >> 32) & (jobs->room - 1);
  for (; jobs->places[place] != 0; place = (place + 1) & (jobs->room - 1)) {
    const struct sluice_handle *other = &jobs->handles[jobs->places[place] - 1];
    if (other->slot == handle.slot && other->generation == handle.generation) break;
  }
  return place;
}

static int grow(struct jobs *jobs) {
  uint32_t room = jobs->room == 0 ? 64 : jobs->room * 2;
  struct sluice_handle *handles = realloc(jobs->handles, room / 2 * sizeof *handles);
  if (handles == NULL) return UV_ENOMEM;
  jobs->handles = handles;
  uint32_t *places = calloc(room, sizeof *places);
  if (places == NULL) return UV_ENOMEM;
  free(jobs->places);
  jobs->places = places;
  jobs->room = room;
  for (uint32_t i = 0; i < jobs->count; i++) jobs->places[place_of(jobs, handles[i])] = i + 1;
  return 0;
}

/* Its number, from 0; -1: it is none. */
static int64_t number_of(struct out *out, struct sluice_handle handle) {
  struct jobs *jobs = &out->jobs;
  if (handle.generation == 0) return -1;
  if (jobs->count == jobs->room / 2) {
    int error = grow(jobs);
    if (error != 0) {
      out->error = out->error == 0 ? error : out->error;
      return -1;
    }
  }
  uint32_t *place = &jobs->places[place_of(jobs, handle)];
  if (*place == 0) {
    jobs->handles[jobs->count] = handle;
    *place = ++jobs->count;
  }
  return (int64_t)*place - 1;
}

static void print_event(struct out *out, const struct sluice_recording_about *about,
                        const struct sluice_record *record) {
  int64_t job = number_of(out, record->job);
  put(out, "{", 1);
  print_ms(out, "time", sluice_recording_ns(about, record->time));
  print(out, ",\"kind\":\"%s\",\"job\":%" PRId64, sluice_record_kind_name(record->kind), job);
  print(out, ",\"lane\":%" PRId64, record->lane == SLUICE_RECORD_NO_LANE ? -1 : (int64_t)record->lane);
  print(out, ",\"item\":%" PRId64, record->item == SLUICE_RECORD_NO_ITEM ? -1 : (int64_t)record->item);
  print(out, ",\"attempt\":%" PRIu32, record->attempt);
  if (record->reason != SLUICE_REASON_NONE) print(out, ",\"reason\":\"%s\"", sluice_record_reason_name(record->reason));
  if (sluice_record_has_value(record->kind, record->reason)) {
    put(out, ",", 1);
    print_ms(out, "ms", record->value);
  }
  put(out, "}", 1);
}

void sluice_recording_begin(struct sluice_recording_reader *reader, const struct sluice_recorder *recorder) {
  *reader = (struct sluice_recording_reader){.recorder = recorder, .end = sluice_recorder_count(recorder)};
}

/* What comes while it is read is not waited for: it may come for ever. */
size_t sluice_recording_next(struct sluice_recording_reader *reader) {
  if (reader->next >= reader->end) return 0;
  uint64_t from = reader->next, left = reader->end - reader->next;
  size_t count = sluice_recorder_read(reader->recorder, &from, reader->records,
                                      left < SLUICE_READER_RECORDS ? (size_t)left : SLUICE_READER_RECORDS);
  if (count == 0) return 0;
  reader->lost += from - reader->next;
  reader->next = from + count;
  return count;
}

static void print_events(struct out *out, struct sluice_recording_reader *reader,
                         const struct sluice_recording_about *about) {
  int is_first = 1;
  put(out, "\"events\":[", strlen("\"events\":["));
  for (size_t count; out->error == 0 && (count = sluice_recording_next(reader)) > 0;) {
    for (size_t i = 0; i < count; i++) {
      if (reader->records[i].kind == SLUICE_RECORD_VOID) continue;
      if (!is_first) put(out, ",", 1);
      is_first = 0;
      print_event(out, about, &reader->records[i]);
    }
  }
  put(out, "]", 1);
}

static void print_jobs(struct out *out, struct sluice_names *names) {
  char name[SLUICE_NAME_SIZE];
  put(out, ",\"jobs\":[", strlen(",\"jobs\":["));
  for (uint32_t i = 0; i < out->jobs.count; i++) {
    int length = sluice_names_get(names, out->jobs.handles[i], name, sizeof name);
    print(out, "%s{\"id\":%" PRIu32 ",\"name\":", i == 0 ? "" : ",", i);
    print_string(out, name, (size_t)length);
    put(out, "}", 1);
  }
  put(out, "]", 1);
}

int sluice_recording_write(const struct sluice_recorder *recorder, struct sluice_names *names,
                           const struct sluice_recording_about *about, int fd, const uint32_t *is_cancelled) {
  struct out *out = calloc(1, sizeof *out);
  if (out == NULL) return UV_ENOMEM;
  out->fd = fd;
  out->is_cancelled = is_cancelled;
  print(out, "{\"version\":1,\"startedAt\":%" PRIu64, (uint64_t)about->started_at);
  print(out, ",\"thread\":%" PRId64 ",\"pid\":%" PRId64 ",", about->thread, about->pid);
  print_ms(out, "duration", sluice_recording_ns(about, about->ended));
  put(out, ",", 1);
  struct sluice_recording_reader reader;
  sluice_recording_begin(&reader, recorder);
  print_events(out, &reader, about);
  print_jobs(out, names);
  print(out, ",\"lost\":%" PRIu64 "}\n", reader.lost);
  flush(out);
  int error = out->error;
  free(out->jobs.handles);
  free(out->jobs.places);
  free(out);
  return error;
}
