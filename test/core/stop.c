/* An item that ends the job early, and well: STOPPED. */
#include "tests.h"
#include "world.h"

void test_stop_starts_nothing_more_and_lets_what_runs_end(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1000, 3);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[3];
  for (uint64_t item = 0; item < 3; item++) lanes[item] = world_start(&world, job, item);
  EXPECT_EQ(world_step(&world, lanes[1], SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_count(&world, job).done, 1);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, lanes[0], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, lanes[2], SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_DONE); /* once more does no harm */
  EXPECT(world.decision.counts.started == 3 && world.decision.counts.done == 3);
  world_fini(&world);
}

void test_stop_by_the_only_lane_is_the_end(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1000, 1);
  policy.timeout = policy.total_timeout = SECOND;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.done, 1);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_stop_waits_for_backoffs_and_reviews(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1000, 3);
  policy.retries = 1;
  policy.flags = SLUICE_FLAG_REVIEW;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[3];
  for (uint64_t item = 0; item < 3; item++) lanes[item] = world_start(&world, job, item);
  for (int i = 0; i < 2; i++) world_step(&world, lanes[i], SLUICE_OUTCOME_REJECTED);
  EXPECT_EQ(world_step(&world, lanes[0], SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  EXPECT_EQ(world_step(&world, lanes[2], SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_REST);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 0, 2);
  EXPECT_EQ(world_step(&world, lanes[1], SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  EXPECT_EQ(world_step(&world, lanes[0], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world_step(&world, lanes[1], SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_FAIL); /* a failure still is one */
  world_fini(&world);
}

void test_stop_ends_a_pull(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 3);
  policy.source = SLUICE_SOURCE_ASYNC;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_pull(&world, job);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PULL);
  struct sluice_handle pulling = world.decision.lane;
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.started, 1);
  EXPECT_EQ(sluice_step(world.engine, pulling, SLUICE_OUTCOME_PULLED, &world.decision), SLUICE_ESTALE);
  world_fini(&world);
}

/* Items that wait for their first attempt are dropped, those that wait for another go on. */
void test_stop_empties_the_gate_of_first_attempts(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1000, 4);
  policy.rate = (struct sluice_rate){.max = 1, .per = SECOND, .burst = 2};
  policy.retries = 1;
  policy.backoff.delay = 0;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle stopping = world_pull(&world, job);
  struct sluice_handle retrying = world_pull(&world, job);
  struct sluice_handle first = world_pull(&world, job);
  EXPECT_EQ(world_step(&world, retrying, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  world_pull(&world, job);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PARK);
  world_end_turn(&world);
  EXPECT_EQ(world_step(&world, stopping, SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_REST);
  EXPECT_EQ(sluice_step(world.engine, first, SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
  world_pass(&world, SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 1, 2);
  EXPECT_EQ(world_step(&world, retrying, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT(world.decision.counts.started == 4 && world.decision.counts.done == 2 && world.decision.counts.failed == 0);
  world_fini(&world);
}

void test_stop_ends_lanes_that_gave_way_before_an_item(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1000, 2);
  policy.yield_after = 0;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle yielding = world_start(&world, job, 0);
  struct sluice_handle stopping = world_start(&world, job, 1);
  EXPECT_EQ(world_step(&world, yielding, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world_step(&world, stopping, SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_DONE);
  EXPECT(!sluice_wants_turn(world.engine));
  world_fini(&world);
}

/* Neither what was granted before, nor by the retry of one that goes on. */
void test_stop_grants_nothing(void) {
  struct world world;
  world_init(&world);
  world_share_grants(&world);
  for (int i = 0; i < 10; i++) world_observe(&world, world.now);
  struct sluice_policy policy = policy_of(1000, 2);
  policy.retries = 1;
  policy.backoff.delay = 0;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle stopping = world_start(&world, job, 0);
  struct sluice_handle retrying = world_start(&world, job, 1);
  world_step(&world, stopping, SLUICE_OUTCOME_FULFILLED);
  EXPECT(world.decision.granted != 0);
  world.grants.item[stopping.slot] = world.grants.next_item[job.slot]++; /* item 3 */
  EXPECT_EQ(world_step(&world, stopping, SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_REST);
  EXPECT_EQ(world.grants.next_item[job.slot], SLUICE_GRANT_NONE);
  EXPECT_EQ(world_count(&world, job).done, 3);
  EXPECT_EQ(world_step(&world, retrying, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_START);
  EXPECT_EQ(world.decision.granted, 0);
  EXPECT_EQ(world.grants.next_item[job.slot], SLUICE_GRANT_NONE);
  EXPECT_EQ(world_step(&world, retrying, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.started, 4);
  world_fini(&world);
}

void test_stop_is_for_attempts_only(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 1);
  policy.source = SLUICE_SOURCE_ASYNC;
  policy.retries = 1;
  struct sluice_handle job = world_open(&world, &policy);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PULL);
  struct sluice_handle lane = world.decision.lane;
  struct sluice_decision decision;
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_STOPPED, &decision), SLUICE_ESTATE);
  world_step(&world, lane, SLUICE_OUTCOME_PULLED);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_STOPPED, &decision), SLUICE_ESTATE);
  world_check(&world);
  world_fini(&world);
}
