#include "mailbox.h"

#include <math.h>
#include <string.h>

#define INT(name) mailbox->words.ints[SLUICE_WORD_##name]
#define DOUBLE(name) mailbox->words.doubles[SLUICE_WORD_##name]

/* The doubles stand between two rooms of ints. */
#define FITS_INTS(name, index) \
  _Static_assert(index < 16 || (index >= 96 && index < SLUICE_MAILBOX_WORD_BYTES / 4), #name \
                 " would stand " \
                 "elsewhere");
SLUICE_MAILBOX_INTS(FITS_INTS)
#define FITS_DOUBLES(name, index) _Static_assert(index >= 8 && index < 48, #name " would stand in the ints");
SLUICE_MAILBOX_DOUBLES(FITS_DOUBLES)

uint64_t sluice_ms_to_ns(double ms) {
  if (!(ms > 0)) return 0;
  double ns = ms * 1e6;
  if (ns >= (double)SLUICE_NEVER) return SLUICE_NEVER;
  uint64_t floor = (uint64_t)ns;
  return (double)floor < ns ? floor + 1 : floor;
}

static double ns_to_ms(uint64_t ns) {
  return (double)ns / 1e6;
}

/* A count up to `max`; infinity, and whatever is more, is `unlimited`. Returns 0 for NaN, fractions and below 0. */
static int read_count(double value, uint64_t max, uint64_t unlimited, uint64_t *count) {
  if (!(value >= 0)) return 0;
  *count = value > (double)max ? unlimited : (uint64_t)value;
  return *count == unlimited || (double)*count == value;
}

static int read_duration(double ms, uint64_t *ns) {
  if (ms != ms) return 0;
  *ns = sluice_ms_to_ns(ms);
  return 1;
}

/* A rate with a fraction of tokens: one in the time it takes, rounded up. */
static int read_rate(const struct sluice_mailbox *mailbox, struct sluice_rate *rate) {
  double max = DOUBLE(RATE_MAX);
  if (!(max >= 0) || !read_duration(DOUBLE(RATE_PER), &rate->per)) return 0;
  if (max > 0 && rate->per == 0) return 0;
  if (!read_count(DOUBLE(RATE_BURST), SLUICE_ITEM_MAX, SLUICE_ITEM_MAX, &rate->burst)) return 0;
  if (max < (double)SLUICE_ITEM_MAX && floor(max) == max) {
    rate->max = (uint64_t)max;
    return 1;
  }
  double per = ceil((double)rate->per / max);
  if (!(per < (double)SLUICE_NEVER)) return 0;
  rate->max = 1;
  rate->per = per < 1 ? 1 : (uint64_t)per;
  return 1;
}

static int read_enum(int32_t value, int32_t last) {
  return value >= 0 && value <= last;
}

static struct sluice_handle read_semaphore(const struct sluice_mailbox *mailbox) {
  return (struct sluice_handle){(uint32_t)INT(SEMAPHORE), (uint32_t)INT(SEMAPHORE_GENERATION)};
}

static struct sluice_handle read_limiter(const struct sluice_mailbox *mailbox) {
  return (struct sluice_handle){(uint32_t)INT(LIMITER), (uint32_t)INT(LIMITER_GENERATION)};
}

static int read_policy(const struct sluice_mailbox *mailbox, struct sluice_policy *policy) {
  uint64_t limit, retries, max_abandoned;
  policy->semaphore = read_semaphore(mailbox);
  policy->limiter = read_limiter(mailbox);
  int ok =
      read_count(DOUBLE(LIMIT), UINT32_MAX - 1, SLUICE_UNLIMITED, &limit) &&
      read_count(DOUBLE(RETRIES), UINT32_MAX - 1, SLUICE_UNLIMITED, &retries) &&
      read_count(DOUBLE(MAX_ABANDONED), UINT32_MAX - 1, SLUICE_UNLIMITED, &max_abandoned) &&
      read_rate(mailbox, &policy->rate) && read_count(DOUBLE(ITEMS), SLUICE_ITEM_MAX, SLUICE_UNKNOWN, &policy->items) &&
      read_duration(DOUBLE(TIMEOUT), &policy->timeout) && read_duration(DOUBLE(ITEM_TIMEOUT), &policy->item_timeout) &&
      read_duration(DOUBLE(TOTAL_TIMEOUT), &policy->total_timeout) &&
      read_duration(DOUBLE(YIELD_AFTER), &policy->yield_after) &&
      read_count(DOUBLE(WINDOW), SLUICE_ITEM_MAX, 0, &policy->window) &&
      read_duration(DOUBLE(DELAY), &policy->backoff.delay) &&
      read_duration(DOUBLE(MAX_DELAY), &policy->backoff.max_delay) &&
      read_enum(INT(BACKOFF), SLUICE_BACKOFF_DECORRELATED) && read_enum(INT(JITTER), SLUICE_JITTER_FULL) &&
      read_enum(INT(SOURCE), SLUICE_SOURCE_ASYNC);
  if (!ok) return SLUICE_EINVAL;
  policy->limit = (uint32_t)limit;
  policy->retries = (uint32_t)retries;
  policy->max_abandoned = (uint32_t)max_abandoned;
  policy->backoff.factor = DOUBLE(FACTOR);
  policy->backoff.kind = (enum sluice_backoff_kind)INT(BACKOFF);
  policy->backoff.jitter = (enum sluice_jitter)INT(JITTER);
  policy->source = (enum sluice_source)INT(SOURCE);
  policy->flags = (uint32_t)INT(FLAGS);
  return SLUICE_OK;
}

