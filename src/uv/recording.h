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

/* Writes what toJSON() of class Recording gives (lib/recording.js), as one line, to a file that is the caller's. Any
 * thread. Returns 0, or a libuv error: UV_ENOMEM, or what write() says. */
int sluice_recording_write(const struct sluice_recorder *recorder, struct sluice_names *names,
                           const struct sluice_recording_about *about, int fd);

const char *sluice_record_kind_name(enum sluice_record_kind kind);
const char *sluice_record_reason_name(enum sluice_record_reason reason);

#ifdef __cplusplus
}
#endif
#endif
