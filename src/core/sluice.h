/* The engine of sluice: jobs, lanes, deadlines and retries as one deterministic state machine.
 *
 * The core is sans-IO. Time and the seed come in as arguments, decisions go out as values; it calls nobody but its
 * allocator and the lender of a leased limit, owns no clock, no handle and no thread, and one engine is used by one
 * thread at a time. The same calls with the same arguments (and answers of the lender) give the same decisions.
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
/* Items are counted in 40 bits and attempts in 23, so that a lane fits a cache line. */
#define SLUICE_ITEM_MAX (((uint64_t)1 << 40) - 1)
#define SLUICE_ATTEMPT_MAX (((uint32_t)1 << 23) - 1)
/* Permits and tokens are counted exactly as far as a double does; so many are as good as no limit. */
#define SLUICE_PERMIT_MAX (((uint64_t)1 << 53) - 1)

#define SLUICE_ERRORS(X) \
  X(EINVAL, -1, "an argument is out of its range") \
  X(ENOMEM, -2, "the allocator returned NULL") \
  X(ESTALE, -3, "the handle names nothing that is open") \
  X(ESTATE, -4, "the lane is not in a state that allows this call") \
  X(EFULL, -5, "no slot is left") \
  X(ECROWDED, -6, "as many wait as may wait") \
  X(EMISMATCH, -7, "the name stands for something else")

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
  SLUICE_FLAG_DRAIN = 1 << 4,    /* a job that failed ends when no attempt runs any more: ACTION_DRAIN */
  SLUICE_FLAG_VERDICT = 1 << 5   /* the caller has a say about each item that has failed: ACTION_REVIEW, attempt 0 */
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
  uint32_t flags;                 /* enum sluice_flag */
  uint64_t window;                /* no more items than this are taken and not read (sluice_read); 0: no such limit */
  struct sluice_handle semaphore; /* each item holds one of its permits; generation 0: none */
  struct sluice_handle limiter;   /* each attempt takes one of its tokens, instead of `rate`; generation 0: none */
};

/* What happened to the attempt or the pull that a lane was busy with. */
enum sluice_outcome {
  SLUICE_OUTCOME_FULFILLED = 1,
  SLUICE_OUTCOME_REJECTED,
  SLUICE_OUTCOME_REFUSED,   /* rejected, and not to be retried; also after REVIEW */
  SLUICE_OUTCOME_PULLED,    /* PULL: there is an item */
  SLUICE_OUTCOME_EXHAUSTED, /* PULL, or START of a SYNC source: there is none */
  SLUICE_OUTCOME_STOPPED,   /* fulfilled (in a verdict: REFUSED), and no item starts any more: lanes that pull, or wait
                             * for an item's first attempt, are gone */
  SLUICE_OUTCOME_RETRY,     /* REVIEW: so be it; the planned wait begins */
  SLUICE_OUTCOME_WAIT,      /* REVIEW: plan this wait instead: capped, with jitter; REVIEW again */
  SLUICE_OUTCOME_WISH       /* REVIEW: plan exactly this wait: REVIEW again, or the item fails if max_delay is less */
};

