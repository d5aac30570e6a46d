/* The engine of sluice: jobs, lanes, deadlines and retries as one deterministic state machine.
 *
 * The core is sans-IO. Time and the seed come in as arguments, decisions go out as values; it calls nobody, owns no
 * clock, no handle and no thread, and one engine is used by one thread at a time. The same calls with the same
 * arguments give the same decisions.
 *
 * Times are nanoseconds on any monotonic clock, durations are nanoseconds; SLUICE_NEVER and above is "never".
 *
 *   open ---> join ---> START item 0 ---> step(FULFILLED) ---> START item 1 ... REST, and DONE from the last lane
 *                                    \--> step(REJECTED) ----> PARK (backoff) ... next() -> RESUMED, START attempt 2
 *                                    |    \-> REVIEW (the caller has a say) -> step(WAIT, WISH) -> step(RETRY) -> PARK
 *                                     \-> (deadline passes) -- next() -> TIMED_OUT, and what its fresh lane does
 *
 * A driver brings time in, once per turn of its loop:
 *
 *   turn_begin()    the loop has come round: lanes that gave way to it go on
 *   turn_end(now)   just before the loop sleeps: every deadline armed in this turn is stamped with now + its duration
 *   next_expiry()   when to wake up
 *   expire(now)     a wake-up: due sleeps are ready at once; due timeouts wait for one more poll, or are held (grace)
 *   judge(now)      after that poll: what is still open has timed out
 *   next()          until it answers SLUICE_EVENT_NONE: one fresh decision each
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_NEVER ((uint64_t)1 << 63)
#define SLUICE_MILLISECOND ((uint64_t)1000000)
/* The number of items is not known before the source has said that it is done. */
#define SLUICE_UNKNOWN UINT64_MAX
/* No limit on lanes, or on retries. */
#define SLUICE_UNLIMITED UINT32_MAX
/* Items are counted in 40 bits and attempts in 24, so that a lane fits a cache line. */
#define SLUICE_ITEM_MAX (((uint64_t)1 << 40) - 1)
#define SLUICE_ATTEMPT_MAX (((uint32_t)1 << 24) - 1)

#define SLUICE_ERRORS(X) \
  X(EINVAL, -1, "an argument is out of its range") \
  X(ENOMEM, -2, "the allocator returned NULL") \
  X(ESTALE, -3, "the handle names nothing that is open") \
  X(ESTATE, -4, "the lane is not in a state that allows this call") \
  X(EFULL, -5, "no slot is left")

enum sluice_error {
  SLUICE_OK = 0,
#define SLUICE_ERROR_ENUM(name, number, text) SLUICE_##name = number,
  SLUICE_ERRORS(SLUICE_ERROR_ENUM)
#undef SLUICE_ERROR_ENUM
};

/* The constant's name ("ESTALE"), or "UNKNOWN". Never NULL. */
const char *sluice_error_name(int error);

/* Where memory comes from. `alloc` returns NULL when there is none; `free` gets the size that was asked for. */
struct sluice_allocator {
  void *(*alloc)(void *user, size_t size);
  void (*free)(void *user, void *ptr, size_t size);
  void *user;
};

/* Names a slot and the use it is in: a handle whose slot was given to another is refused with SLUICE_ESTALE. */
struct sluice_handle {
  uint32_t slot;
  uint32_t generation;
};

enum sluice_source {
  SLUICE_SOURCE_INDEXED, /* items can be read by number, in any order: START names the item */
  SLUICE_SOURCE_SYNC,    /* items are pulled when START is answered; the caller answers EXHAUSTED if there is none */
  SLUICE_SOURCE_ASYNC    /* items are pulled by one lane at a time: PULL, then PULLED or EXHAUSTED. The same for the
                          * others where a start may have to wait: with a rate, or a max_abandoned */
};

enum sluice_backoff_kind {
  SLUICE_BACKOFF_CONSTANT,
  SLUICE_BACKOFF_LINEAR,
  SLUICE_BACKOFF_EXPONENTIAL,
  SLUICE_BACKOFF_DECORRELATED
};
enum sluice_jitter { SLUICE_JITTER_NONE, SLUICE_JITTER_FULL };

/* The wait before retry k (from 1): constant: delay; linear: delay * k; exponential: delay * factor^(k-1). First the
 * cap, then the jitter: "full" is uniform in [0, wait]. decorrelated: uniform in [delay, 3 * the wait before], the one
 * before the first being delay, then the cap; it is its own jitter. (Brooker, "Exponential Backoff And Jitter", AWS
 * 2015.) */
struct sluice_backoff {
  uint64_t delay;
  uint64_t max_delay;
  double factor; /* >= 1 and finite; exponential only */
  enum sluice_backoff_kind kind;
  enum sluice_jitter jitter;
};