static struct sluice_handle read_lane(const struct sluice_mailbox *mailbox) {
  return (struct sluice_handle){(uint32_t)INT(LANE), (uint32_t)INT(LANE_GENERATION)};
}

static struct sluice_handle read_job(const struct sluice_mailbox *mailbox) {
  return (struct sluice_handle){(uint32_t)INT(JOB), (uint32_t)INT(JOB_GENERATION)};
}

/* As write_item() writes it, or anything. */
static uint64_t read_item(const struct sluice_mailbox *mailbox) {
  double wide = DOUBLE(ITEM_WIDE);
  if (INT(ITEM) >= 0) return (uint64_t)INT(ITEM);
  return wide >= 0 && wide < (double)SLUICE_ITEM_MAX ? (uint64_t)wide : SLUICE_ITEM_MAX;
}

static void write_lane(struct sluice_mailbox *mailbox, struct sluice_handle lane) {
  INT(LANE) = (int32_t)lane.slot;
  INT(LANE_GENERATION) = (int32_t)lane.generation;
}

static void write_job(struct sluice_mailbox *mailbox, struct sluice_handle job) {
  INT(JOB) = (int32_t)job.slot;
  INT(JOB_GENERATION) = (int32_t)job.generation;
}

static void write_counts(struct sluice_mailbox *mailbox, const struct sluice_counts *counts) {
  DOUBLE(STARTED) = (double)counts->started;
  DOUBLE(DONE) = (double)counts->done;
  DOUBLE(FAILED) = (double)counts->failed;
  DOUBLE(RETRIED) = (double)counts->retried;
  DOUBLE(TIMED_OUT) = (double)counts->timed_out;
  DOUBLE(ABANDONED) = (double)counts->abandoned;
}

static void write_item(struct sluice_mailbox *mailbox, const struct sluice_decision *decision) {
  int is_wide = decision->item > INT32_MAX;
  INT(ITEM) = is_wide ? -1 : (int32_t)decision->item;
  if (is_wide) DOUBLE(ITEM_WIDE) = (double)decision->item;
  INT(ATTEMPT) = (int32_t)decision->attempt;
}

static void write_action(struct sluice_mailbox *mailbox, const struct sluice_decision *decision) {
  INT(ACTION) = (int32_t)decision->action;
  if (decision->action == SLUICE_ACTION_START) {
    write_item(mailbox, decision);
    INT(GRANTED) = (int32_t)decision->granted;
  } else if (decision->action == SLUICE_ACTION_PARK) {
    write_item(mailbox, decision);
    DOUBLE(DELAY) = ns_to_ms(decision->delay);
  } else if (decision->action == SLUICE_ACTION_PULL) {
    write_item(mailbox, decision);
  } else if (decision->action == SLUICE_ACTION_REVIEW) {
    INT(ATTEMPT) = (int32_t)decision->attempt;
    DOUBLE(RETRIES_LEFT) = decision->retries_left == SLUICE_UNLIMITED ? HUGE_VAL : (double)decision->retries_left;
    DOUBLE(DELAY) = ns_to_ms(decision->delay);
    DOUBLE(ITEM_ELAPSED) = ns_to_ms(decision->item_elapsed);
  } else if (decision->action >= SLUICE_ACTION_DRAIN) {
    write_counts(mailbox, &decision->counts);
  }
}

