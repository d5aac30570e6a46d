/* How time reaches the engine.
 *
 * libuv turns: timers (TIMER) -> IDLE -> PREPARE -> poll -> CHECK -> closing -> timers -> ...
 *
 *   IDLE     only where the loop was not to sleep: lanes that gave way to the loop go on. (Not in CHECK: libuv runs the
 *            check handles newest first, so ours would come before Node's setImmediate, for ever.)
 *   PREPARE  the end of a turn. The one place that reads the clock: every deadline armed in this turn is stamped with
 *            it, and the timer is set to the earliest. If anything waits for CHECK, idle is started: poll returns at
 *            once.
 *   TIMER    something is due. Sleeps and backoffs go on at once. Timeouts are only marked, and get one poll: an answer
 *            that has arrived wins. Where the loop was kept from running for more than 5 ms just before, they are held
 *            for as long as that, at most 25 ms, since much of what arrived meanwhile takes several turns to read
 *            (TLS, decompression, the thread pool).
 *   CHECK    after that poll: what is still open is judged, progress is reported.
 *
 * Ground rules:
 * - prepare is referenced exactly while the engine waits for something that is not unreferenced; set right after every
 *   operation, in both directions: libuv tests liveness between timers and prepare, and `beforeExit` would be asked
 *   again and again.
 * - The timer never fires early: libuv's clock is whole milliseconds, rounded down, so the due time is rounded up.
 * - wake() is the last thing a phase does: it runs user code, which may call anything here.
 *
 * The trap: the time between two prepares is not what the turn ran. It contains the sleep in poll, and what the
 * callbacks inside poll ran. Only libuv knows the difference (uv_metrics_idle_time). */
#include "driver.h"

#include <string.h>

#include "clock.h"
#include "trace.h"

#define BLOCK_MIN (5 * SLUICE_MILLISECOND)
#define HOLD_MAX (25 * SLUICE_MILLISECOND)

#define INT(driver, name) ((driver)->mailbox->words.ints[SLUICE_WORD_##name])
#define DOUBLE(driver, name) ((driver)->mailbox->words.doubles[SLUICE_WORD_##name])

static uint64_t read_clock(const struct sluice_driver *driver) {
  return uv_hrtime() - driver->began;
}

/* Who drives virtual time keeps it in this word. */
static uint64_t virtual_ticks(const struct sluice_driver *driver) {
  double now = DOUBLE(driver, NOW);
  return now >= 0 && now < (double)SLUICE_NEVER ? (uint64_t)now : 0;
}

/* The time of what the recorder is told next: once for each crossing, not for each event. */
static void stamp(struct sluice_driver *driver) {
  uint64_t ticks = driver->is_virtual ? virtual_ticks(driver) : sluice__ticks(driver->is_tsc);
  sluice_recorder_tell_time(driver->recorder, ticks);
}

static void call_engine(struct sluice_driver *driver, enum sluice_operation operation) {
  if (driver->trace == NULL) sluice_mailbox_call(driver->engine, driver->mailbox, operation);
  else sluice__trace_call(driver->trace, driver->engine, driver->mailbox, operation);
}

/* The time operations go through the mailbox only while they are recorded, so that the record is whole. */
static void tell_time(struct sluice_driver *driver, enum sluice_operation operation, uint64_t now, uint64_t span) {
  if (driver->recorder != NULL) stamp(driver);
  if (driver->trace != NULL) {
    DOUBLE(driver, NOW) = (double)now;
    DOUBLE(driver, SPAN) = (double)span;
    call_engine(driver, operation);
  } else if (operation == SLUICE_OPERATION_TURN_BEGIN) {
    sluice_turn_begin(driver->engine);
  } else if (operation == SLUICE_OPERATION_TURN_END) {
    sluice_turn_end(driver->engine, now, span);
  } else if (operation == SLUICE_OPERATION_EXPIRE) {
    sluice_expire(driver->engine, now, span);
  } else {
    sluice_judge(driver->engine, now);
  }
}

static void observe(struct sluice_driver *driver) {
  if (driver->is_virtual) {
    driver->countdown = UINT32_MAX;
    return;
  }
  uint64_t now = read_clock(driver);
  if (driver->trace == NULL) {
    driver->countdown = sluice_observe(driver->engine, now);
  } else {
    union sluice_words saved = driver->mailbox->words;
    DOUBLE(driver, NOW) = (double)now;
    DOUBLE(driver, SPAN) = 0;
    call_engine(driver, SLUICE_OPERATION_OBSERVE);
    driver->countdown = (uint32_t)INT(driver, STRIDE);
    driver->mailbox->words = saved;
  }
}

