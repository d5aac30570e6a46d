#include "world.h"

#include <stdlib.h>
#include <string.h>

static void *allocate(void *user, size_t size) {
  struct memory *memory = user;
  uint64_t call = memory->calls++;
  if (call >= memory->fails_from && call - memory->fails_from < memory->fails_for) return NULL;
  memory->in_use += size;
  void *block = malloc(size);
  if (block == NULL) FAIL("the test itself is out of memory");
  memset(block, memory->noise, size); /* what is returned is not cleared: nothing may rely on it */
  return block;
}

static void release(void *user, void *block, size_t size) {
  struct memory *memory = user;
  EXPECT(memory->in_use >= size);
  memory->in_use -= size;
  memset(block, 0x5a, size);
  free(block);
}

void memory_init(struct memory *memory) {
  memset(memory, 0, sizeof *memory);
  memory->allocator = (struct sluice_allocator){allocate, release, memory};
  memory->fails_from = UINT64_MAX;
  memory->noise = 0xa5;
}

void world_init(struct world *world) {
  memset(world, 0, sizeof *world);
  memory_init(&world->memory);
  world->now = SECOND;
  world->engine = sluice_engine_new(&world->memory.allocator, test_seed);
  EXPECT(world->engine != NULL);
  sluice_turn_end(world->engine, world->now, 0);
  world_check(world);
}

void world_fini(struct world *world) {
  world_check(world);
  sluice_engine_free(world->engine);
  world->engine = NULL;
  EXPECT_EQ(world->memory.in_use, 0);
}

void world_check(const struct world *world) {
  EXPECT(sluice_check(world->engine));
}

struct sluice_policy policy_of(uint64_t items, uint32_t limit) {
  return (struct sluice_policy){
      .items = items,
      .timeout = SLUICE_NEVER,
      .item_timeout = SLUICE_NEVER,
      .total_timeout = SLUICE_NEVER,
      .yield_after = SLUICE_NEVER,
      .backoff = {.delay = 100 * MS,
                  .max_delay = SLUICE_NEVER,
                  .factor = 1,
                  .kind = SLUICE_BACKOFF_LINEAR,
                  .jitter = SLUICE_JITTER_NONE},
      .limit = limit,
      .max_abandoned = SLUICE_UNLIMITED,
      .source = items == SLUICE_UNKNOWN ? SLUICE_SOURCE_SYNC : SLUICE_SOURCE_INDEXED,
  };
}

/* What a call does not fill in is noise. */
static void forget_decision(struct world *world) {
  memset(&world->decision, 0x77, sizeof world->decision);
}