void sluice_mailbox_step(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  struct sluice_decision decision;
  enum sluice_outcome outcome = (enum sluice_outcome)INT(OUTCOME);
  int error;
  if (outcome == SLUICE_OUTCOME_WAIT || outcome == SLUICE_OUTCOME_WISH) {
    uint64_t delay;
    if (read_duration(DOUBLE(DELAY), &delay))
      error = sluice_plan(engine, read_lane(mailbox), outcome, delay, &decision);
    else error = SLUICE_EINVAL;
  } else {
    error = sluice_step(engine, read_lane(mailbox), outcome, &decision);
  }
  if (error == SLUICE_OK) {
    write_action(mailbox, &decision);
    INT(HANDED) = sluice_has_handed(engine);
  } else {
    INT(ACTION) = error;
  }
}

static void write_event(struct sluice_mailbox *mailbox, const struct sluice_decision *decision) {
  INT(EVENT) = (int32_t)decision->event;
  write_action(mailbox, decision);
  switch (decision->event) {
    case SLUICE_EVENT_NONE:
      return;
    case SLUICE_EVENT_PROGRESS:
      write_job(mailbox, decision->job);
      write_counts(mailbox, &decision->counts);
      return;
    case SLUICE_EVENT_RESUMED:
      write_lane(mailbox, decision->lane);
      write_job(mailbox, decision->job);
      return;
    case SLUICE_EVENT_ROOM:
      write_job(mailbox, decision->job);
      return;
    case SLUICE_EVENT_TOTAL:
      write_job(mailbox, decision->job);
      break;
    case SLUICE_EVENT_TIMED_OUT:
    case SLUICE_EVENT_ITEM:
    case SLUICE_EVENT_OUTLIVED:
    case SLUICE_EVENT_ITEM_OUTLIVED:
      write_job(mailbox, decision->job);
      write_lane(mailbox, decision->lane);
      break;
    case SLUICE_EVENT_SLEPT:
    case SLUICE_EVENT_EXPIRED:
    case SLUICE_EVENT_GRANTED:
    case SLUICE_EVENT_OVERTIME:
    case SLUICE_EVENT_REFUSED:
    case SLUICE_EVENT_SHUT:
      write_lane(mailbox, decision->lane);
      break;
  }
  DOUBLE(ELAPSED) = ns_to_ms(decision->elapsed);
  DOUBLE(LOOP_BLOCKED) = ns_to_ms(decision->blocked);
}

static void next(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  struct sluice_decision decision;
  sluice_next(engine, &decision);
  write_event(mailbox, &decision);
}

static void hand(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  struct sluice_decision decision;
  sluice_hand(engine, &decision);
  write_event(mailbox, &decision);
  INT(HANDED) = sluice_has_handed(engine);
}

static int open(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  struct sluice_policy policy;
  struct sluice_decision decision;
  int error = read_policy(mailbox, &policy);
  if (error == SLUICE_OK) error = sluice_open(engine, &policy, &decision);
  if (error != SLUICE_OK) return error;
  write_action(mailbox, &decision);
  if (decision.action == 0) write_job(mailbox, decision.job);
  return SLUICE_OK;
}

static int join(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  struct sluice_decision decision;
  int error = sluice_join(engine, read_job(mailbox), &decision);
  if (error != SLUICE_OK) return error;
  write_action(mailbox, &decision);
  if (decision.action != SLUICE_ACTION_REST) write_lane(mailbox, decision.lane);
  return SLUICE_OK;
}

static int count(struct sluice_engine *engine, struct sluice_mailbox *mailbox, int is_abort) {
  struct sluice_decision decision;
  struct sluice_handle job = read_job(mailbox);
  int error = is_abort ? sluice_abort(engine, job, &decision) : sluice_count(engine, job, &decision);
  if (error != SLUICE_OK) return error;
  if (is_abort) write_action(mailbox, &decision);
  else write_counts(mailbox, &decision.counts);
  return SLUICE_OK;
}

static int wait_alone(struct sluice_engine *engine, struct sluice_mailbox *mailbox, int is_sleep) {
  struct sluice_decision decision;
  uint64_t duration;
  if (!read_duration(DOUBLE(TIMEOUT), &duration)) return SLUICE_EINVAL;
  uint32_t flags = (uint32_t)INT(FLAGS);
  int error =
      is_sleep ? sluice_sleep(engine, duration, flags, &decision) : sluice_guard(engine, duration, flags, &decision);
  if (error == SLUICE_OK) write_lane(mailbox, decision.lane);
  return error;
}

