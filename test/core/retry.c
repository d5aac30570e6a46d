#include "tests.h"
#include "world.h"

/* Opens a job of these items, and starts the first. */
static struct sluice_handle start(struct world *world, const struct sluice_policy *policy) {
  return world_start(world, world_open(world, policy), 0);
}

/* Expects the parked lane to go on with this attempt `delay` after the end of this turn: not a nanosecond earlier. */
static void expect_resumed_after(struct world *world, uint64_t delay, struct sluice_handle lane, uint32_t attempt) {
  world_pass(world, delay - 1);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_NONE);
  EXPECT_EQ(sluice_next_expiry(world->engine), world->now + 1);
  world_pass(world, 1);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_RESUMED);
  EXPECT_START(world, 0, attempt);
  EXPECT_SAME(world->decision.lane, lane);
}

void test_retry_makes_one_attempt_more_than_retries(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 2;
  struct sluice_handle lane = start(&world, &policy);
  for (uint32_t attempt = 2; attempt <= 3; attempt++) {
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
    EXPECT_EQ(world.decision.attempt, attempt);
    EXPECT_EQ(world.decision.delay, 100 * MS * (attempt - 1));
    expect_resumed_after(&world, 100 * MS * (attempt - 1), lane, attempt);
  }
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_FAIL);
  EXPECT_EQ(world.decision.counts.started, 1);
  EXPECT_EQ(world.decision.counts.retried, 2);
  EXPECT_EQ(world.decision.counts.failed, 1);
  world_fini(&world);
}

void test_retry_that_succeeds_is_as_good_as_a_first_attempt(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 1);
  policy.retries = 1;
  struct sluice_handle lane = start(&world, &policy);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  expect_resumed_after(&world, 100 * MS, lane, 2);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1); /* a new item has its own retries */
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  world_fini(&world);
}

void test_retry_is_not_for_what_was_refused(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 5;
  EXPECT_EQ(world_step(&world, start(&world, &policy), SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_FAIL);
  EXPECT_EQ(world.decision.counts.retried, 0);
  world_fini(&world);
}

void test_retry_each_backoff_waits_as_long_as_it_says(void) {
  static const uint64_t waits[][4] = {
      [SLUICE_BACKOFF_CONSTANT] = {100, 100, 100, 100},
      [SLUICE_BACKOFF_LINEAR] = {100, 200, 300, 350},
      [SLUICE_BACKOFF_EXPONENTIAL] = {100, 150, 225, 337},
  };
  struct world world;
  world_init(&world);
  for (int kind = SLUICE_BACKOFF_CONSTANT; kind <= SLUICE_BACKOFF_EXPONENTIAL; kind++) {
    struct sluice_policy policy = policy_of(1, 1);
    policy.retries = 4;
    policy.backoff.kind = (enum sluice_backoff_kind)kind;
    policy.backoff.factor = 1.5;
    policy.backoff.max_delay = 350 * MS;
    struct sluice_handle lane = start(&world, &policy);
    for (uint32_t retry = 1; retry <= 4; retry++) {
      uint64_t wait = waits[kind][retry - 1] * MS;
      if (kind == SLUICE_BACKOFF_EXPONENTIAL && retry == 4) wait += MS / 2;
      world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
      expect_resumed_after(&world, wait, lane, retry + 1);
    }
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_FAIL);
  }
  world_fini(&world);
}

void test_retry_full_jitter_waits_no_longer_than_the_backoff(void) {
  enum { LANES = 500 };
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(LANES, LANES);
  policy.retries = 1;
  policy.backoff.jitter = SLUICE_JITTER_FULL;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[LANES];
  for (uint64_t item = 0; item < LANES; item++) lanes[item] = world_start(&world, job, item);
  for (int i = 0; i < LANES; i++) world_step(&world, lanes[i], SLUICE_OUTCOME_REJECTED);
  int early = 0, all = 0;
  world_pass(&world, 50 * MS);
  while (world_next(&world) == SLUICE_EVENT_RESUMED) early++;
  world_pass(&world, 50 * MS);
  for (all = early; world_next(&world) == SLUICE_EVENT_RESUMED;) all++;
  EXPECT_EQ(all, LANES);
  EXPECT(early > LANES / 4 && early < LANES * 3 / 4); /* 11 standard deviations */
  world_fini(&world);
}

void test_retry_without_delay_starts_at_once(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 3;
  policy.backoff.delay = 0;
  struct sluice_handle lane = start(&world, &policy);
  for (uint32_t attempt = 2; attempt <= 4; attempt++) {
    world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
    EXPECT_START(&world, 0, attempt);
  }
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_FAIL);
  world_fini(&world);
}

