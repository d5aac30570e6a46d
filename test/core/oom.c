/* Each allocation failed in turn, through a scenario that uses everything. */
#include <string.h>

#include "tests.h"
#include "world.h"

enum {
  JOBS = 1100,
  LANES = 1100,
  ITEM_LANES = 1600,
  LINES = 1100,
  LINE_WAITERS = 1100
}; /* more than the first tables of a slab have room for */

/* A run of the scenario: what it did, as a hash. A call that fails for want of memory is made again. */
struct run {
  struct memory memory;
  struct sluice_engine *engine;
  struct sluice_grants grants;
  uint64_t now;
  uint64_t hash;
  uint64_t failures;
  int gives_up; /* memory is gone for good: a call that fails is not made again */
};

static void note(struct run *run, uint64_t value) {
  run->hash = (run->hash ^ value) * 0x100000001b3u;
}

/* After a failure nothing is half done. */
static int has_failed(struct run *run, int error, const struct sluice_usage *before) {
  if (error == SLUICE_OK) return 0;
  EXPECT_EQ(error, SLUICE_ENOMEM);
  if (run->failures % 32 == 0) EXPECT(sluice_check(run->engine)); /* where all fail there are thousands */
  struct sluice_usage after;
  sluice_measure(run->engine, &after);
  EXPECT(after.jobs == before->jobs && after.lanes == before->lanes && after.waiters == before->waiters);
  EXPECT(after.semaphores == before->semaphores && after.limiters == before->limiters);
  EXPECT_EQ(after.memory, run->memory.in_use);
  run->failures++;
  return 1;
}

/* `error` is set to what the call answers, and the call is made until it has memory. */
#define TRY(run, error, call) \
  do { \
    struct sluice_usage before; \
    sluice_measure((run)->engine, &before); \
    (error) = (call); \
    if (!has_failed(run, error, &before) || (run)->gives_up) break; \
  } while (1)

static struct sluice_handle open(struct run *run, const struct sluice_policy *policy) {
  struct sluice_decision decision = {.job = {0, 0}};
  int error;
  TRY(run, error, sluice_open(run->engine, policy, &decision));
  note(run, decision.job.slot);
  return decision.job;
}

static struct sluice_handle join(struct run *run, struct sluice_handle job) {
  struct sluice_decision decision = {.lane = {0, 0}};
  if (job.generation == 0) return decision.lane;
  int error;
  TRY(run, error, sluice_join(run->engine, job, &decision));
  note(run, (uint64_t)decision.action << 32 | decision.lane.slot);
  return decision.lane;
}

static struct sluice_handle wait_alone(struct run *run, int is_sleep, uint64_t duration) {
  struct sluice_decision decision = {.lane = {0, 0}};
  int error;
  if (is_sleep) TRY(run, error, sluice_sleep(run->engine, duration, 0, &decision));
  else TRY(run, error, sluice_guard(run->engine, duration, 0, &decision));
  note(run, decision.lane.slot);
  return decision.lane;
}

/* Of what may never have been opened. */
static void step(struct run *run, struct sluice_handle lane, enum sluice_outcome outcome) {
  struct sluice_decision decision = {.item = 0};
  int error = sluice_step(run->engine, lane, outcome, &decision);
  if (!run->gives_up) EXPECT(error == SLUICE_OK || error == SLUICE_ESTATE || error == SLUICE_ESTALE);
  if (error == SLUICE_OK) note(run, (uint64_t)decision.action << 32 | decision.lane.slot);
}

static void turn(struct run *run) {
  sluice_turn_end(run->engine, run->now, 0);
  run->now += 100 * MS;
  sluice_expire(run->engine, run->now, 0);
  sluice_judge(run->engine, run->now);
  sluice_turn_begin(run->engine);
  struct sluice_decision decision;
  for (sluice_next(run->engine, &decision); decision.event != SLUICE_EVENT_NONE; sluice_next(run->engine, &decision))
    note(run, (uint64_t)decision.event << 32 | decision.action);
}

static struct sluice_handle semaphore_of(struct run *run) {
  struct sluice_handle handle = {0, 0};
  int error;
  TRY(run, error, sluice_semaphore(run->engine, 1, 1, &handle));
  note(run, handle.slot);
  return handle;
}

static struct sluice_handle limiter_of(struct run *run) {
  struct sluice_rate rate = {.max = 100, .per = SECOND, .burst = 1};
  struct sluice_handle handle = {0, 0};
  int error;
  TRY(run, error, sluice_limiter(run->engine, &rate, &handle));
  note(run, handle.slot);
  return handle;
}

static void ask(struct run *run, struct sluice_handle line, int is_draw) {
  struct sluice_decision decision = {.lane = {0, 0}};
  struct sluice_engine *engine = run->engine;
  int error;
  if (line.generation == 0) return;
  if (is_draw) TRY(run, error, sluice_draw(engine, line, 1, 150 * MS, UINT64_MAX, 0, &decision));
  else TRY(run, error, sluice_acquire(engine, line, 1, 150 * MS, UINT64_MAX, 0, &decision));
  note(run, (uint64_t)decision.event << 32 | decision.lane.slot);
}