static int read_permits(double value, uint64_t *permits) {
  return read_count(value, SLUICE_PERMIT_MAX, SLUICE_PERMIT_MAX, permits);
}

int sluice_mailbox_read_rate(const struct sluice_mailbox *mailbox, struct sluice_rate *rate) {
  return read_rate(mailbox, rate);
}

int sluice_mailbox_read_permits(const struct sluice_mailbox *mailbox, uint64_t *permits) {
  return read_permits(DOUBLE(PERMITS), permits);
}

void sluice_mailbox_write_rate(struct sluice_mailbox *mailbox, const struct sluice_rate *rate) {
  DOUBLE(RATE_MAX) = (double)rate->max;
  DOUBLE(RATE_PER) = ns_to_ms(rate->per);
  DOUBLE(RATE_BURST) = (double)rate->burst;
}

static int make_semaphore(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  uint64_t permits, in_use;
  struct sluice_handle handle;
  if (!read_permits(DOUBLE(PERMITS), &permits) || !read_permits(DOUBLE(IN_USE), &in_use)) return SLUICE_EINVAL;
  int error = sluice_semaphore(engine, permits, in_use, &handle);
  if (error != SLUICE_OK) return error;
  INT(SEMAPHORE) = (int32_t)handle.slot;
  INT(SEMAPHORE_GENERATION) = (int32_t)handle.generation;
  return SLUICE_OK;
}

static int close_semaphore(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  uint64_t in_use;
  int error = sluice_semaphore_close(engine, read_semaphore(mailbox), &in_use);
  if (error == SLUICE_OK) DOUBLE(IN_USE) = (double)in_use;
  return error;
}

static int make_limiter(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  struct sluice_rate rate;
  struct sluice_handle handle;
  if (!read_rate(mailbox, &rate)) return SLUICE_EINVAL;
  int error = sluice_limiter(engine, &rate, &handle);
  if (error != SLUICE_OK) return error;
  INT(LIMITER) = (int32_t)handle.slot;
  INT(LIMITER_GENERATION) = (int32_t)handle.generation;
  return SLUICE_OK;
}

/* For permits, or for tokens. */
static int ask(struct sluice_engine *engine, struct sluice_mailbox *mailbox, enum sluice_operation operation) {
  struct sluice_decision decision;
  uint64_t weight, timeout, max_waiting;
  int ok = read_permits(DOUBLE(WEIGHT), &weight) && read_duration(DOUBLE(TIMEOUT), &timeout) &&
           read_count(DOUBLE(MAX_WAITING), SLUICE_PERMIT_MAX, UINT64_MAX, &max_waiting);
  if (!ok) return SLUICE_EINVAL;
  uint32_t flags = (uint32_t)INT(FLAGS);
  int is_draw = operation == SLUICE_OPERATION_DRAW;
  int error = is_draw ? sluice_draw(engine, read_limiter(mailbox), weight, timeout, max_waiting, flags, &decision)
                      : sluice_acquire(engine, read_semaphore(mailbox), weight, timeout, max_waiting, flags, &decision);
  if (error != SLUICE_OK) return error;
  INT(EVENT) = (int32_t)decision.event;
  if (decision.event == SLUICE_EVENT_NONE) write_lane(mailbox, decision.lane);
  return SLUICE_OK;
}

static int give(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  uint64_t weight;
  if (!read_permits(DOUBLE(WEIGHT), &weight)) return SLUICE_EINVAL;
  return sluice_give(engine, read_semaphore(mailbox), weight);
}

static int resize(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  uint64_t permits;
  if (!read_permits(DOUBLE(PERMITS), &permits)) return SLUICE_EINVAL;
  return sluice_resize(engine, read_semaphore(mailbox), permits);
}

static int level(struct sluice_engine *engine, struct sluice_mailbox *mailbox, enum sluice_operation operation) {
  struct sluice_level level;
  int error = operation == SLUICE_OPERATION_LIMITER_LEVEL
                  ? sluice_limiter_level(engine, read_limiter(mailbox), &level)
                  : sluice_semaphore_level(engine, read_semaphore(mailbox), &level);
  if (error != SLUICE_OK) return error;
  DOUBLE(AVAILABLE) = (double)level.available;
  DOUBLE(CAPACITY) = (double)level.capacity;
  DOUBLE(WAITERS) = (double)level.waiting;
  DOUBLE(USERS) = (double)level.jobs;
  DOUBLE(HELD) = (double)level.held;
  if (level.rate.per != 0) sluice_mailbox_write_rate(mailbox, &level.rate);
  return SLUICE_OK;
}