void test_retry_holds_its_lane_while_it_waits(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(10, 1);
  policy.retries = 1;
  struct sluice_handle job = world_open(&world, &policy);
  world_step(&world, world_start(&world, job, 0), SLUICE_OUTCOME_REJECTED);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_count(&world, job).started, 1);
  world_fini(&world);
}

void test_retry_unlimited_goes_on(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = SLUICE_UNLIMITED;
  policy.backoff.delay = 0;
  struct sluice_handle lane = start(&world, &policy);
  for (uint32_t attempt = 2; attempt < 5000; attempt++) {
    EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_REJECTED, &world.decision), SLUICE_OK);
    EXPECT_START(&world, 0, attempt);
  }
  world_fini(&world);
}

void test_retry_after_a_timeout_is_in_a_fresh_lane(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 1;
  policy.timeout = SECOND;
  struct sluice_handle lane = start(&world, &policy);
  world_pass(&world, SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PARK);
  EXPECT_EQ(world.decision.attempt, 2);
  struct sluice_handle fresh = world.decision.lane;
  EXPECT_EQ(fresh.slot, lane.slot);
  EXPECT(!same_handle(fresh, lane));
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
  expect_resumed_after(&world, 100 * MS, fresh, 2);
  EXPECT_EQ(world_step(&world, fresh, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.timed_out, 1);
  EXPECT_EQ(world.decision.counts.abandoned, 1);
  EXPECT_EQ(world.decision.counts.done, 1);
  world_fini(&world);
}

/* The wait is known when it is stamped: then the job fails at once, not after waiting in vain. */
void test_retry_that_would_outlive_the_total_timeout_fails_now(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 2);
  policy.retries = 9;
  policy.total_timeout = SECOND;
  policy.backoff.delay = 600 * MS;
  policy.backoff.kind = SLUICE_BACKOFF_CONSTANT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_start(&world, job, 1);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  expect_resumed_after(&world, 600 * MS, lane, 2);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_end_turn(&world);
  EXPECT(sluice_is_ready(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_OUTLIVED);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
  EXPECT_EQ(world.decision.lane.slot, lane.slot);
  EXPECT(!same_handle(world.decision.lane, lane)); /* as after a timeout */
  EXPECT_SAME(world.decision.job, job);
  EXPECT_EQ(world.decision.elapsed, 600 * MS);
  EXPECT_EQ(world.decision.counts.retried, 1); /* the second never was */
  EXPECT_EQ(world.decision.counts.failed, 1);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_retry_that_ends_with_the_total_timeout_does_not_outlive_it(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 1;
  policy.total_timeout = 100 * MS;
  struct sluice_handle lane = start(&world, &policy);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED); /* a backoff gets no grace, so it comes first */
  EXPECT_START(&world, 0, 2);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TOTAL);
  world_fini(&world);
}

/* Without a total timeout such a lane waits for ever; with one there is no use in waiting. */
void test_retry_that_never_comes_outlives_the_total_timeout(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 1;
  policy.total_timeout = SECOND;
  policy.backoff.delay = SLUICE_NEVER;
  EXPECT_EQ(world_step(&world, start(&world, &policy), SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  world_end_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_OUTLIVED);
  policy.total_timeout = SLUICE_NEVER;
  EXPECT_EQ(world_step(&world, start(&world, &policy), SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  world_end_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT(!sluice_is_referenced(world.engine));
  world_fini(&world);
}

void test_retry_abort_wakes_nobody(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 1;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  world_pass(&world, 100 * MS); /* it is ready, and not taken yet */
  EXPECT(sluice_is_ready(world.engine));
  world_abort(&world, job);
  EXPECT(!sluice_is_ready(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

/* Each wait is drawn by the one before, which the engine keeps; a new item begins anew. */
void test_retry_decorrelated_waits_between_the_delay_and_three_times_the_last(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(20, 1);
  policy.retries = 10;
  policy.backoff.kind = SLUICE_BACKOFF_DECORRELATED;
  policy.backoff.delay = 10 * MS;
  policy.backoff.max_delay = SECOND;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle lane = start(&world, &policy);
  int is_longer = 0;
  for (int item = 0; item < 20; item++) {
    uint64_t previous = 10 * MS;
    for (uint32_t retry = 1; retry <= 10; retry++) {
      EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
      uint64_t began = world.now;
      world_end_turn(&world);
      while (world_next(&world) == SLUICE_EVENT_NONE) { /* the wheel may wake up early */
        world.now = sluice_next_expiry(world.engine);
        world_expire(&world, 0);
      }
      uint64_t wait = world.now - began;
      EXPECT(wait >= 10 * MS && wait <= SECOND && wait <= previous * 3);
      is_longer |= wait > 30 * MS;
      previous = wait;
    }
    world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  }
  EXPECT(is_longer);
  world_fini(&world);
}
