/* The mailbox: the engine's calls as words in shared memory.
 *
 * One struct sluice_mailbox. A caller that cannot pass C arguments cheaply (JavaScript, a recorded
 * run) writes the words an operation reads, calls it without arguments, and reads the words it answers. This header is
 * the one owner of the layout; JavaScript learns the names and offsets from the addon when it loads.
 *
 * Every word is checked: forged ones are answered with an error, never with a crash. */
#ifndef SLUICE_MAILBOX_H
#define SLUICE_MAILBOX_H

#include "sluice.h"

#ifdef __cplusplus
extern "C" {
#endif

/* name, index as a 32-bit word. Signed in JavaScript; handles are the same 32 bits. */
#define SLUICE_MAILBOX_INTS(X) \
  X(LANE, 0) /* in: a lane's handle; out: the lane of the answer */ \
  X(LANE_GENERATION, 1) \
  X(OUTCOME, 2) /* in: enum sluice_outcome */ \
  X(ACTION, 3)  /* out: enum sluice_action, or a negative enum sluice_error */ \
  X(ITEM, 4)    /* out: the item, or -1 where it needs the double ITEM_WIDE; in for LATE, with ATTEMPT */ \
  X(ATTEMPT, 5) /* out */ \
  X(JOB, 6)     /* in, and out */ \
  X(JOB_GENERATION, 7) \
  X(EVENT, 8)      /* out: enum sluice_event */ \
  X(FLAGS, 9)      /* in: enum sluice_flag */ \
  X(SOURCE, 10)    /* in: enum sluice_source */ \
  X(BACKOFF, 11)   /* in: enum sluice_backoff_kind */ \
  X(JITTER, 12)    /* in: enum sluice_jitter */ \
  X(GRANTED, 13)   /* out: START: the end of the granted run; 0: none */ \
  X(STRIDE, 14)    /* out: how many steps until the next OBSERVE */ \
  X(WAITING, 15)   /* out, of the time operations: 1: NEXT has something; 2: JUDGE or TURN_BEGIN */ \
  X(SEMAPHORE, 96) /* in, of OPEN and a semaphore's operations (generation 0: none); out */ \
  X(SEMAPHORE_GENERATION, 97) \
  X(LIMITER, 98) /* the same */ \
  X(LIMITER_GENERATION, 99) \
  X(HANDED, 100) /* out, of what may hand something over: whether HAND has something */

/* name, index as a 64-bit double. Durations are milliseconds, rounded up to nanoseconds; infinity is never. */
#define SLUICE_MAILBOX_DOUBLES(X) \
  X(ITEM_WIDE, 8) \
  X(ITEMS, 9)    /* in: infinity is unknown */ \
  X(LIMIT, 10)   /* in: infinity is unlimited */ \
  X(RETRIES, 11) /* in: infinity is unlimited */ \
  X(TIMEOUT, 12) /* in: also a guard's, and a sleep's duration */ \
  X(TOTAL_TIMEOUT, 13) \
  X(YIELD_AFTER, 14) \
  X(DELAY, 15) /* also of step(WAIT) and step(WISH); out: PARK, the backoff */ \
  X(FACTOR, 16) \
  X(MAX_DELAY, 17) \
  X(ELAPSED, 18) /* out, with LOOP_BLOCKED: milliseconds */ \
  X(LOOP_BLOCKED, 19) \
  X(STARTED, 20) /* out: the counts */ \
  X(DONE, 21) \
  X(FAILED, 22) \
  X(RETRIED, 23) \
  X(TIMED_OUT, 24) \
  X(ABANDONED, 25) \
  X(NOW, 26)         /* in, of the operations that need the time: nanoseconds since any start */ \
  X(SPAN, 27)        /* in: `busy` of TURN_END, `hold` of EXPIRE: nanoseconds */ \
  X(NEXT_EXPIRY, 28) /* out: nanoseconds; infinity is never */ \
  X(ITEM_TIMEOUT, 29) \
  X(MAX_ABANDONED, 30) /* in: infinity is unlimited */ \
  X(RATE_MAX, 31)      /* in: 0 is no rate; a fraction is rounded down to one in a whole number of nanoseconds */ \
  X(RATE_PER, 32) \
  X(RATE_BURST, 33)   /* in: 0 is the default */ \
  X(RETRIES_LEFT, 34) /* out: REVIEW, with DELAY as planned */ \
  X(REMAINING, 35)    /* out: milliseconds */ \
  X(ITEM_ELAPSED, 36) /* out: REVIEW: milliseconds */ \
  X(WINDOW, 37)       /* in: infinity is none */ \
  X(WEIGHT, 38)       /* in: of ACQUIRE, GIVE, DRAW; of READ: how many items */ \
  X(MAX_WAITING, 39)  /* in: infinity is unlimited */ \
  X(PERMITS, 40)      /* in: infinity is unlimited */ \
  X(IN_USE, 41)       /* in, and out of SEMAPHORE_CLOSE */ \
  X(AVAILABLE, 42)    /* out: of the two LEVELs */ \
  X(CAPACITY, 43) \
  X(WAITERS, 44) \
  X(USERS, 45) /* jobs that are open on it */ \
  X(HELD, 46)  /* of a semaphore: the caller's permits */

#define SLUICE_MAILBOX_WORD_BYTES 512

enum sluice_word {
#define SLUICE_WORD(name, index) SLUICE_WORD_##name = index,
  SLUICE_MAILBOX_INTS(SLUICE_WORD) SLUICE_MAILBOX_DOUBLES(SLUICE_WORD)
#undef SLUICE_WORD
};

/* name, number, call. What each reads and answers is what its call in sluice.h takes and gives. The last ones belong to
 * a driver: they are operations so that a recorded run can be replayed whole. */
#define SLUICE_MAILBOX_OPERATIONS(X) \
  X(OPEN, 1) \
  X(JOIN, 2) \
  X(STEP, 3) \
  X(NEXT, 4) \
  X(ABORT, 5) \
  X(LATE, 6) \
  X(COUNT, 7) \
  X(GUARD, 8) \
  X(SLEEP, 9) \
  X(RELEASE, 10) \
  X(REMAINING, 11) /* NOW is the driver's */ \
  X(CLOCK, 12)     /* nothing but NOW */ \
  X(READ, 13) \
  X(HAND, 14) \
  X(SEMAPHORE, 15) \
  X(SEMAPHORE_CLOSE, 16) \
  X(ACQUIRE, 17) \
  X(GIVE, 18) /* and HAND: its answer is in EVENT */ \
  X(RESIZE, 19) \
  X(SEMAPHORE_LEVEL, 20) \
  X(SEMAPHORE_SHUT, 21) \
  X(LIMITER, 22) \
  X(LIMITER_CLOSE, 23) \
  X(DRAW, 24) \
  X(RECONFIGURE, 25) \
  X(PENALIZE, 26) /* for DELAY */ \
  X(LIMITER_LEVEL, 27) \
  X(LIMITER_SHUT, 28) \
  X(WITHDRAW, 29) /* LANE is a waiter */ \
  X(TAKE, 30)     /* ACTION: 1: it is taken, 0: not now */ \
  X(PUT, 31)      /* GIVE of one permit, without HAND */ \
  X(OBSERVE, 32) \
  X(TURN_BEGIN, 33) \
  X(TURN_END, 34) \
  X(EXPIRE, 35) \
  X(JUDGE, 36)

enum sluice_operation {
#define SLUICE_MAILBOX_ENUM(name, number) SLUICE_OPERATION_##name = number,
  SLUICE_MAILBOX_OPERATIONS(SLUICE_MAILBOX_ENUM)
#undef SLUICE_MAILBOX_ENUM
};

union sluice_words {
  int32_t ints[SLUICE_MAILBOX_WORD_BYTES / 4];
  double doubles[SLUICE_MAILBOX_WORD_BYTES / 8];
};

struct sluice_mailbox {
  union sluice_words words;
  struct sluice_grants grants;
};

/* Carries out one operation. The answer is in ACTION: 0 or an action, or a negative error; then nothing has happened
 * and no other word is written. An unknown operation is SLUICE_EINVAL. */
void sluice_mailbox_call(struct sluice_engine *engine, struct sluice_mailbox *mailbox, enum sluice_operation operation);

/* Whether the clock is to be read (OBSERVE) before this operation, whose words are written. */
int sluice_mailbox_wants_clock(const struct sluice_engine *engine, const struct sluice_mailbox *mailbox,
                               enum sluice_operation operation);

/* The one that is called for every event; the same as sluice_mailbox_call(..., SLUICE_OPERATION_STEP). */
void sluice_mailbox_step(struct sluice_engine *engine, struct sluice_mailbox *mailbox);

/* What stands in RATE_*, and in PERMITS: 0 where it makes no sense. And the other way. */
int sluice_mailbox_read_rate(const struct sluice_mailbox *mailbox, struct sluice_rate *rate);
int sluice_mailbox_read_permits(const struct sluice_mailbox *mailbox, uint64_t *permits);
void sluice_mailbox_write_rate(struct sluice_mailbox *mailbox, const struct sluice_rate *rate);

/* Milliseconds to nanoseconds, rounded up; below 0 is 0; saturates at SLUICE_NEVER. Not for NaN. */
uint64_t sluice_ms_to_ns(double ms);

#ifdef __cplusplus
}
#endif
#endif
