/* What pulse.c (a loop's thread), watchdog.c (the watchdog's) and report.c (the line that is written) share. */
#ifndef SLUICE_WATCHDOG_INTERNAL_H
#define SLUICE_WATCHDOG_INTERNAL_H

#include <stdatomic.h>

#include "watchdog.h"

enum sluice__phase {
  SLUICE__PHASE_START, /* where the watch began: no turn has been seen yet */
  SLUICE__PHASE_POLL,  /* behind prepare: asleep in poll, or in the callbacks of what has arrived */
  SLUICE__PHASE_CHECK  /* behind check: immediates, close callbacks, the next turn's timers */
};

struct sluice_pulse {
  struct sluice_pulse_setup setup;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_async_t async;
  uint32_t handles_open;
  uint32_t watch_count;
  struct sluice_report *finished; /* the oldest first; under the watchdog's mutex */

  /* Written on the loop's thread, at the end of a turn and behind poll. */
  _Atomic uint64_t tick; /* uv_hrtime of the latest mark */
  _Atomic uint32_t phase;
  _Atomic uint64_t idle_time; /* uv_metrics_idle_time at the end of the latest turn */
  _Atomic uint32_t jobs;      /* what was open then */
  _Atomic uint32_t lanes;
  _Atomic uint32_t waiters;

  _Atomic uint32_t is_stuck; /* by the watchdog: the next mark ends a block that is reported */
};

struct sluice_watch {
  struct sluice_watch *next;
  struct sluice_pulse *pulse;
  struct sluice_watch_setup setup;
  char *unasked; /* the copy that is freed */

  /* Under the watchdog's mutex. */
  uint64_t sampled_at;
  uint64_t tick; /* as it was then */
  uint64_t idle_time;
  uint64_t floor;     /* a block began no earlier than this: the watch's start, the end of a suspension */
  uint64_t silence;   /* for how long nothing has moved, by as much as the thread has really looked */
  uint64_t since;     /* of a block that is reported: when it began */
  uint64_t suspended; /* and how long the process was stopped meanwhile */
  uint64_t duration;  /* and, once it is over, how long it was */
  char *text;         /* what was said of it, to be taken when it is over; NULL: nothing, or it is not written yet */
  uint8_t is_stuck;
  uint8_t is_over;    /* the block that the latest report is of */
  uint8_t is_ignored; /* it is stuck, and not to be reported */
  uint8_t is_cut;     /* the latest line has no end: who reads the file took no more */
};

/* watchdog.c: a mark was made, at `now`, with is_stuck set. */
void sluice__watchdog_moved(struct sluice_pulse *pulse, uint64_t now);
void sluice__watchdog_stop_all(struct sluice_pulse *pulse);
/* pulse.c: its first watch starts, its last has stopped. */
void sluice__pulse_start(struct sluice_pulse *pulse);
void sluice__pulse_stop(struct sluice_pulse *pulse);

/* report.c: one line of JSON, with its '\n', or NULL where there is no memory. The caller frees it. `answer`: its
 * phase may be NULL. */
char *sluice__report_text(const struct sluice_watch *watch, uint64_t blocked, const struct sluice_answer *answer);
/* Whoever reads at the other end may have stopped: it is given up after 200 ms. Returns how many bytes are
 * left then. */
size_t sluice__report_write(uv_file file, char *text, size_t length);
/* Whether another process traces this one. */
int sluice__report_is_traced(void);

#endif