/* Who waits, and for what: each in a slab of its own. A wait that had no memory has left no trace in its line. */
static void play_lines(struct run *run) {
  struct sluice_handle semaphore = {0, 0}, limiter = {0, 0};
  for (int i = 0; i < LINES; i++) {
    semaphore = semaphore_of(run);
    limiter = limiter_of(run);
  }
  for (int i = 0; i < LINE_WAITERS; i++) ask(run, i % 2 ? semaphore : limiter, i % 2 == 0);
  struct sluice_policy policy = policy_of(9, 3);
  policy.semaphore = semaphore;
  policy.limiter = limiter;
  policy.window = 2;
  policy.flags = SLUICE_FLAG_VERDICT;
  struct sluice_handle job = open(run, &policy);
  step(run, join(run, job), SLUICE_OUTCOME_PULLED);
  if (semaphore.generation != 0) sluice_give(run->engine, semaphore, 1);
  turn(run);
  sluice_read(run->engine, job, 1);
}

/* Lanes with something beside them: the table and its chunks are made as lanes are first used so. */
static void play_items(struct run *run) {
  static struct sluice_handle lanes[ITEM_LANES];
  struct sluice_policy policy = policy_of(ITEM_LANES * 2, ITEM_LANES);
  policy.item_timeout = 250 * MS;
  policy.retries = 2;
  policy.flags = SLUICE_FLAG_REVIEW | SLUICE_FLAG_DRAIN | SLUICE_FLAG_COLLECT;
  policy.backoff.kind = SLUICE_BACKOFF_DECORRELATED;
  struct sluice_handle job = open(run, &policy);
  for (int i = 0; i < ITEM_LANES; i++) {
    lanes[i] = join(run, job);
    if (i % 3 == 0) step(run, lanes[i], SLUICE_OUTCOME_REJECTED);
    if (i % 6 == 0) step(run, lanes[i], SLUICE_OUTCOME_RETRY);
    if (i % 400 == 0) turn(run);
  }
  policy.rate = (struct sluice_rate){.max = 10, .per = SECOND, .burst = 1};
  policy.max_abandoned = 1;
  job = open(run, &policy);
  for (int i = 0; i < 3; i++) step(run, join(run, job), SLUICE_OUTCOME_PULLED); /* two wait at the gate */
}

static void play(struct run *run) {
  static struct sluice_handle lanes[LANES];
  run->now = SECOND;
  run->engine = sluice_engine_new(&run->memory.allocator, 1);
  if (run->engine == NULL) {
    sluice_engine_free(run->engine); /* is allowed */
    run->failures++;
    EXPECT_EQ(run->memory.in_use, 0);
    if (run->gives_up) return;
    run->engine = sluice_engine_new(&run->memory.allocator, 1);
    EXPECT(run->engine != NULL);
  }
  sluice_share_grants(run->engine, &run->grants);
  for (int i = 0; i < 6; i++) sluice_observe(run->engine, run->now);
  struct sluice_policy policy = policy_of(LANES * 2, LANES);
  policy.timeout = 150 * MS;
  policy.total_timeout = 2 * SECOND;
  policy.retries = 1;
  policy.flags = SLUICE_FLAG_PROGRESS | SLUICE_FLAG_COLLECT;
  struct sluice_handle job = open(run, &policy);
  for (int i = 0; i < LANES; i++) {
    lanes[i] = join(run, job);
    if (i % 7 == 0) step(run, lanes[i], SLUICE_OUTCOME_REJECTED);
    if (i % 5 == 0) step(run, lanes[i], SLUICE_OUTCOME_FULFILLED);
    if (i % 100 == 0) turn(run);
  }
  policy = policy_of(2, 1);
  policy.total_timeout = SECOND;
  for (int i = 0; i < JOBS; i++) {
    struct sluice_handle small = open(run, &policy);
    if (i % 4 == 0) step(run, join(run, small), SLUICE_OUTCOME_FULFILLED);
    struct sluice_handle alone = wait_alone(run, i % 2, 50 * MS);
    if (i % 3 == 0) sluice_release(run->engine, alone);
  }
  play_items(run);
  play_lines(run);
  for (int i = 0; i < 22; i++) turn(run);
  EXPECT(sluice_check(run->engine));
  sluice_engine_free(run->engine);
  EXPECT_EQ(run->memory.in_use, 0);
}

static void run_init(struct run *run) {
  memset(run, 0, sizeof *run);
  memory_init(&run->memory);
}

void test_oom_each_allocation_may_fail(void) {
  static struct run whole, run;
  run_init(&whole);
  play(&whole);
  uint64_t allocations = whole.memory.calls;
  EXPECT(allocations > 12);
  for (uint64_t failing = 0; failing < allocations; failing++) {
    run_init(&run);
    run.memory.fails_from = failing;
    run.memory.fails_for = 1;
    play(&run);
    EXPECT_EQ(run.failures, 1);
    EXPECT_EQ(run.hash, whole.hash); /* but for the failure, the same decisions */
  }
}

void test_oom_memory_may_be_gone_for_good(void) {
  static struct run whole, run;
  run_init(&whole);
  play(&whole);
  for (uint64_t failing = 0; failing < whole.memory.calls; failing++) {
    run_init(&run);
    run.gives_up = 1;
    run.memory.fails_from = failing;
    run.memory.fails_for = UINT64_MAX;
    play(&run);
    EXPECT(run.failures >= 1);
  }
}
