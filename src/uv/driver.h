/* The driver: brings one libuv loop's time to one engine, and keeps the loop alive exactly while something waits.
 *
 * Everything here runs on the loop's thread. The caller owns the struct; it is usable from sluice_driver_init until the
 * callback of sluice_driver_close. */
#ifndef SLUICE_DRIVER_H
#define SLUICE_DRIVER_H

#include <uv.h>

#include "../core/mailbox.h"
#include "../core/recorder.h"
#include "../core/sluice.h"
#include "commons.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_driver;

/* Decisions are ready: call SLUICE_OPERATION_NEXT until it answers EVENT_NONE. Called once per batch, at the tail of a
 * loop phase, with all state final; it may call any function of the driver. */
typedef void (*sluice_driver_wake)(struct sluice_driver *driver);
typedef void (*sluice_driver_closed)(struct sluice_driver *driver);

struct sluice_driver {
  uv_prepare_t prepare; /* always started; referenced exactly while the engine is */
  uv_check_t check;     /* always started, never referenced */
  uv_timer_t timer;     /* never referenced: prepare is */
  uv_idle_t idle;       /* started where the loop must not sleep before the next check */
  struct sluice_engine *engine;
  struct sluice_mailbox *mailbox;
  sluice_driver_wake wake;
  sluice_driver_closed closed;
  void *data; /* the caller's */

  uint64_t began;       /* uv_hrtime of init: times are since then */
  uint64_t turn_ended;  /* when prepare last ran */
  uint64_t idle_time;   /* uv_metrics_idle_time then */
  uint64_t block_ended; /* when the last turn that ran longer than 5 ms ended, and how long it ran */
  uint64_t block;
  uint64_t timer_due; /* what the timer is set to; SLUICE_NEVER: it is stopped */
  uint32_t countdown; /* steps until the clock is read again */
  uint8_t is_referenced;
  uint8_t is_idling;
  uint8_t is_virtual; /* time is moved by TURN_END, EXPIRE and JUDGE from outside; the loop's own is ignored */
  uint8_t handles_open;

  struct sluice_member *member; /* NULL: it has no limits in common with other threads */
  struct sluice_trace *trace;   /* NULL: not recording */

  struct sluice_recorder *recorder; /* NULL: off */
  uint64_t recorded_until;          /* when prepare last ran, while it is on, and uv_metrics_idle_time then */
  uint64_t recorded_idle_time;
  uint8_t is_tsc; /* its clock: see clock.h */
};

/* Starts the handles on `loop`. `mailbox` outlives the driver. Returns 0 or a libuv error; then nothing is open. */
int sluice_driver_init(struct sluice_driver *driver, uv_loop_t *loop, struct sluice_engine *engine,
                       struct sluice_mailbox *mailbox, sluice_driver_wake wake);
/* Closes the handles; `closed` is called from the loop when the last one is. The engine is the caller's to free. */
void sluice_driver_close(struct sluice_driver *driver, sluice_driver_closed closed);

/* One operation, from the words in the mailbox. Never calls wake. */
void sluice_driver_call(struct sluice_driver *driver, enum sluice_operation operation);
/* The same as sluice_driver_call(driver, SLUICE_OPERATION_STEP), for the hot path. */
void sluice_driver_step(struct sluice_driver *driver);

/* For commons.c, in a callback of the loop: takes what other threads have decided, and wakes. */
void sluice_driver_receive(struct sluice_driver *driver);
/* The close callback of each of the driver's handles, whose data is the driver. */
void sluice__driver_on_closed(uv_handle_t *handle);

/* The same for TAKE and PUT: they cost little more than the permit. */
void sluice_driver_take(struct sluice_driver *driver);
void sluice_driver_put(struct sluice_driver *driver);
/* While it is recorded: LANE has taken the next item of its job's granted run. */
void sluice_driver_note(struct sluice_driver *driver);

/* From now on the engine's decisions go to `recorder`, which is the caller's; NULL: to none. Its times are ticks of
 * clock.h; in virtual time nanoseconds of that. */
void sluice_driver_fly(struct sluice_driver *driver, struct sluice_recorder *recorder, int is_tsc);

/* Test only: from now on the engine is `engine`, and time is moved by sluice_driver_call with the time operations, or
 * by the loop again. The former engine is the caller's to free; nothing may be open in it. */
void sluice_driver_use_virtual_time(struct sluice_driver *driver, struct sluice_engine *engine);
void sluice_driver_use_real_time(struct sluice_driver *driver, struct sluice_engine *engine);

/* Test only: records every operation. A record that was there is dropped. Returns 0, or UV_ENOMEM. */
int sluice_driver_record(struct sluice_driver *driver);
void sluice_driver_stop_recording(struct sluice_driver *driver);
/* What was recorded since, as in trace_format.h; *size in bytes. Valid until the next call of anything. If
 * memory ran out while recording, *size is 0. */
const void *sluice_driver_recorded(const struct sluice_driver *driver, size_t *size);

#ifdef __cplusplus
}
#endif
#endif