static int reconfigure(struct sluice_engine *engine, const struct sluice_mailbox *mailbox) {
  struct sluice_rate rate;
  if (!read_rate(mailbox, &rate)) return SLUICE_EINVAL;
  return sluice_reconfigure(engine, read_limiter(mailbox), &rate);
}

static int penalize(struct sluice_engine *engine, const struct sluice_mailbox *mailbox) {
  uint64_t duration;
  if (!read_duration(DOUBLE(DELAY), &duration)) return SLUICE_EINVAL;
  return sluice_penalize(engine, read_limiter(mailbox), duration);
}

static int read_items(struct sluice_engine *engine, const struct sluice_mailbox *mailbox) {
  uint64_t items;
  if (!read_count(DOUBLE(WEIGHT), SLUICE_ITEM_MAX, SLUICE_ITEM_MAX, &items)) return SLUICE_EINVAL;
  return sluice_read(engine, read_job(mailbox), items);
}

/* What waits for permits, for tokens or for a reader. */
static int coordinate(struct sluice_engine *engine, struct sluice_mailbox *mailbox, enum sluice_operation operation) {
  switch (operation) {
    case SLUICE_OPERATION_READ:
      return read_items(engine, mailbox);
    case SLUICE_OPERATION_SEMAPHORE:
      return make_semaphore(engine, mailbox);
    case SLUICE_OPERATION_SEMAPHORE_CLOSE:
      return close_semaphore(engine, mailbox);
    case SLUICE_OPERATION_ACQUIRE:
    case SLUICE_OPERATION_DRAW:
      return ask(engine, mailbox, operation);
    case SLUICE_OPERATION_PUT:
      return sluice_give(engine, read_semaphore(mailbox), 1);
    case SLUICE_OPERATION_RESIZE:
      return resize(engine, mailbox);
    case SLUICE_OPERATION_SEMAPHORE_LEVEL:
    case SLUICE_OPERATION_LIMITER_LEVEL:
      return level(engine, mailbox, operation);
    case SLUICE_OPERATION_SEMAPHORE_SHUT:
      return sluice_semaphore_shut(engine, read_semaphore(mailbox));
    case SLUICE_OPERATION_LIMITER:
      return make_limiter(engine, mailbox);
    case SLUICE_OPERATION_LIMITER_CLOSE:
      return sluice_limiter_close(engine, read_limiter(mailbox));
    case SLUICE_OPERATION_RECONFIGURE:
      return reconfigure(engine, mailbox);
    case SLUICE_OPERATION_PENALIZE:
      return penalize(engine, mailbox);
    case SLUICE_OPERATION_LIMITER_SHUT:
      return sluice_limiter_shut(engine, read_limiter(mailbox));
    case SLUICE_OPERATION_WITHDRAW:
      return sluice_withdraw(engine, read_lane(mailbox));
    default:
      return SLUICE_EINVAL;
  }
}

/* Nanoseconds; whole ones are exact up to 2^53, 104 days. */
static int read_ns(double value, uint64_t *ns) {
  /* NOLINTNEXTLINE(bugprone-integer-division): half of 2^63 is exact */
  if (!(value >= 0 && value < (double)(SLUICE_NEVER / 2))) return 0;
  *ns = (uint64_t)value;
  return 1;
}

static int remaining(struct sluice_engine *engine, struct sluice_mailbox *mailbox) {
  struct sluice_decision decision;
  uint64_t now;
  if (!read_ns(DOUBLE(NOW), &now)) return SLUICE_EINVAL;
  int error = sluice_remaining(engine, read_lane(mailbox), now, &decision);
  if (error != SLUICE_OK) return error;
  DOUBLE(REMAINING) = decision.delay >= SLUICE_NEVER ? HUGE_VAL : ns_to_ms(decision.delay);
  return SLUICE_OK;
}