static void update_reference(struct sluice_driver *driver) {
  int is_referenced = sluice_is_referenced(driver->engine);
  if (is_referenced == driver->is_referenced || driver->closed != NULL) return;
  driver->is_referenced = (uint8_t)is_referenced;
  if (is_referenced) uv_ref((uv_handle_t *)&driver->prepare);
  else uv_unref((uv_handle_t *)&driver->prepare);
}

/* What an operation of ours has decided for us by way of another thread's limit: as if the engine had. */
static void receive(struct sluice_driver *driver) {
  if (driver->member != NULL && sluice_commons_deliver(driver->member))
    INT(driver, HANDED) = sluice_has_handed(driver->engine);
}

void sluice_driver_step(struct sluice_driver *driver) {
  if (driver->recorder != NULL) stamp(driver);
  if (--driver->countdown == 0 || sluice_wants_clock(driver->engine)) observe(driver);
  if (driver->trace == NULL) sluice_mailbox_step(driver->engine, driver->mailbox);
  else call_engine(driver, SLUICE_OPERATION_STEP);
  /* A granted run is as long as steps go without reading the clock: the next one reads it. */
  if (INT(driver, GRANTED) != 0 && INT(driver, ACTION) == SLUICE_ACTION_START) driver->countdown = 1;
  receive(driver);
  update_reference(driver);
}

static struct sluice_handle named_semaphore(const struct sluice_driver *driver) {
  return (struct sluice_handle){(uint32_t)INT(driver, SEMAPHORE), (uint32_t)INT(driver, SEMAPHORE_GENERATION)};
}

void sluice_driver_take(struct sluice_driver *driver) {
  if (driver->trace != NULL) call_engine(driver, SLUICE_OPERATION_TAKE);
  else INT(driver, ACTION) = sluice_take(driver->engine, named_semaphore(driver));
}

void sluice_driver_put(struct sluice_driver *driver) {
  if (driver->trace != NULL) {
    sluice_driver_call(driver, SLUICE_OPERATION_PUT);
    return;
  }
  INT(driver, ACTION) = sluice_give(driver->engine, named_semaphore(driver), 1);
  receive(driver);
  INT(driver, HANDED) = sluice_has_handed(driver->engine);
  if (INT(driver, HANDED) != 0) update_reference(driver);
}

void sluice_driver_call(struct sluice_driver *driver, enum sluice_operation operation) {
  if (operation == SLUICE_OPERATION_STEP) {
    sluice_driver_step(driver);
    return;
  }
  if (operation >= SLUICE_OPERATION_OBSERVE && !driver->is_virtual) {
    INT(driver, ACTION) = SLUICE_ESTATE; /* only the loop moves real time */
    return;
  }
  if (driver->recorder != NULL) stamp(driver);
  /* The turn's time runs from here. (JOIN is no step: the first lanes start inside the call, whatever the time.) */
  if (operation == SLUICE_OPERATION_OPEN && --driver->countdown == 0) observe(driver);
  if (sluice_mailbox_wants_clock(driver->engine, driver->mailbox, operation)) observe(driver);
  int needs_now = operation == SLUICE_OPERATION_REMAINING || operation == SLUICE_OPERATION_CLOCK;
  if (needs_now && !driver->is_virtual) DOUBLE(driver, NOW) = (double)read_clock(driver);
  call_engine(driver, operation);
  receive(driver);
  update_reference(driver);
}

static void on_timer(uv_timer_t *timer);

