/* A recording as JSON, written while the engine goes on, or while JavaScript is stuck. */
#ifndef SLUICE_RECORDING_H
#define SLUICE_RECORDING_H

#include <stdint.h>

#include "../core/recorder.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_recording_about {
  double started_at;   /* milliseconds since the epoch, of: */
  uint64_t began;      /* ticks of the recorder's clock */
  uint64_t ended;      /* the same: when it was stopped, or now */
  double ticks_per_ms; /* > 0 */
  int64_t thread;      /* threadId of node:worker_threads */
  int64_t pid;
};

/* From ticks to nanoseconds since `began`. */
uint64_t sluice_recording_ns(const struct sluice_recording_about *about, uint64_t ticks);

/* Reads a recorder's events from the first to the last that there is now; any thread. */
#define SLUICE_READER_RECORDS 128

struct sluice_recording_reader {
  const struct sluice_recorder *recorder;
  uint64_t next; /* the number of the event that is read next */
  uint64_t end;
  uint64_t lost; /* how many were overwritten before they could be read */
  struct sluice_record records[SLUICE_READER_RECORDS];
};

void sluice_recording_begin(struct sluice_recording_reader *reader, const struct sluice_recorder *recorder);
/* Returns how many of `records` come next; among them may be those of kind VOID. 0: that was all. */
size_t sluice_recording_next(struct sluice_recording_reader *reader);

/* Writes what toJSON() of class Recording gives (lib/recording.js), as one line, to a file that is the caller's. Any
 * thread. One that does not block and takes no more for now is waited for; once `is_cancelled` (atomic) is not 0, no
 * longer than half a second. Returns 0, or a libuv error: UV_ENOMEM, UV_ECANCELED, or what write() says. */
int sluice_recording_write(const struct sluice_recorder *recorder, struct sluice_names *names,
                           const struct sluice_recording_about *about, int fd, const uint32_t *is_cancelled);

const char *sluice_record_kind_name(enum sluice_record_kind kind);
const char *sluice_record_reason_name(enum sluice_record_reason reason);

#ifdef __cplusplus
}
#endif
#endif