static int tell_time(struct sluice_engine *engine, struct sluice_mailbox *mailbox, enum sluice_operation operation) {
  uint64_t now, span;
  if (!read_ns(DOUBLE(NOW), &now) || !read_ns(DOUBLE(SPAN), &span)) return SLUICE_EINVAL;
  switch (operation) {
    case SLUICE_OPERATION_OBSERVE:
      INT(STRIDE) = (int32_t)sluice_observe(engine, now);
      return SLUICE_OK;
    case SLUICE_OPERATION_TURN_BEGIN:
      sluice_turn_begin(engine);
      break;
    case SLUICE_OPERATION_TURN_END:
      sluice_turn_end(engine, now, span);
      break;
    case SLUICE_OPERATION_EXPIRE:
      sluice_expire(engine, now, span);
      break;
    default:
      sluice_judge(engine, now);
  }
  uint64_t next_expiry = sluice_next_expiry(engine);
  DOUBLE(NEXT_EXPIRY) = next_expiry == SLUICE_NEVER ? HUGE_VAL : (double)next_expiry;
  INT(WAITING) = sluice_is_ready(engine) | sluice_wants_turn(engine) << 1;
  return SLUICE_OK;
}

/* The operations that answer no action: 0, or the error. */
static int call(struct sluice_engine *engine, struct sluice_mailbox *mailbox, enum sluice_operation operation) {
  switch (operation) {
    case SLUICE_OPERATION_COUNT:
      return count(engine, mailbox, 0);
    case SLUICE_OPERATION_REMAINING:
      return remaining(engine, mailbox);
    case SLUICE_OPERATION_CLOCK:
      return SLUICE_OK;
    case SLUICE_OPERATION_LATE:
      return sluice_late_of(engine, read_job(mailbox), read_item(mailbox), (uint32_t)INT(ATTEMPT));
    case SLUICE_OPERATION_GUARD:
    case SLUICE_OPERATION_SLEEP:
      return wait_alone(engine, mailbox, operation == SLUICE_OPERATION_SLEEP);
    case SLUICE_OPERATION_RELEASE:
      return sluice_release(engine, read_lane(mailbox));
    case SLUICE_OPERATION_OBSERVE:
    case SLUICE_OPERATION_TURN_BEGIN:
    case SLUICE_OPERATION_TURN_END:
    case SLUICE_OPERATION_EXPIRE:
    case SLUICE_OPERATION_JUDGE:
      return tell_time(engine, mailbox, operation);
    default:
      return coordinate(engine, mailbox, operation);
  }
}

int sluice_mailbox_wants_clock(const struct sluice_engine *engine, const struct sluice_mailbox *mailbox,
                               enum sluice_operation operation) {
  uint64_t weight;
  switch (operation) {
    case SLUICE_OPERATION_DRAW:
      return !read_permits(DOUBLE(WEIGHT), &weight) || !sluice_draws_early(engine, read_limiter(mailbox), weight);
    case SLUICE_OPERATION_RECONFIGURE:
    case SLUICE_OPERATION_PENALIZE:
    case SLUICE_OPERATION_LIMITER_LEVEL:
      return 1;
    case SLUICE_OPERATION_NEXT:
    case SLUICE_OPERATION_HAND:
    case SLUICE_OPERATION_GIVE:
      return sluice_wants_clock(engine);
    default:
      return 0;
  }
}

void sluice_mailbox_call(struct sluice_engine *engine, struct sluice_mailbox *mailbox,
                         enum sluice_operation operation) {
  int error;
  switch (operation) {
    case SLUICE_OPERATION_STEP:
      sluice_mailbox_step(engine, mailbox);
      return;
    case SLUICE_OPERATION_NEXT:
      next(engine, mailbox);
      return;
    case SLUICE_OPERATION_HAND:
      hand(engine, mailbox);
      return;
    case SLUICE_OPERATION_GIVE:
      error = give(engine, mailbox);
      if (error == SLUICE_OK) hand(engine, mailbox);
      else INT(ACTION) = error;
      return;
    case SLUICE_OPERATION_TAKE:
      INT(ACTION) = sluice_take(engine, read_semaphore(mailbox));
      return;
    case SLUICE_OPERATION_OPEN:
      error = open(engine, mailbox);
      break;
    case SLUICE_OPERATION_JOIN:
      error = join(engine, mailbox);
      break;
    case SLUICE_OPERATION_ABORT:
      error = count(engine, mailbox, 1);
      break;
    default:
      error = INT(ACTION) = call(engine, mailbox, operation);
  }
  if (error != SLUICE_OK) INT(ACTION) = error;
  else if (operation < SLUICE_OPERATION_OBSERVE) INT(HANDED) = sluice_has_handed(engine);
}
