/* The flight recorder of one instance: the ring, its clock, and what a recording says of itself. */
#ifndef SLUICE_FLIGHT_H
#define SLUICE_FLIGHT_H

#include "driver.h"
#include "recording.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What was recorded since one start. */
struct sluice_flight_ring {
  struct sluice_recorder *recorder;
  uint32_t users; /* the flight, and who writes it down: the last one frees it */
};

struct sluice_flight {
  uv_mutex_t mutex;                /* of all below: only the driver's thread changes it, but any may read it */
  struct sluice_flight_ring *ring; /* of the latest start; NULL: none yet */
  struct sluice_names *names;      /* the caller's */
  struct sluice_recording_about about;
  uint64_t began; /* uv_hrtime when it began: what ticks are measured by */
  uint8_t is_on;
  uint8_t is_tsc;
  uint8_t is_virtual;
};

/* Returns 0, or a libuv error. */
int sluice_flight_init(struct sluice_flight *flight, struct sluice_names *names);
/* Of one that was initialized, and whose driver is closed or has stopped. */
void sluice_flight_fini(struct sluice_flight *flight);

/* Records what the driver's engine decides from now on, the latest `events` of it; what was recorded before is gone.
 * `about` is copied, as far as it is the caller's: started_at, thread and pid. Returns 0, or UV_ENOMEM: then all is as
 * it was. */
int sluice_flight_start(struct sluice_flight *flight, struct sluice_driver *driver, uint64_t events,
                        const struct sluice_recording_about *about);
/* What was recorded stays. */
void sluice_flight_stop(struct sluice_flight *flight, struct sluice_driver *driver);

/* What a recording of now says of itself. Only on the driver's thread. */
struct sluice_recording_about sluice_flight_about(struct sluice_flight *flight);

/* Writes a recording of now, as sluice_recording_write() does; any thread. Nobody else has to wait for it, however slow
 * the file is. Returns 0, a libuv error, or UV_ENOENT: nothing was ever recorded. */
int sluice_flight_write(struct sluice_flight *flight, int fd, const uint32_t *is_cancelled);

#ifdef __cplusplus
}
#endif
#endif
