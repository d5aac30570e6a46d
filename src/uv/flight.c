#include "flight.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "heap.h"

/* Nanoseconds. */
#define CALIBRATION 50000

int sluice_flight_init(struct sluice_flight *flight, struct sluice_names *names) {
  memset(flight, 0, sizeof *flight);
  int error = uv_mutex_init(&flight->mutex);
  if (error == 0) flight->names = names;
  return error;
}

static void let_go(struct sluice_flight_ring *ring) {
  if (ring == NULL || --ring->users > 0) return;
  sluice_recorder_free(ring->recorder);
  free(ring);
}

void sluice_flight_fini(struct sluice_flight *flight) {
  let_go(flight->ring);
  uv_mutex_destroy(&flight->mutex);
}

/* The two clocks, read as close to each other as can be. */
static void read_clocks(const struct sluice_flight *flight, uint64_t *ticks, uint64_t *now) {
  *now = uv_hrtime();
  *ticks = flight->is_tsc ? sluice__ticks(1) : *now;
}

/* How far the recording has come. */
static void update(struct sluice_flight *flight) {
  struct sluice_recording_about *about = &flight->about;
  uint64_t now;
  if (!flight->is_on) return;
  if (flight->is_virtual) {
    about->ended = flight->ring->recorder->time;
    return;
  }
  read_clocks(flight, &about->ended, &now);
  if (flight->is_tsc && now > flight->began && about->ended > about->began)
    about->ticks_per_ms = (double)(about->ended - about->began) / ((double)(now - flight->began) / 1e6);
}

/* A first idea of how fast the clock ticks; the longer it is on, the better it is known. */
static void calibrate(struct sluice_flight *flight) {
  if (!flight->is_tsc) return;
  while (uv_hrtime() - flight->began < CALIBRATION) {
  }
  update(flight);
}

int sluice_flight_start(struct sluice_flight *flight, struct sluice_driver *driver, uint64_t events,
                        const struct sluice_recording_about *about) {
  struct sluice_flight_ring *ring = malloc(sizeof *ring);
  struct sluice_recorder *recorder = ring == NULL ? NULL : sluice_recorder_new(&sluice_heap, events);
  if (recorder == NULL) {
    free(ring);
    return UV_ENOMEM;
  }
  *ring = (struct sluice_flight_ring){recorder, 1};
  uv_mutex_lock(&flight->mutex);
  let_go(flight->ring);
  flight->ring = ring;
  flight->about = *about;
  flight->about.ticks_per_ms = 1e6;
  flight->is_on = 1;
  flight->is_virtual = driver->is_virtual;
  flight->is_tsc = (uint8_t)(!driver->is_virtual && sluice__tsc_is_even());
  read_clocks(flight, &flight->about.began, &flight->began);
  calibrate(flight);
  sluice_driver_fly(driver, recorder, flight->is_tsc);
  if (flight->is_virtual) flight->about.began = recorder->time;
  uv_mutex_unlock(&flight->mutex);
  return 0;
}

void sluice_flight_stop(struct sluice_flight *flight, struct sluice_driver *driver) {
  uv_mutex_lock(&flight->mutex);
  update(flight);
  flight->is_on = 0;
  sluice_driver_fly(driver, NULL, 0);
  uv_mutex_unlock(&flight->mutex);
}

struct sluice_recording_about sluice_flight_about(struct sluice_flight *flight) {
  uv_mutex_lock(&flight->mutex);
  update(flight);
  struct sluice_recording_about about = flight->about;
  uv_mutex_unlock(&flight->mutex);
  return about;
}

int sluice_flight_write(struct sluice_flight *flight, int fd, const uint32_t *is_cancelled) {
  uv_mutex_lock(&flight->mutex);
  struct sluice_flight_ring *ring = flight->ring;
  if (ring != NULL) {
    update(flight);
    ring->users++;
  }
  struct sluice_recording_about about = flight->about;
  uv_mutex_unlock(&flight->mutex);
  if (ring == NULL) return UV_ENOENT;
  int error = sluice_recording_write(ring->recorder, flight->names, &about, fd, is_cancelled);
  uv_mutex_lock(&flight->mutex);
  let_go(ring);
  uv_mutex_unlock(&flight->mutex);
  return error;
}