/* A token bucket: no more than burst + max * t / per starts in any time t. It begins full. Integers, with the remainder
 * carried from one refill to the next, as nghttp2's. */
struct sluice_rate {
  uint64_t max;   /* tokens that accrue in each `per`; 0: there is no such limit */
  uint64_t per;   /* nanoseconds, >= 1 */
  uint64_t burst; /* what the bucket holds; 0: what accrues in 10 ms, at least 1 */
};

enum sluice_flag {
  SLUICE_FLAG_UNREF = 1 << 0,    /* what this job or sleep waits for does not keep the loop alive */
  SLUICE_FLAG_PROGRESS = 1 << 1, /* next() answers EVENT_PROGRESS after turns that changed a count */
  SLUICE_FLAG_COLLECT = 1 << 2,  /* a failed item does not end the job */
  SLUICE_FLAG_REVIEW = 1 << 3,   /* the caller has a say before each retry: ACTION_REVIEW */
  SLUICE_FLAG_DRAIN = 1 << 4     /* a job that failed ends when no attempt runs any more: ACTION_DRAIN */
};

struct sluice_policy {
  uint64_t items;         /* how many, or SLUICE_UNKNOWN (not for SLUICE_SOURCE_INDEXED) */
  uint64_t timeout;       /* of one attempt */
  uint64_t item_timeout;  /* of one item, with its attempts and waits, from the end of the turn that took it */
  uint64_t total_timeout; /* of the whole job, from the end of the turn that opened it */
  uint64_t yield_after;   /* how long lanes run in one turn before they give way to the loop */
  struct sluice_backoff backoff;
  struct sluice_rate rate; /* of attempts */
  uint32_t limit;          /* lanes at once, >= 1 */
  uint32_t retries;        /* attempts after the first */
  uint32_t max_abandoned;  /* no attempt starts while more timed-out ones than this still run */
  enum sluice_source source;
  uint32_t flags; /* enum sluice_flag */
};

/* What happened to the attempt or the pull that a lane was busy with. */
enum sluice_outcome {
  SLUICE_OUTCOME_FULFILLED = 1,
  SLUICE_OUTCOME_REJECTED,
  SLUICE_OUTCOME_REFUSED,   /* rejected, and not to be retried; also after REVIEW */
  SLUICE_OUTCOME_PULLED,    /* PULL: there is an item */
  SLUICE_OUTCOME_EXHAUSTED, /* PULL, or START of a SYNC source: there is none */
  SLUICE_OUTCOME_STOPPED,   /* fulfilled, and no item starts any more: lanes that pull, or wait for an item's first
                             * attempt, are gone */
  SLUICE_OUTCOME_RETRY,     /* REVIEW: so be it; the planned wait begins */
  SLUICE_OUTCOME_WAIT,      /* REVIEW: plan this wait instead: capped, with jitter; REVIEW again */
  SLUICE_OUTCOME_WISH       /* REVIEW: plan exactly this wait: REVIEW again, or the item fails if max_delay is less */
};

/* What a lane does next. */
enum sluice_action {
  SLUICE_ACTION_START = 1, /* run `attempt` of `item` */
  SLUICE_ACTION_PULL,      /* take the next item from the source, then step(PULLED or EXHAUSTED) */
  SLUICE_ACTION_PARK,      /* wait; next() names this lane when it goes on */
  SLUICE_ACTION_REVIEW,    /* its attempt failed and may be made again: step(RETRY, WAIT, WISH or REFUSED) */
  SLUICE_ACTION_REST,      /* this lane is gone (for join: none was made); others are still busy */
  SLUICE_ACTION_DRAIN,     /* the job failed, as with FAIL, but attempts still run: all other lanes are gone, each of
                            * theirs is answered with REST, and the last one with DONE */
  SLUICE_ACTION_DONE,      /* this lane and the job are gone: every item has settled, or the drain is over */
  SLUICE_ACTION_FAIL       /* the job is gone: it failed with what this lane or event reports */
};

enum sluice_event {
  SLUICE_EVENT_NONE,
  SLUICE_EVENT_RESUMED,       /* a parked lane goes on: action is as from step(), but for FAIL and PARK */
  SLUICE_EVENT_TIMED_OUT,     /* the lane's attempt is abandoned; `lane` is the fresh lane in its place, see action */
  SLUICE_EVENT_ITEM,          /* the same for the item's time, whether an attempt was running or the lane was waiting */
  SLUICE_EVENT_OUTLIVED,      /* the same: the backoff would end after the total timeout */
  SLUICE_EVENT_ITEM_OUTLIVED, /* the same: after the item's */
  SLUICE_EVENT_TOTAL,         /* the job's total timeout: action is FAIL or DRAIN */
  SLUICE_EVENT_SLEPT,         /* a sleep has ended and is gone */
  SLUICE_EVENT_EXPIRED,       /* a guard has timed out and is gone */
  SLUICE_EVENT_PROGRESS       /* counts have changed since the last one */
};