/* What a lane does next. */
enum sluice_action {
  SLUICE_ACTION_START = 1, /* run `attempt` of `item` */
  SLUICE_ACTION_PULL,      /* take the next item from the source, then step(PULLED or EXHAUSTED) */
  SLUICE_ACTION_PARK,      /* wait; next() names this lane when it goes on */
  SLUICE_ACTION_REVIEW,    /* its attempt failed and may be made again: step(RETRY, WAIT, WISH or REFUSED); or, with
                            * attempt 0, its item has failed (FLAG_VERDICT): step(REFUSED), or abort() */
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
  SLUICE_EVENT_PROGRESS,      /* counts have changed since the last one */
  SLUICE_EVENT_ROOM,          /* the job was handed a permit for one more lane: join() until REST */
  /* Of waiters, which are gone then: */
  SLUICE_EVENT_GRANTED,  /* it has its permits or tokens */
  SLUICE_EVENT_OVERTIME, /* its timeout is over */
  SLUICE_EVENT_REFUSED,  /* it asks for more than there can be by now */
  SLUICE_EVENT_SHUT      /* sluice_shut() */
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
  uint64_t item;         /* START: which; PULL: which it would be; PARK: where the lane holds one (attempt not 0) */
  uint32_t attempt;      /* START: which, from 1; PARK, REVIEW: the one to come, 0 for the next item's first */
  uint32_t retries_left; /* REVIEW: with the one to come; SLUICE_UNLIMITED: no end of them */
  uint64_t delay;        /* REVIEW: the wait that is planned; PARK: the backoff, 0 where it waits for anything else */
  uint64_t granted;      /* START from step(): the end of the granted run; 0: none */
  uint64_t item_elapsed; /* REVIEW: since the item's stamp */
  uint64_t elapsed;      /* TIMED_OUT, ITEM, OUTLIVED, TOTAL, EXPIRED, SLEPT, OVERTIME: since the stamp; GRANTED of
                          * a limiter: since sluice_draw() */
  uint64_t blocked;      /* the same: how much of `elapsed` the loop was kept from running */
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
 * for another one now. To be called until REST after open, after each PULLED and after ROOM; and after RESUMED where
 * starts may have to wait (a rate, a limiter, a max_abandoned, a semaphore): lanes rested meanwhile. Errors:
 * SLUICE_ESTALE, SLUICE_ENOMEM, SLUICE_EFULL. */
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
/* The same, for the recorder's sake: this attempt, from 1, at this item, below SLUICE_ITEM_MAX. What cannot be is taken
 * for unknown. */
int sluice_late_of(struct sluice_engine *engine, struct sluice_handle job, uint64_t item, uint32_t attempt);
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

/* `count` more items of this job have been read: with a window, as many more may be taken. Of the lanes that waited for
 * that the first is handed over now, and takes items as long as there is room; the others go on, as many as there is
 * room for, with the end of the turn: so a fast lane does not have all of them woken for an item each (measured: a
 * third of the cost of mapStream). Errors: SLUICE_ESTALE. */
int sluice_read(struct sluice_engine *engine, struct sluice_handle job, uint64_t count);

/* Semaphores: `permits` that waiters and jobs hold, first come, first served (Dijkstra, EWD 123).
 *
 * Who asks for more than is free waits, and so does everybody behind it: a heavy waiter is not starved by light ones. A
 * job stands in the line once, and again behind the others for its next permit. Its lanes hand one permit on from item
 * to item as long as nobody else waits; where somebody does, the lane that gives its permit back rests, unless it is
 * the last. (Measured: to let a lane wait with an item in hand beside others that run makes each item cost ten times as
 * much.) The last one pulls the next item before it waits: an empty source must be known to be empty.
 *
 * Permits that are given back are handed over in the same call: what they allow is in sluice_hand(), and in
 * sluice_next(). */

/* Makes a semaphore of which `in_use` permits are out; in_use may be more than permits. *semaphore is its handle.
 * Errors: SLUICE_EINVAL (permits 0, or either above SLUICE_PERMIT_MAX), SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice_semaphore(struct sluice_engine *engine, uint64_t permits, uint64_t in_use, struct sluice_handle *semaphore);
/* Frees it; *in_use is how many permits are out. Errors: SLUICE_ESTALE, SLUICE_ESTATE (somebody waits, or has waited
 * and has not been told yet, or a job is open on it). */
int sluice_semaphore_close(struct sluice_engine *engine, struct sluice_handle semaphore, uint64_t *in_use);
/* Takes `weight` permits, or waits for them: decision->event is GRANTED, or NONE with the waiter in decision->lane (a
 * handle of its own kind). `timeout` from the end of this turn; flags: SLUICE_FLAG_UNREF. A wait without a timeout
 * keeps no loop alive. No more than `max_waiting` wait (jobs apart). Errors: SLUICE_ESTALE, SLUICE_EINVAL (weight 0, or
 * above its permits; flags), SLUICE_ECROWDED, SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice_acquire(struct sluice_engine *engine, struct sluice_handle semaphore, uint64_t weight, uint64_t timeout,
                   uint64_t max_waiting, uint32_t flags, struct sluice_decision *decision);
/* Takes one permit, where one is free and nobody waits: 1; or 0. Errors: SLUICE_ESTALE. */
int sluice_take(struct sluice_engine *engine, struct sluice_handle semaphore);
/* Gives `weight` permits back. Errors: SLUICE_ESTALE, SLUICE_EINVAL (not so many are the caller's). */
int sluice_give(struct sluice_engine *engine, struct sluice_handle semaphore, uint64_t weight);
/* From now on there are so many permits; waiters that ask for more are refused. Errors: SLUICE_ESTALE, SLUICE_EINVAL.
 */
int sluice_resize(struct sluice_engine *engine, struct sluice_handle semaphore, uint64_t permits);

/* Limiters: a token bucket that waiters and jobs share, first come, first served. All of these want the clock observed
 * before (sluice_observe), but for draws that sluice_draws_early(). */

/* *limiter is its handle. Errors: SLUICE_EINVAL (rate), SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice_limiter(struct sluice_engine *engine, const struct sluice_rate *rate, struct sluice_handle *limiter);
/* Errors: SLUICE_ESTALE, SLUICE_ESTATE (somebody waits, or a job is open on it). */
int sluice_limiter_close(struct sluice_engine *engine, struct sluice_handle limiter);
/* As sluice_acquire(), for tokens. A wait keeps the loop alive, unless it has SLUICE_FLAG_UNREF.
 * Errors: the same; SLUICE_EINVAL where tokens is 0 or above the burst. */
int sluice_draw(struct sluice_engine *engine, struct sluice_handle limiter, uint64_t tokens, uint64_t timeout,
                uint64_t max_waiting, uint32_t flags, struct sluice_decision *decision);
/* Whether a draw would be granted whatever the time is: there are tokens enough since the clock was last read. */
int sluice_draws_early(const struct sluice_engine *engine, struct sluice_handle limiter, uint64_t tokens);
/* From now on it has this rate; the tokens it holds stay, as far as the burst allows. Waiters that ask for more than
 * the burst are refused. Errors: SLUICE_ESTALE, SLUICE_EINVAL. */
int sluice_reconfigure(struct sluice_engine *engine, struct sluice_handle limiter, const struct sluice_rate *rate);
/* No token is given out for `duration`. What accrues meanwhile is one token at most, and what there was is one; more
 * accrue from there.
 * Errors: SLUICE_ESTALE. */
int sluice_penalize(struct sluice_engine *engine, struct sluice_handle limiter, uint64_t duration);

/* What can be seen of a semaphore or a limiter. */
struct sluice_level {
  uint64_t available; /* free permits, or tokens; 0 while anybody waits */
  uint64_t capacity;  /* permits, or the burst */
  uint64_t waiting;   /* waiters, and jobs of which a lane waits */
  uint64_t jobs;      /* that are open on it */
  uint64_t held;      /* permits that are the caller's: in_use less what jobs and those have who have not heard of it */
  struct sluice_rate rate; /* of a leased limiter: what any engine has asked for last; per is 0 for all others */
};
/* Errors: SLUICE_ESTALE. */
int sluice_semaphore_level(const struct sluice_engine *engine, struct sluice_handle semaphore,
                           struct sluice_level *level);
int sluice_limiter_level(struct sluice_engine *engine, struct sluice_handle limiter, struct sluice_level *level);

/* Leases: a semaphore or a limiter whose permits or tokens are not the engine's own. It has one line with other engines
 * (common.h), and a lender stands between, who knows about locks and clocks. The engine asks it within its own calls,
 * and it must not call the engine; what its tickets come to is told by sluice_lend(), outside of them. All calls of a
 * semaphore and a limiter are the same for a leased one, but that the level is that of all engines, and that waiting
 * for permits keeps the loop alive: another thread may give them. */
struct sluice_ticket;
struct sluice_lender {
  int (*take)(void *seat, uint64_t weight, uint64_t max_waiting, struct sluice_ticket *ticket); /* sluice_common_take */
  void (*withdraw)(void *seat, struct sluice_ticket *ticket);
  void (*give)(void *seat, uint64_t weight);
  int (*is_wanted)(void *seat, uint64_t own); /* whether more wait than `own`, or more is out than there is */
  int (*resize)(void *seat, uint64_t permits);
  int (*reconfigure)(void *seat, const struct sluice_rate *rate);
  void (*penalize)(void *seat, uint64_t duration);
  void (*level)(void *seat, struct sluice_level *level);
  void (*leave)(void *seat); /* the last call: what it holds is given back */
};
/* Like sluice_semaphore() and sluice_limiter(). *lender outlives the engine. Closing one gives back what it holds.
 * Errors: SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice_lease_permits(struct sluice_engine *engine, const struct sluice_lender *lender, void *seat,
                         struct sluice_handle *semaphore);
int sluice_lease_tokens(struct sluice_engine *engine, const struct sluice_lender *lender, void *seat,
                        struct sluice_handle *limiter);
/* A ticket that the engine has given to a lender was granted, or refused: whoever it stands for is handed over. */
void sluice_lend(struct sluice_engine *engine, struct sluice_ticket *ticket, int is_granted);

/* Takes a waiter back; what had been handed to it already is handed to the next. Errors: SLUICE_ESTALE. */
int sluice_withdraw(struct sluice_engine *engine, struct sluice_handle waiter);
/* All who wait for this semaphore, or this limiter, are told so: EVENT_SHUT. (Jobs are not.) Errors: SLUICE_ESTALE. */
int sluice_semaphore_shut(struct sluice_engine *engine, struct sluice_handle semaphore);
int sluice_limiter_shut(struct sluice_engine *engine, struct sluice_handle limiter);

/* Takes one decision that the last calls have brought, not time: waiters that are gone, lanes that have a permit now or
 * room for an item. EVENT_NONE: there is none. (What is left behind, sluice_next() answers.) */
void sluice_hand(struct sluice_engine *engine, struct sluice_decision *decision);
/* Whether sluice_hand() would answer anything but NONE. */
int sluice_has_handed(const struct sluice_engine *engine);

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
/* Whether the clock is to be read (sluice_observe) before each step() and next(): a job with a rate is open, or
 * somebody waits for a token. */
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
  uint32_t waiters;
  uint32_t semaphores;
  uint32_t limiters;
  uint32_t lane_size;
  uint32_t job_size;
  uint32_t waiter_size;
  uint64_t memory; /* bytes taken from the allocator */
};
void sluice_measure(const struct sluice_engine *engine, struct sluice_usage *usage);

/* Recomputes every count and list the slow way. Returns 1, or 0 where one disagrees (a bug). O(everything). */
int sluice_check(const struct sluice_engine *engine);

#ifdef __cplusplus
}
#endif
#endif
