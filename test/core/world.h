/* What the tests of the engine stand on: an engine on a virtual clock and a counting allocator. Each call of the engine
 * is followed by sluice_check. */
#ifndef SLUICE_WORLD_H
#define SLUICE_WORLD_H

#include "sluice.h"
#include "test.h"

#define MS SLUICE_MILLISECOND
#define SECOND (1000 * MS)

/* An allocator that knows what it has given out, and fails when told to. */
struct memory {
  struct sluice_allocator allocator;
  uint64_t in_use; /* bytes */
  uint64_t calls;
  uint64_t fails_from; /* the first call that gets nothing (from 0); UINT64_MAX: none */
  uint64_t fails_for;  /* how many do */
  uint8_t noise;       /* what is in memory that is given out */
};

void memory_init(struct memory *memory);

struct world {
  struct memory memory;
  struct sluice_engine *engine;
  uint64_t now;
  struct sluice_decision decision; /* the last one */
  struct sluice_grants grants;     /* shared by world_share_grants */
};

/* At time 1 s, so that a test that confuses times with durations fails. */
void world_init(struct world *world);
/* Frees the engine, with what is open in it, and expects all memory back. */
void world_fini(struct world *world);
void world_check(const struct world *world);

/* Items that are read by number, no retries, no timeouts, no gate; a retry waits 100, 200, 300 ms ... without jitter.
 */
struct sluice_policy policy_of(uint64_t items, uint32_t limit);

/* The calls of sluice.h, which are expected to succeed. world->decision has the rest. */
struct sluice_handle world_open(struct world *world, const struct sluice_policy *policy);
enum sluice_action world_join(struct world *world, struct sluice_handle job);
enum sluice_action world_step(struct world *world, struct sluice_handle lane, enum sluice_outcome outcome);
enum sluice_action world_abort(struct world *world, struct sluice_handle job);
enum sluice_action world_plan(struct world *world, struct sluice_handle lane, enum sluice_outcome outcome,
                              uint64_t delay);
uint64_t world_remaining(struct world *world, struct sluice_handle lane);
void world_late(struct world *world, struct sluice_handle job);
struct sluice_counts world_count(struct world *world, struct sluice_handle job);
struct sluice_handle world_guard(struct world *world, uint64_t duration, uint32_t flags);
struct sluice_handle world_sleep(struct world *world, uint64_t duration, uint32_t flags);
void world_release(struct world *world, struct sluice_handle lane);
uint32_t world_observe(struct world *world, uint64_t now);
void world_share_grants(struct world *world);

/* What is waited for. The clock is observed where it has to be. */
struct sluice_handle world_semaphore(struct world *world, uint64_t permits, uint64_t in_use);
struct sluice_handle world_limiter(struct world *world, uint64_t max, uint64_t per, uint64_t burst);
/* These two return GRANTED, or NONE with the waiter in world->decision.lane. */
enum sluice_event world_acquire(struct world *world, struct sluice_handle semaphore, uint64_t weight, uint64_t timeout);
enum sluice_event world_draw(struct world *world, struct sluice_handle limiter, uint64_t tokens, uint64_t timeout);
/* The same, for one who has to wait; returns the waiter. */
struct sluice_handle world_await_permits(struct world *world, struct sluice_handle semaphore, uint64_t weight);
struct sluice_handle world_await_tokens(struct world *world, struct sluice_handle limiter, uint64_t tokens);
void world_give(struct world *world, struct sluice_handle semaphore, uint64_t weight);
void world_resize(struct world *world, struct sluice_handle semaphore, uint64_t permits);
void world_withdraw(struct world *world, struct sluice_handle waiter);
void world_penalize(struct world *world, struct sluice_handle limiter, uint64_t duration);
void world_reconfigure(struct world *world, struct sluice_handle limiter, uint64_t max, uint64_t per, uint64_t burst);
void world_read(struct world *world, struct sluice_handle job, uint64_t count);
enum sluice_event world_hand(struct world *world);
struct sluice_level world_semaphore_level(struct world *world, struct sluice_handle semaphore);
struct sluice_level world_limiter_level(struct world *world, struct sluice_handle limiter);

/* Joins, expects PULL, and has pulled; returns the lane. world->decision is what comes of it. */
struct sluice_handle world_pull(struct world *world, struct sluice_handle job);
/* Joins, and expects START of this item; returns the lane. */
struct sluice_handle world_start(struct world *world, struct sluice_handle job, uint64_t item);

/* Time. Only world_pass moves it. */
void world_begin_turn(struct world *world);
void world_end_turn(struct world *world);
void world_expire(struct world *world, uint64_t hold);
void world_judge(struct world *world);
enum sluice_event world_next(struct world *world);
/* Ends the turn, moves time on, and lets what is due then have its poll and its judgement. */
void world_pass(struct world *world, uint64_t duration);

int same_handle(struct sluice_handle a, struct sluice_handle b);

/* A decision says to start this. */
#define EXPECT_START(world, its_item, its_attempt) \
  do { \
    EXPECT_EQ((world)->decision.action, SLUICE_ACTION_START); \
    EXPECT_EQ((world)->decision.item, its_item); \
    EXPECT_EQ((world)->decision.attempt, its_attempt); \
  } while (0)

#define EXPECT_SAME(a, b) EXPECT(same_handle(a, b))

/* Something was handed over: this event, to this waiter or this lane. */
#define EXPECT_HANDED(world, its_event, whose) \
  do { \
    EXPECT_EQ(world_hand(world), its_event); \
    EXPECT_SAME((world)->decision.lane, whose); \
  } while (0)
#define EXPECT_NOTHING_HANDED(world) EXPECT_EQ(world_hand(world), SLUICE_EVENT_NONE)

#endif