struct sluice_counts {
  uint64_t started; /* items */
  uint64_t done;
  uint64_t failed;
  uint64_t retried;   /* attempts after a first one, those that still wait included */
  uint64_t timed_out; /* attempts */
  uint64_t abandoned; /* timed-out attempts that still run */
};

struct sluice_decision {
  enum sluice_event event;
  enum sluice_action action; /* 0 where the event needs none */
  struct sluice_handle lane;
  struct sluice_handle job;
  uint64_t item;               /* START: which; PARK: which, where the lane holds one (attempt is not 0) */
  uint32_t attempt;            /* START: which, from 1; PARK, REVIEW: the one to come, 0 for the next item's first */
  uint32_t retries_left;       /* REVIEW: with the one to come; SLUICE_UNLIMITED: no end of them */
  uint64_t delay;              /* REVIEW: the wait that is planned */
  uint64_t granted;            /* START from step(): the end of the granted run; 0: none */
  uint64_t item_elapsed;       /* REVIEW: since the item's stamp */
  uint64_t elapsed;            /* TIMED_OUT, ITEM, OUTLIVED, TOTAL, EXPIRED, SLEPT: since the stamp */
  uint64_t blocked;            /* the same: how much of `elapsed` the loop was kept from running */
  struct sluice_counts counts; /* EVENT_PROGRESS, and DONE, FAIL and DRAIN */
};

/* Grants: how a caller for whom each call costs more than the decision is spared most of them.
 *
 * With START, step() may grant the job's lanes a run of items: the job's word in `next_item` is then the next item, and
 * decision->granted the end of the run. Inside it, an attempt that was fulfilled needs no step(): its lane takes item
 * next_item++, writes that into its own word in `item`, and starts attempt 1. Everything else (a rejection, the end of
 * the run or of the source) is a step() as ever. The engine reads these words when it is next called: so much was
 * fulfilled, so much started, and who moved on has a new deadline. At the end of the turn it takes back what is left,
 * by setting next_item to SLUICE_GRANT_NONE.
 *
 * Jobs and lanes whose slot has no word here are never granted anything. */
#define SLUICE_GRANT_JOBS 64
#define SLUICE_GRANT_LANES 1024
#define SLUICE_GRANT_NONE INT32_MAX

struct sluice_grants {
  int32_t next_item[SLUICE_GRANT_JOBS];
  int32_t item[SLUICE_GRANT_LANES];
};

struct sluice_engine;

/* Makes an engine. All its memory comes from *allocator, which is copied. `seed` starts the generator that jitter
 * draws from. Returns NULL where the allocator does. */
struct sluice_engine *sluice_engine_new(const struct sluice_allocator *allocator, uint64_t seed);
/* Frees the engine and all that is open in it. NULL is allowed. */
void sluice_engine_free(struct sluice_engine *engine);

/* From now on lanes may be granted runs of items. `grants` is the caller's, outlives the engine, and may hold anything:
 * words that make no sense grant nothing. */
void sluice_share_grants(struct sluice_engine *engine, struct sluice_grants *grants);

/* Opens a job. decision->job is its handle; action is 0, or DONE where there are no items, or FAIL where total_timeout
 * is 0 and there may be items: then no job is open.
 * Errors: SLUICE_EINVAL (the policy), SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice_open(struct sluice_engine *engine, const struct sluice_policy *policy, struct sluice_decision *decision);
/* Asks for one more lane: START or PULL with decision->lane, PARK (it waits its turn), or REST where the job has no use
 * for another one now. To be called until REST after open and after each PULLED.
 * Errors: SLUICE_ESTALE, SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice_join(struct sluice_engine *engine, struct sluice_handle job, struct sluice_decision *decision);
/* The hot path: what a lane's attempt or pull came to; answers with what the lane does next.
 * Errors: SLUICE_ESTALE, SLUICE_ESTATE (nothing runs in this lane, or the outcome does not fit what does),
 * SLUICE_EINVAL (no such outcome). */
int sluice_step(struct sluice_engine *engine, struct sluice_handle lane, enum sluice_outcome outcome,
                struct sluice_decision *decision);
/* The same for WAIT and WISH. Errors: as step(). */
int sluice_plan(struct sluice_engine *engine, struct sluice_handle lane, enum sluice_outcome outcome, uint64_t delay,
                struct sluice_decision *decision);
