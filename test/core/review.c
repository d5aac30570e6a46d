/* The caller's say before each retry. */
#include "tests.h"
#include "world.h"

static struct sluice_policy reviewed_policy(uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.retries = 2;
  policy.flags = SLUICE_FLAG_REVIEW;
  return policy;
}

/* The decision is a review with this wait planned. */
static void expect_review(const struct world *world, uint32_t attempt, uint32_t retries_left, uint64_t delay,
                          uint64_t elapsed) {
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world->decision.attempt, attempt);
  EXPECT_EQ(world->decision.retries_left, retries_left);
  EXPECT_EQ(world->decision.delay, delay);
  EXPECT_EQ(world->decision.item_elapsed, elapsed);
}

static struct sluice_handle start_and_reject(struct world *world, const struct sluice_policy *policy) {
  struct sluice_handle lane = world_start(world, world_open(world, policy), 0);
  EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  return lane;
}

void test_review_comes_before_each_retry_and_tells_what_is_planned(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  expect_review(&world, 2, 2, 100 * MS, 0);
  EXPECT_EQ(world_count(&world, job).retried, 0); /* not yet */
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  EXPECT_EQ(world.decision.attempt, 2);
  world_pass(&world, 100 * MS - 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 0, 2);
  world_pass(&world, 50 * MS);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  expect_review(&world, 3, 1, 200 * MS, 150 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  world_pass(&world, 200 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_FAIL); /* there is nothing to say */
  EXPECT_EQ(world.decision.counts.retried, 2);
  world_fini(&world);
}

void test_review_is_not_for_what_was_refused(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_FAIL);
  world_fini(&world);
}

void test_review_without_a_retry_is_none(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(2, 1);
  policy.retries = 0;
  policy.flags |= SLUICE_FLAG_COLLECT;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  EXPECT_START(&world, 1, 1);
  world_fini(&world);
}

void test_review_may_refuse(void) {
  struct world world;
  world_init(&world);
  for (int collects = 0; collects < 2; collects++) {
    struct sluice_policy policy = reviewed_policy(2, 1);
    if (collects) policy.flags |= SLUICE_FLAG_COLLECT;
    struct sluice_handle lane = start_and_reject(&world, &policy);
    world_step(&world, lane, SLUICE_OUTCOME_REFUSED);
    if (collects) EXPECT_START(&world, 1, 1);
    else EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
    if (!collects) EXPECT(world.decision.counts.failed == 1 && world.decision.counts.retried == 0);
  }
  world_fini(&world);
}

void test_review_tells_of_retries_without_end(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  policy.retries = SLUICE_UNLIMITED;
  start_and_reject(&world, &policy);
  expect_review(&world, 2, SLUICE_UNLIMITED, 100 * MS, 0);
  world_fini(&world);
}

/* A wait that the caller computes is capped, then jittered, as the named ones are; then it is reviewed again. */
void test_review_wait_is_capped(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  policy.backoff.max_delay = 300 * MS;
  struct sluice_handle lane = start_and_reject(&world, &policy);
  world_plan(&world, lane, SLUICE_OUTCOME_WAIT, 250 * MS);
  expect_review(&world, 2, 2, 250 * MS, 0);
  world_plan(&world, lane, SLUICE_OUTCOME_WAIT, 301 * MS);
  expect_review(&world, 2, 2, 300 * MS, 0);
  world_plan(&world, lane, SLUICE_OUTCOME_WAIT, 0);
  expect_review(&world, 2, 2, 0, 0);
  world_step(&world, lane, SLUICE_OUTCOME_RETRY);
  EXPECT_START(&world, 0, 2); /* no wait at all */
  world_fini(&world);
}

void test_review_wait_is_jittered(void) {
  enum { DRAWS = 2000 };
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  policy.backoff.jitter = SLUICE_JITTER_FULL;
  policy.backoff.max_delay = 1000;
  struct sluice_handle lane = start_and_reject(&world, &policy);
  int low = 0;
  for (int i = 0; i < DRAWS; i++) {
    world_plan(&world, lane, SLUICE_OUTCOME_WAIT, SECOND);
    EXPECT(world.decision.delay <= 1000);
    low += world.decision.delay < 500;
  }
  EXPECT(low > DRAWS * 4 / 10 && low < DRAWS * 6 / 10); /* 9 standard deviations */
  world_fini(&world);
}