/* Sets the timer to the engine's next expiry, where that has changed. */
static void update_timer(struct sluice_driver *driver) {
  uint64_t due = sluice_next_expiry(driver->engine);
  if (due == driver->timer_due) return;
  driver->timer_due = due;
  if (due >= SLUICE_NEVER) {
    uv_timer_stop(&driver->timer);
    return;
  }
  /* libuv counts whole milliseconds of uv_hrtime, and adds the delay to its own, possibly stale, idea of now. */
  uint64_t due_ms = (due + driver->began + SLUICE_MILLISECOND - 1) / SLUICE_MILLISECOND;
  uint64_t now_ms = uv_now(driver->timer.loop);
  uv_timer_start(&driver->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void on_idle(uv_idle_t *idle);

/* Must the loop not sleep before the next check? */
static void update_idle(struct sluice_driver *driver) {
  int is_idling = sluice_wants_turn(driver->engine) || sluice_is_ready(driver->engine);
  if (is_idling == driver->is_idling) return;
  driver->is_idling = (uint8_t)is_idling;
  if (is_idling) uv_idle_start(&driver->idle, on_idle);
  else uv_idle_stop(&driver->idle);
}

/* The last thing a phase does. */
static void wake_if_ready(struct sluice_driver *driver) {
  if (sluice_is_ready(driver->engine)) driver->wake(driver);
}

void sluice_driver_receive(struct sluice_driver *driver) {
  if (driver->closed != NULL) return;
  observe(driver); /* who has waited is told for how long */
  sluice_commons_deliver(driver->member);
  update_reference(driver);
  update_timer(driver);
  update_idle(driver);
  wake_if_ready(driver);
}

static void on_idle(uv_idle_t *idle) {
  struct sluice_driver *driver = idle->data;
  tell_time(driver, SLUICE_OPERATION_TURN_BEGIN, driver->turn_ended, 0);
  observe(driver); /* the turn's time runs from here, not from the first lane's first answer */
  wake_if_ready(driver);
}

/* How long the loop has run code, not slept, since the last prepare. */
static uint64_t busy_since_prepare(const struct sluice_driver *driver, uint64_t now, uint64_t idle_time) {
  uint64_t passed = now - driver->turn_ended;
  uint64_t slept = idle_time - driver->idle_time;
  return passed > slept ? passed - slept : 0;
}

/* While nothing has a deadline the engine need not know what blocked the loop; the recorder does. */
static void record_block(struct sluice_driver *driver, uint64_t now) {
  uint64_t idle_time = uv_metrics_idle_time(driver->prepare.loop);
  uint64_t passed = now - driver->recorded_until;
  uint64_t slept = idle_time - driver->recorded_idle_time;
  driver->recorded_until = now;
  driver->recorded_idle_time = idle_time;
  stamp(driver);
  if (passed > slept + BLOCK_MIN) sluice_recorder_tell_block(driver->recorder, passed - slept);
}

static void on_prepare(uv_prepare_t *prepare) {
  struct sluice_driver *driver = prepare->data;
  if (driver->is_virtual) return;
  driver->countdown = 1; /* the first step of the next turn reads the clock */
  uint64_t now = read_clock(driver);
  uint64_t busy = 0;
  if (sluice_has_deadlines(driver->engine)) {
    uint64_t idle_time = uv_metrics_idle_time(prepare->loop);
    busy = busy_since_prepare(driver, now, idle_time);
    driver->idle_time = idle_time;
    if (busy > BLOCK_MIN) {
      driver->block = busy;
      driver->block_ended = now;
    }
  }
  if (driver->recorder != NULL) record_block(driver, now);
  driver->turn_ended = now;
  tell_time(driver, SLUICE_OPERATION_TURN_END, now, busy);
  update_timer(driver);
  update_idle(driver);
  update_reference(driver);
}

/* For how long from now timeouts that are due must be held: 0, unless the loop has just been kept from running. The
 * hold begins where the block ended, be it in the turn that is still going on or in one before it. */
static uint64_t hold_for(const struct sluice_driver *driver, uint64_t now) {
  uint64_t busy = busy_since_prepare(driver, now, uv_metrics_idle_time(driver->timer.loop));
  uint64_t late = now - driver->timer_due;
  uint64_t block = busy > late ? busy : late;
  uint64_t block_ended = now;
  if (block <= BLOCK_MIN) {
    block = driver->block;
    block_ended = driver->block_ended;
  }
  uint64_t held_until = block_ended + (block < HOLD_MAX ? block : HOLD_MAX);
  return held_until > now ? held_until - now : 0;
}

static void on_timer(uv_timer_t *timer) {
  struct sluice_driver *driver = timer->data;
  uint64_t now = read_clock(driver);
  if (now >= driver->timer_due) tell_time(driver, SLUICE_OPERATION_EXPIRE, now, hold_for(driver, now));
  driver->timer_due = SLUICE_NEVER; /* it has fired, so it is stopped */
  update_timer(driver);
  update_idle(driver);
  wake_if_ready(driver);
}

static void on_check(uv_check_t *check) {
  struct sluice_driver *driver = check->data;
  if (driver->is_virtual) return;
  if (!driver->is_idling) return;
  tell_time(driver, SLUICE_OPERATION_JUDGE, read_clock(driver), 0);
  update_reference(driver);
  wake_if_ready(driver);
  update_idle(driver);
}

int sluice_driver_init(struct sluice_driver *driver, uv_loop_t *loop, struct sluice_engine *engine,
                       struct sluice_mailbox *mailbox, sluice_driver_wake wake) {
  memset(driver, 0, sizeof *driver);
  driver->engine = engine;
  driver->mailbox = mailbox;
  sluice_share_grants(engine, &mailbox->grants);
  driver->wake = wake;
  driver->began = uv_hrtime();
  uv_loop_configure(loop, UV_METRICS_IDLE_TIME); /* Node has done so; an embedder may not */
  driver->timer_due = SLUICE_NEVER;
  driver->countdown = 1;
  driver->idle_time = uv_metrics_idle_time(loop);
  driver->prepare.data = driver->check.data = driver->timer.data = driver->idle.data = driver;
  /* None of these can fail in libuv 1.x: they only fill in the struct. Starting them cannot either. */
  uv_prepare_init(loop, &driver->prepare);
  uv_check_init(loop, &driver->check);
  uv_timer_init(loop, &driver->timer);
  uv_idle_init(loop, &driver->idle);
  driver->handles_open = 4;
  uv_unref((uv_handle_t *)&driver->prepare);
  uv_unref((uv_handle_t *)&driver->check);
  uv_unref((uv_handle_t *)&driver->timer);
  uv_unref((uv_handle_t *)&driver->idle);
  uv_prepare_start(&driver->prepare, on_prepare);
  uv_check_start(&driver->check, on_check);
  return 0;
}

void sluice__driver_on_closed(uv_handle_t *handle) {
  struct sluice_driver *driver = handle->data;
  if (--driver->handles_open > 0) return;
  sluice__trace_free(driver->trace);
  driver->trace = NULL;
  sluice_commons_free(driver->member);
  driver->member = NULL;
  driver->closed(driver);
}

void sluice_driver_close(struct sluice_driver *driver, sluice_driver_closed closed) {
  driver->closed = closed;
  if (driver->member != NULL) sluice_commons_quit(driver->member);
  uv_close((uv_handle_t *)&driver->prepare, sluice__driver_on_closed);
  uv_close((uv_handle_t *)&driver->check, sluice__driver_on_closed);
  uv_close((uv_handle_t *)&driver->timer, sluice__driver_on_closed);
  uv_close((uv_handle_t *)&driver->idle, sluice__driver_on_closed);
}

void sluice_driver_fly(struct sluice_driver *driver, struct sluice_recorder *recorder, int is_tsc) {
  driver->recorder = recorder;
  driver->is_tsc = (uint8_t)is_tsc;
  if (driver->engine != NULL) sluice_record_to(driver->engine, recorder);
  if (recorder == NULL) return;
  driver->recorded_until = read_clock(driver);
  driver->recorded_idle_time = uv_metrics_idle_time(driver->prepare.loop);
  stamp(driver);
}

void sluice_driver_note(struct sluice_driver *driver) {
  if (driver->recorder == NULL) return;
  stamp(driver);
  sluice_note(driver->engine, (uint32_t)INT(driver, LANE));
}

static void use_engine(struct sluice_driver *driver, struct sluice_engine *engine, int is_virtual) {
  driver->engine = engine;
  sluice_share_grants(engine, &driver->mailbox->grants);
  driver->is_virtual = (uint8_t)is_virtual;
  driver->countdown = is_virtual ? UINT32_MAX : 1;
  uv_timer_stop(&driver->timer);
  uv_idle_stop(&driver->idle);
  driver->timer_due = SLUICE_NEVER;
  driver->is_idling = 0;
  update_reference(driver);
}

void sluice_driver_use_virtual_time(struct sluice_driver *driver, struct sluice_engine *engine) {
  use_engine(driver, engine, 1);
}

void sluice_driver_use_real_time(struct sluice_driver *driver, struct sluice_engine *engine) {
  use_engine(driver, engine, 0);
}

int sluice_driver_record(struct sluice_driver *driver) {
  struct sluice_trace *trace = sluice__trace_new();
  if (trace == NULL) return UV_ENOMEM;
  sluice__trace_free(driver->trace);
  driver->trace = trace;
  return 0;
}

void sluice_driver_stop_recording(struct sluice_driver *driver) {
  sluice__trace_free(driver->trace);
  driver->trace = NULL;
}

const void *sluice_driver_recorded(const struct sluice_driver *driver, size_t *size) {
  *size = 0;
  return driver->trace == NULL ? NULL : sluice__trace_entries(driver->trace, size);
}