/* Fails a job: decision->action is FAIL (its lanes are gone, nothing of it is waited for; fills decision->counts), or
 * DRAIN where it has FLAG_DRAIN and attempts run. On a job that drains it ends the drain: FAIL.
 * Errors: SLUICE_ESTALE. */
int sluice_abort(struct sluice_engine *engine, struct sluice_handle job, struct sluice_decision *decision);
/* decision->delay: how long the lane's attempt, or the guard, has until the first of its timeouts is over at `now`;
 * SLUICE_NEVER where there is none; all of it where it has not been stamped yet. Under review: what the item has left.
 * Errors: SLUICE_ESTALE, SLUICE_ESTATE (no attempt runs in this lane, nor is one under review). */
int sluice_remaining(struct sluice_engine *engine, struct sluice_handle lane, uint64_t now,
                     struct sluice_decision *decision);
/* An abandoned attempt of this job has ended after all. Errors: SLUICE_ESTALE, SLUICE_ESTATE (none is out). */
int sluice_late(struct sluice_engine *engine, struct sluice_handle job);
/* Fills decision->counts. Errors: SLUICE_ESTALE. */
int sluice_count(struct sluice_engine *engine, struct sluice_handle job, struct sluice_decision *decision);

/* A guard is one attempt timeout without a job around it (64 bytes); a sleep is a wait, and gets no grace.
 * decision->lane is its handle: release() takes it back, next() answers EXPIRED or SLEPT when its time is over.
 * `duration` from the end of this turn; SLUICE_NEVER is allowed and never ends. flags: SLUICE_FLAG_UNREF.
 * Errors: SLUICE_EINVAL, SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice_guard(struct sluice_engine *engine, uint64_t duration, uint32_t flags, struct sluice_decision *decision);
int sluice_sleep(struct sluice_engine *engine, uint64_t duration, uint32_t flags, struct sluice_decision *decision);
/* Errors: SLUICE_ESTALE, SLUICE_ESTATE (a job's lane). */
int sluice_release(struct sluice_engine *engine, struct sluice_handle lane);

/* The beginning of a turn: lanes that yielded before the last poll are ready for next(), as many as can be expected to
 * run an item each in no time; the others wait for the next turn. */
void sluice_turn_begin(struct sluice_engine *engine);
/* The end of a turn: stamps what was armed in it. `busy` is how long this turn ran code instead of waiting. */
void sluice_turn_end(struct sluice_engine *engine, uint64_t now, uint64_t busy);
/* Moves what is due at `now`: sleeps and backoffs are ready for next(); timeouts wait for the next judge(), or, where
 * `hold` is not 0, first for `hold` more nanoseconds (once each). */
void sluice_expire(struct sluice_engine *engine, uint64_t now, uint64_t hold);
/* After a poll: timeouts that waited for it are ready for next(), and so are changed counts. */
void sluice_judge(struct sluice_engine *engine, uint64_t now);
/* Takes one decision that time has brought. EVENT_NONE: there is none. */
void sluice_next(struct sluice_engine *engine, struct sluice_decision *decision);
/* The clock, read in the middle of a turn, for the yield and for what rates allow. Returns after how many step() calls
 * to read it again, >= 1; the first one in a turn comes with the first call. */
uint32_t sluice_observe(struct sluice_engine *engine, uint64_t now);

/* When expire() has something to do (never later than the first deadline), or SLUICE_NEVER. */
uint64_t sluice_next_expiry(struct sluice_engine *engine);
/* Whether next() may answer anything but NONE. */
int sluice_is_ready(const struct sluice_engine *engine);
/* Whether the clock is to be read (sluice_observe) before each step() and next(): a job with a rate is open. */
int sluice_wants_clock(const struct sluice_engine *engine);
/* Whether judge() or turn_begin() has something to do: the loop must not sleep before it. */
int sluice_wants_turn(const struct sluice_engine *engine);
/* Whether something that is not unreferenced waits for time: the loop must stay alive. */
int sluice_is_referenced(const struct sluice_engine *engine);
/* Whether any deadline is open, referenced or not. */
int sluice_has_deadlines(const struct sluice_engine *engine);

struct sluice_usage {
  uint32_t jobs;
  uint32_t lanes; /* guards and sleeps too */
  uint32_t lane_size;
  uint32_t job_size;
  uint64_t memory; /* bytes taken from the allocator */
};
void sluice_measure(const struct sluice_engine *engine, struct sluice_usage *usage);

/* Recomputes every count and list the slow way. Returns 1, or 0 where one disagrees (a bug). O(everything). */
int sluice_check(const struct sluice_engine *engine);

#ifdef __cplusplus
}
#endif
#endif