void test_review_wish_is_taken_word_for_word(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  policy.backoff.jitter = SLUICE_JITTER_FULL;
  policy.backoff.max_delay = 300 * MS;
  struct sluice_handle lane = start_and_reject(&world, &policy);
  world_plan(&world, lane, SLUICE_OUTCOME_WISH, 300 * MS);
  expect_review(&world, 2, 2, 300 * MS, 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  world_pass(&world, 300 * MS - 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  world_fini(&world);
}

/* "Come back in an hour" is an answer to somebody who would wait for a minute at most. */
void test_review_wish_beyond_the_longest_wait_fails_the_item(void) {
  struct world world;
  world_init(&world);
  for (int collects = 0; collects < 2; collects++) {
    struct sluice_policy policy = reviewed_policy(2, 1);
    policy.backoff.max_delay = 300 * MS;
    if (collects) policy.flags |= SLUICE_FLAG_COLLECT;
    struct sluice_handle lane = start_and_reject(&world, &policy);
    world_plan(&world, lane, SLUICE_OUTCOME_WISH, 300 * MS + 1);
    if (collects) EXPECT_START(&world, 1, 1);
    else EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
    EXPECT(collects || world.decision.counts.failed == 1);
  }
  world_fini(&world);
}

void test_review_wish_that_outlives_its_item_fails_it(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  policy.item_timeout = SECOND;
  struct sluice_handle lane = start_and_reject(&world, &policy);
  world_plan(&world, lane, SLUICE_OUTCOME_WISH, SECOND + 1);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_REVIEW); /* it is known only when it is stamped */
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  world_end_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM_OUTLIVED);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
  world_fini(&world);
}

/* A run was granted to another lane meanwhile: the items it took are its own. */
void test_review_wish_that_fails_takes_no_item_twice(void) {
  struct world world;
  world_init(&world);
  world_share_grants(&world);
  for (int i = 0; i < 10; i++) world_observe(&world, world.now);
  struct sluice_policy policy = reviewed_policy(1000, 2);
  policy.backoff.max_delay = SECOND;
  policy.flags |= SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle failing = world_start(&world, job, 0);
  struct sluice_handle running = world_start(&world, job, 1);
  world_step(&world, failing, SLUICE_OUTCOME_REJECTED);
  world_step(&world, running, SLUICE_OUTCOME_FULFILLED); /* item 2 */
  world.grants.item[running.slot] = world.grants.next_item[job.slot]++;
  world_plan(&world, failing, SLUICE_OUTCOME_WISH, 2 * SECOND);
  EXPECT_START(&world, 4, 1);
  EXPECT_EQ(world.decision.granted, 0);
  world_fini(&world);
}

void test_review_after_a_timeout_is_in_a_fresh_lane(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  policy.timeout = 70 * MS;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_pass(&world, 70 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  expect_review(&world, 2, 2, 100 * MS, 70 * MS);
  EXPECT(!same_handle(world.decision.lane, lane));
  EXPECT_EQ(world_step(&world, world.decision.lane, SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  world_fini(&world);
}

/* A review is no wait for time, and ends with its job. */
void test_review_keeps_nothing_alive(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  world_end_turn(&world);
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT(!sluice_has_deadlines(world.engine));
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST); /* it holds its lane */
  EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_RETRY, &world.decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_plan(world.engine, lane, SLUICE_OUTCOME_WAIT, 0, &world.decision), SLUICE_ESTALE);
  world_fini(&world);
}

void test_review_refuses_an_outcome_that_does_not_fit(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  struct sluice_decision decision;
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_RETRY, &decision), SLUICE_ESTATE);
  EXPECT_EQ(sluice_plan(world.engine, lane, SLUICE_OUTCOME_WAIT, 0, &decision), SLUICE_ESTATE);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  static const enum sluice_outcome misfits[] = {SLUICE_OUTCOME_FULFILLED, SLUICE_OUTCOME_REJECTED,
                                                SLUICE_OUTCOME_PULLED, SLUICE_OUTCOME_EXHAUSTED,
                                                SLUICE_OUTCOME_STOPPED};
  for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++)
    EXPECT_EQ(sluice_step(world.engine, lane, misfits[i], &decision), SLUICE_ESTATE);
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_WAIT, &decision), SLUICE_EINVAL);
  EXPECT_EQ(sluice_plan(world.engine, lane, SLUICE_OUTCOME_RETRY, 0, &decision), SLUICE_EINVAL);
  world_check(&world);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  world_fini(&world);
}

/* The next decorrelated wait goes by the one that the caller made of the last. */
void test_review_a_planned_wait_is_the_one_before_the_next(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = reviewed_policy(1, 1);
  policy.retries = SLUICE_UNLIMITED;
  policy.backoff.kind = SLUICE_BACKOFF_DECORRELATED;
  policy.backoff.delay = 10;
  struct sluice_handle lane = start_and_reject(&world, &policy);
  EXPECT(world.decision.delay >= 10 && world.decision.delay <= 30);
  int is_beyond = 0;
  for (int i = 0; i < 50; i++) {
    world_plan(&world, lane, SLUICE_OUTCOME_WISH, 1000);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
    world_pass(&world, 1000);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
    EXPECT(world.decision.delay >= 10 && world.decision.delay <= 3000);
    is_beyond |= world.decision.delay > 1000;
  }
  EXPECT(is_beyond);
  world_fini(&world);
}
