/* The flight recorder: a ring of what the engine decided, the latest so many events.
 *
 * One thread, the engine's, writes; any thread may read at the same time. An event is five words, each stored with
 * release and none ever under a lock; `count` says how many events there have been, and is stored behind the last word.
 * A reader copies words first and looks at `count` after: what may have been overwritten meanwhile it drops. (Each word
 * is a release, since the reader that has seen a word of a newer event must also see the `count` from before it. On
 * x86-64 that is a plain store.)
 *
 * Time is the caller's: ticks of any clock, told before the engine is called. */
#ifndef SLUICE_RECORDER_H
#define SLUICE_RECORDER_H

#include "sluice.h"

#ifdef __cplusplus
extern "C" {
#endif

/* name, its text; the number is its place. Of an attempt that START told of exactly one of SETTLE, FAIL, RETRY and
 * TIMEOUT follows on its lane, or the CLOSE of its job; behind a TIMEOUT, RETRY too where there will be another. */
#define SLUICE_RECORD_KINDS(X) \
  X(VOID, "void")       /* not an event: a START that came to nothing, since the source was empty */ \
  X(OPEN, "open")       /* a job */ \
  X(START, "start")     /* an attempt; without a job: a guard */ \
  X(SETTLE, "settle")   /* it was fulfilled */ \
  X(FAIL, "fail")       /* it was rejected, and so is its item */ \
  X(RETRY, "retry")     /* it was rejected, or has timed out, and there will be another: value is the wait */ \
  X(TIMEOUT, "timeout") /* the reason says whose; without a lane: the job's */ \
  X(ABANDON, "abandon") /* it has timed out, and still runs */ \
  X(LATE, "late")       /* an abandoned one of this job has ended */ \
  X(PARK, "park")       /* the lane waits, for the reason; BACKOFF: value is the wait */ \
  X(WAKE, "wake")       /* it goes on */ \
  X(YIELD, "yield")     /* it gives way to the loop */ \
  X(ABORT, "abort")     /* the job, from outside; without a job: who waits gives up, or is refused */ \
  X(CLOSE, "close")     /* the job is gone */ \
  X(BLOCK, "block")     /* the loop was kept from running: value is for how long, until now */

#define SLUICE_RECORD_REASONS(X) \
  X(NONE, "") \
  X(LIMIT, "limit") /* a permit */ \
  X(RATE, "rate")   /* a token */ \
  X(BACKOFF, "backoff") \
  X(ROOM, "room")           /* results are to be read first */ \
  X(ABANDONED, "abandoned") /* abandoned attempts are to end first */ \
  X(YIELD, "yield")         /* the loop is to turn first */ \
  X(ATTEMPT, "attempt")     /* of a timeout, with the next three */ \
  X(ITEM, "item") \
  X(TOTAL, "total") \
  X(WAIT, "wait") \
  X(DONE, "done") /* of a close, with the next two */ \
  X(FAIL, "fail") \
  X(DRAIN, "drain")

enum sluice_record_kind {
#define SLUICE_RECORD_ENUM(name, text) SLUICE_RECORD_##name,
  SLUICE_RECORD_KINDS(SLUICE_RECORD_ENUM)
#undef SLUICE_RECORD_ENUM
};
enum sluice_record_reason {
#define SLUICE_RECORD_ENUM(name, text) SLUICE_REASON_##name,
  SLUICE_RECORD_REASONS(SLUICE_RECORD_ENUM)
#undef SLUICE_RECORD_ENUM
};

#define SLUICE_RECORD_NO_LANE UINT32_MAX
#define SLUICE_RECORD_NO_ITEM SLUICE_ITEM_MAX
/* Waiters have lane numbers of their own, from here. */
#define SLUICE_RECORD_WAITERS ((uint32_t)1 << 31)

/* One event, as it is read. */
struct sluice_record {
  uint64_t time;            /* ticks */
  uint64_t item;            /* SLUICE_RECORD_NO_ITEM: none */
  uint64_t value;           /* nanoseconds; of RETRY, PARK with BACKOFF, and BLOCK */
  struct sluice_handle job; /* generation 0: none */
  uint32_t lane;            /* SLUICE_RECORD_NO_LANE: none */
  uint32_t attempt;         /* 0: none */
  enum sluice_record_kind kind;
  enum sluice_record_reason reason;
};

#define SLUICE_RECORD_WORDS 5

struct sluice_recorder {
  uint64_t time;     /* of the events to come; the writer's */
  uint64_t count;    /* of events there have been */
  uint64_t place;    /* of the next one; the writer's */
  uint64_t capacity; /* events that can be read; there is one place more, for the one that is being written */
  struct sluice_allocator allocator;
  /* The writer's. */
  uint64_t next_items[SLUICE_GRANT_JOBS]; /* by the job's slot: items of its granted run below this are known */
  uint64_t items[SLUICE_GRANT_LANES];     /* what these lanes run, as word 2 of an event; UINT64_MAX: nobody knows */
  uint64_t words[][SLUICE_RECORD_WORDS];
};

/* Keeps the latest `capacity` events, >= 1. NULL where the allocator returns that. */
struct sluice_recorder *sluice_recorder_new(const struct sluice_allocator *allocator, uint64_t capacity);
/* No engine writes to it any more. NULL is allowed. */
void sluice_recorder_free(struct sluice_recorder *recorder);

/* A lane, by its slot number, has just taken the item that stands in its word: it is recorded with the time told last.
 * Not to be called where no recorder is on. Words that make no sense, and items that were noted, are left alone. */
void sluice_note(struct sluice_engine *engine, uint32_t lane);

/* From now on the engine writes to it; NULL: to none. The recorder is the caller's.
 *
 * What lanes take of a granted run it records only where sluice_note() tells of it, item by item. */
void sluice_record_to(struct sluice_engine *engine, struct sluice_recorder *recorder);

/* The time of the events to come. A time before the last one is not believed. */
static inline void sluice_recorder_tell_time(struct sluice_recorder *recorder, uint64_t time) {
  if (time > recorder->time) recorder->time = time;
}
/* The loop was kept from running for so many nanoseconds. */
void sluice_recorder_tell_block(struct sluice_recorder *recorder, uint64_t duration);

static inline int sluice_record_has_value(enum sluice_record_kind kind, enum sluice_record_reason reason) {
  return kind == SLUICE_RECORD_RETRY || kind == SLUICE_RECORD_BLOCK ||
         (kind == SLUICE_RECORD_PARK && reason == SLUICE_REASON_BACKOFF);
}

/* How many events there have been; the first that can still be read is that less the capacity. Any thread. */
static inline uint64_t sluice_recorder_count(const struct sluice_recorder *recorder) {
  return __atomic_load_n(&recorder->count, __ATOMIC_ACQUIRE);
}
/* Copies up to `most` events, oldest first, from number *from on, or from the first that is still there: *from is its
 * number. Returns how many; 0: there are no more. Any thread. */
size_t sluice_recorder_read(const struct sluice_recorder *recorder, uint64_t *from, struct sluice_record *records,
                            size_t most);

#ifdef __cplusplus
}
#endif
#endif