struct sluice_handle world_open(struct world *world, const struct sluice_policy *policy) {
  forget_decision(world);
  EXPECT_EQ(sluice_open(world->engine, policy, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.job;
}

enum sluice_action world_join(struct world *world, struct sluice_handle job) {
  forget_decision(world);
  EXPECT_EQ(sluice_join(world->engine, job, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.action;
}

struct sluice_handle world_start(struct world *world, struct sluice_handle job, uint64_t item) {
  world_join(world, job);
  EXPECT_START(world, item, 1);
  return world->decision.lane;
}

enum sluice_action world_step(struct world *world, struct sluice_handle lane, enum sluice_outcome outcome) {
  forget_decision(world);
  EXPECT_EQ(sluice_step(world->engine, lane, outcome, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.action;
}

enum sluice_action world_abort(struct world *world, struct sluice_handle job) {
  forget_decision(world);
  EXPECT_EQ(sluice_abort(world->engine, job, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.action;
}

enum sluice_action world_plan(struct world *world, struct sluice_handle lane, enum sluice_outcome outcome,
                              uint64_t delay) {
  forget_decision(world);
  EXPECT_EQ(sluice_plan(world->engine, lane, outcome, delay, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.action;
}

uint64_t world_remaining(struct world *world, struct sluice_handle lane) {
  forget_decision(world);
  EXPECT_EQ(sluice_remaining(world->engine, lane, world->now, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.delay;
}

void world_late(struct world *world, struct sluice_handle job) {
  EXPECT_EQ(sluice_late(world->engine, job), SLUICE_OK);
  world_check(world);
}

struct sluice_counts world_count(struct world *world, struct sluice_handle job) {
  forget_decision(world);
  EXPECT_EQ(sluice_count(world->engine, job, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.counts;
}

struct sluice_handle world_pull(struct world *world, struct sluice_handle job) {
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_PULL);
  struct sluice_handle lane = world->decision.lane;
  world_step(world, lane, SLUICE_OUTCOME_PULLED);
  return lane;
}

struct sluice_handle world_guard(struct world *world, uint64_t duration, uint32_t flags) {
  forget_decision(world);
  EXPECT_EQ(sluice_guard(world->engine, duration, flags, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.lane;
}

struct sluice_handle world_sleep(struct world *world, uint64_t duration, uint32_t flags) {
  forget_decision(world);
  EXPECT_EQ(sluice_sleep(world->engine, duration, flags, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.lane;
}

void world_release(struct world *world, struct sluice_handle lane) {
  EXPECT_EQ(sluice_release(world->engine, lane), SLUICE_OK);
  world_check(world);
}

uint32_t world_observe(struct world *world, uint64_t now) {
  uint32_t stride = sluice_observe(world->engine, now);
  EXPECT(stride >= 1);
  world_check(world);
  return stride;
}

struct sluice_handle world_semaphore(struct world *world, uint64_t permits, uint64_t in_use) {
  struct sluice_handle semaphore;
  EXPECT_EQ(sluice_semaphore(world->engine, permits, in_use, &semaphore), SLUICE_OK);
  world_check(world);
  return semaphore;
}

struct sluice_handle world_limiter(struct world *world, uint64_t max, uint64_t per, uint64_t burst) {
  struct sluice_handle limiter;
  struct sluice_rate rate = {.max = max, .per = per, .burst = burst};
  EXPECT_EQ(sluice_limiter(world->engine, &rate, &limiter), SLUICE_OK);
  world_check(world);
  return limiter;
}

enum sluice_event world_acquire(struct world *world, struct sluice_handle semaphore, uint64_t weight,
                                uint64_t timeout) {
  forget_decision(world);
  EXPECT_EQ(sluice_acquire(world->engine, semaphore, weight, timeout, UINT64_MAX, 0, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.event;
}

enum sluice_event world_draw(struct world *world, struct sluice_handle limiter, uint64_t tokens, uint64_t timeout) {
  world_observe(world, world->now);
  forget_decision(world);
  EXPECT_EQ(sluice_draw(world->engine, limiter, tokens, timeout, UINT64_MAX, 0, &world->decision), SLUICE_OK);
  world_check(world);
  return world->decision.event;
}

struct sluice_handle world_await_permits(struct world *world, struct sluice_handle semaphore, uint64_t weight) {
  EXPECT_EQ(world_acquire(world, semaphore, weight, SLUICE_NEVER), SLUICE_EVENT_NONE);
  return world->decision.lane;
}

struct sluice_handle world_await_tokens(struct world *world, struct sluice_handle limiter, uint64_t tokens) {
  EXPECT_EQ(world_draw(world, limiter, tokens, SLUICE_NEVER), SLUICE_EVENT_NONE);
  return world->decision.lane;
}

void world_give(struct world *world, struct sluice_handle semaphore, uint64_t weight) {
  EXPECT_EQ(sluice_give(world->engine, semaphore, weight), SLUICE_OK);
  world_check(world);
}

void world_resize(struct world *world, struct sluice_handle semaphore, uint64_t permits) {
  EXPECT_EQ(sluice_resize(world->engine, semaphore, permits), SLUICE_OK);
  world_check(world);
}

void world_withdraw(struct world *world, struct sluice_handle waiter) {
  EXPECT_EQ(sluice_withdraw(world->engine, waiter), SLUICE_OK);
  world_check(world);
}

void world_penalize(struct world *world, struct sluice_handle limiter, uint64_t duration) {
  world_observe(world, world->now);
  EXPECT_EQ(sluice_penalize(world->engine, limiter, duration), SLUICE_OK);
  world_check(world);
}

void world_reconfigure(struct world *world, struct sluice_handle limiter, uint64_t max, uint64_t per, uint64_t burst) {
  struct sluice_rate rate = {.max = max, .per = per, .burst = burst};
  world_observe(world, world->now);
  EXPECT_EQ(sluice_reconfigure(world->engine, limiter, &rate), SLUICE_OK);
  world_check(world);
}

void world_read(struct world *world, struct sluice_handle job, uint64_t count) {
  EXPECT_EQ(sluice_read(world->engine, job, count), SLUICE_OK);
  world_check(world);
}

enum sluice_event world_hand(struct world *world) {
  forget_decision(world);
  int has_handed = sluice_has_handed(world->engine);
  sluice_hand(world->engine, &world->decision);
  world_check(world);
  EXPECT(has_handed || world->decision.event == SLUICE_EVENT_NONE);
  return world->decision.event;
}

struct sluice_level world_semaphore_level(struct world *world, struct sluice_handle semaphore) {
  struct sluice_level level;
  EXPECT_EQ(sluice_semaphore_level(world->engine, semaphore, &level), SLUICE_OK);
  return level;
}

struct sluice_level world_limiter_level(struct world *world, struct sluice_handle limiter) {
  struct sluice_level level;
  world_observe(world, world->now);
  EXPECT_EQ(sluice_limiter_level(world->engine, limiter, &level), SLUICE_OK);
  world_check(world);
  return level;
}

void world_share_grants(struct world *world) {
  sluice_share_grants(world->engine, &world->grants);
}

void world_begin_turn(struct world *world) {
  sluice_turn_begin(world->engine);
  world_check(world);
}

void world_end_turn(struct world *world) {
  sluice_turn_end(world->engine, world->now, 0);
  world_check(world);
}

void world_expire(struct world *world, uint64_t hold) {
  sluice_expire(world->engine, world->now, hold);
  world_check(world);
}

void world_judge(struct world *world) {
  sluice_judge(world->engine, world->now);
  world_check(world);
}

enum sluice_event world_next(struct world *world) {
  forget_decision(world);
  sluice_next(world->engine, &world->decision);
  world_check(world);
  return world->decision.event;
}

void world_pass(struct world *world, uint64_t duration) {
  world_end_turn(world);
  world->now += duration;
  world_expire(world, 0);
  world_judge(world);
}

int same_handle(struct sluice_handle a, struct sluice_handle b) {
  return a.slot == b.slot && a.generation == b.generation;
}
