/* A job's items through its lanes: limit, ends, sources. Retries are in retry.c, time in time.c. */
#include "tests.h"
#include "world.h"

void test_job_starts_as_many_items_as_its_limit(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(10, 3);
  struct sluice_handle job = world_open(&world, &policy);
  for (uint64_t item = 0; item < 3; item++) world_start(&world, job, item);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  world_fini(&world);
}

void test_job_starts_no_more_lanes_than_items(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, SLUICE_UNLIMITED);
  struct sluice_handle job = world_open(&world, &policy);
  world_start(&world, job, 0);
  world_start(&world, job, 1);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  world_fini(&world);
}

void test_job_a_freed_lane_takes_the_next_item_at_once(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(3, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  struct sluice_handle second = world_start(&world, job, 1);
  world_step(&world, second, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 2, 1);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_fini(&world);
}

void test_job_done_reports_its_counts_and_is_gone(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.started, 2);
  EXPECT_EQ(world.decision.counts.done, 2);
  EXPECT_EQ(world.decision.counts.failed, 0);
  EXPECT_EQ(sluice_count(world.engine, job, &world.decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
  struct sluice_usage usage;
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.jobs + usage.lanes, 0);
  world_fini(&world);
}

void test_job_without_items_is_done_when_it_is_opened(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(0, 1);
  for (int is_out_of_time = 0; is_out_of_time < 2; is_out_of_time++) {
    if (is_out_of_time) policy.total_timeout = 0;
    world_open(&world, &policy);
    EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
    EXPECT_EQ(world.decision.counts.started, 0);
  }
  struct sluice_usage usage;
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.jobs, 0);
  world_fini(&world);
}

void test_job_without_time_fails_when_it_is_opened(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.total_timeout = 0;
  world_open(&world, &policy);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
  policy = policy_of(SLUICE_UNKNOWN, 1); /* nobody knows whether there is anything to do */
  policy.total_timeout = 0;
  world_open(&world, &policy);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
  struct sluice_usage usage;
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.jobs, 0);
  world_fini(&world);
}

void test_job_fails_with_its_first_failure_and_starts_nothing_more(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(10, 3);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[3];
  for (uint64_t item = 0; item < 3; item++) lanes[item] = world_start(&world, job, item);
  world_step(&world, lanes[2], SLUICE_OUTCOME_FULFILLED);
  EXPECT_EQ(world_step(&world, lanes[1], SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_FAIL);
  EXPECT_EQ(world.decision.counts.started, 4);
  EXPECT_EQ(world.decision.counts.done, 1);
  EXPECT_EQ(world.decision.counts.failed, 1);
  for (int i = 0; i < 3; i++)
    EXPECT_EQ(sluice_step(world.engine, lanes[i], SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_join(world.engine, job, &world.decision), SLUICE_ESTALE);
  world_fini(&world);
}

void test_job_that_collects_runs_everything(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(3, 1);
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  EXPECT_START(&world, 1, 1);
  world_step(&world, lane, SLUICE_OUTCOME_REFUSED);
  EXPECT_START(&world, 2, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.done, 1);
  EXPECT_EQ(world.decision.counts.failed, 2);
  world_fini(&world);
}

void test_job_abort_ends_it_with_its_lanes(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(10, 4);
  policy.timeout = SECOND;
  policy.total_timeout = 10 * SECOND;
  policy.retries = 1;
  policy.flags = SLUICE_FLAG_PROGRESS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[4];
  for (uint64_t item = 0; item < 4; item++) lanes[item] = world_start(&world, job, item);
  world_step(&world, lanes[0], SLUICE_OUTCOME_FULFILLED);
  world_step(&world, lanes[1], SLUICE_OUTCOME_REJECTED); /* parked */
  world_end_turn(&world);
  world_abort(&world, job);
  EXPECT_EQ(world.decision.counts.started, 5);
  EXPECT_EQ(world.decision.counts.done, 1);
  EXPECT_EQ(world.decision.counts.retried, 1);
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT(!sluice_has_deadlines(world.engine));
  EXPECT(!sluice_wants_turn(world.engine));
  world_pass(&world, 20 * SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(sluice_abort(world.engine, job, &world.decision), SLUICE_ESTALE);
  world_fini(&world);
}

/* The items of a source that is pulled when START is answered: it is only known to be over when it is asked. */
void test_job_a_sync_source_ends_when_it_is_found_empty(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[2];
  lanes[0] = world_start(&world, job, 0);
  lanes[1] = world_start(&world, job, 1);
  world_step(&world, lanes[0], SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 2, 1);
  EXPECT_EQ(world_step(&world, lanes[0], SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_count(&world, job).started, 2);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, lanes[1], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.started, 2);
  world_fini(&world);
}

void test_job_a_sync_source_may_be_empty_from_the_start(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.started, 0);
  world_fini(&world);
}

/* EXHAUSTED answers the last START: an earlier item was there. */
void test_job_only_the_latest_item_can_have_been_missing(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  world_start(&world, job, 1);
  EXPECT_EQ(sluice_step(world.engine, first, SLUICE_OUTCOME_EXHAUSTED, &world.decision), SLUICE_ESTATE);
  policy = policy_of(5, 1);
  struct sluice_handle indexed = world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(sluice_step(world.engine, indexed, SLUICE_OUTCOME_EXHAUSTED, &world.decision), SLUICE_ESTATE);
  world_check(&world);
  world_fini(&world);
}

void test_job_an_async_source_is_pulled_by_one_lane_at_a_time(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 3);
  policy.source = SLUICE_SOURCE_ASYNC;
  struct sluice_handle job = world_open(&world, &policy);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PULL);
  struct sluice_handle first = world.decision.lane;
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  world_step(&world, first, SLUICE_OUTCOME_PULLED);
  EXPECT_START(&world, 0, 1);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PULL);
  struct sluice_handle second = world.decision.lane;
  /* The first lane is free while the second pulls: one of them is enough to wait for the source. */
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  world_step(&world, second, SLUICE_OUTCOME_PULLED);
  EXPECT_START(&world, 1, 1);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.started, 2);
  EXPECT_EQ(world.decision.counts.done, 2);
  world_fini(&world);
}

void test_job_an_exhausted_async_source_lets_what_runs_end(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 2);
  policy.source = SLUICE_SOURCE_ASYNC;
  struct sluice_handle job = world_open(&world, &policy);
  world_join(&world, job);
  struct sluice_handle first = world.decision.lane;
  world_step(&world, first, SLUICE_OUTCOME_PULLED);
  world_join(&world, job);
  struct sluice_handle second = world.decision.lane;
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_fini(&world);
}

void test_job_an_async_source_of_known_length_is_not_pulled_beyond_it(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 2);
  policy.source = SLUICE_SOURCE_ASYNC;
  struct sluice_handle job = world_open(&world, &policy);
  world_join(&world, job);
  struct sluice_handle lane = world.decision.lane;
  world_step(&world, lane, SLUICE_OUTCOME_PULLED);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_fini(&world);
}

void test_job_refuses_an_outcome_that_does_not_fit(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 1);
  policy.source = SLUICE_SOURCE_ASYNC;
  world_join(&world, world_open(&world, &policy));
  struct sluice_handle pulling = world.decision.lane;
  EXPECT_EQ(sluice_step(world.engine, pulling, SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTATE);
  EXPECT_EQ(sluice_step(world.engine, pulling, SLUICE_OUTCOME_REJECTED, &world.decision), SLUICE_ESTATE);
  world_step(&world, pulling, SLUICE_OUTCOME_PULLED);
  EXPECT_EQ(sluice_step(world.engine, pulling, SLUICE_OUTCOME_PULLED, &world.decision), SLUICE_ESTATE);
  EXPECT_EQ(sluice_step(world.engine, pulling, SLUICE_OUTCOME_EXHAUSTED, &world.decision), SLUICE_ESTATE);
  EXPECT_EQ(sluice_step(world.engine, pulling, (enum sluice_outcome)0, &world.decision), SLUICE_EINVAL);
  EXPECT_EQ(sluice_step(world.engine, pulling, (enum sluice_outcome)10, &world.decision), SLUICE_EINVAL);
  policy = policy_of(1, 1);
  policy.retries = 1;
  struct sluice_handle parked = world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(world_step(&world, parked, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  for (int outcome = SLUICE_OUTCOME_FULFILLED; outcome <= SLUICE_OUTCOME_RETRY; outcome++)
    EXPECT_EQ(sluice_step(world.engine, parked, (enum sluice_outcome)outcome, &world.decision), SLUICE_ESTATE);
  world_check(&world);
  world_fini(&world);
}

static int open_error(struct world *world, struct sluice_policy policy) {
  int error = sluice_open(world->engine, &policy, &world->decision);
  world_check(world);
  return error;
}

void test_job_refuses_a_policy_that_makes_no_sense(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 0);
  EXPECT_EQ(open_error(&world, policy), SLUICE_EINVAL);
  policy = policy_of(SLUICE_ITEM_MAX + 1, 1);
  EXPECT_EQ(open_error(&world, policy), SLUICE_EINVAL);
  policy = policy_of(SLUICE_ITEM_MAX, 1);
  EXPECT_EQ(open_error(&world, policy), SLUICE_OK);
  policy = policy_of(SLUICE_UNKNOWN, 1);
  policy.source = SLUICE_SOURCE_INDEXED;
  EXPECT_EQ(open_error(&world, policy), SLUICE_EINVAL);
  policy = policy_of(1, 1);
  policy.source = (enum sluice_source)3;
  EXPECT_EQ(open_error(&world, policy), SLUICE_EINVAL);
  policy = policy_of(1, 1);
  policy.flags = 64;
  EXPECT_EQ(open_error(&world, policy), SLUICE_EINVAL);
  policy = policy_of(1, 1);
  policy.backoff.factor = 0.5;
  EXPECT_EQ(open_error(&world, policy), SLUICE_EINVAL);
  policy = policy_of(1, 1);
  policy.rate = (struct sluice_rate){.max = 1, .per = 0};
  EXPECT_EQ(open_error(&world, policy), SLUICE_EINVAL);
  policy = policy_of(0, 0); /* checked before anything is done about it */
  EXPECT_EQ(open_error(&world, policy), SLUICE_EINVAL);
  struct sluice_usage usage;
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.jobs, 1);
  world_fini(&world);
}

void test_job_its_memory_is_measured(void) {
  struct world world;
  world_init(&world);
  struct sluice_usage usage;
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.jobs + usage.lanes, 0);
  EXPECT_EQ(usage.memory, world.memory.in_use);
  EXPECT_EQ(usage.lane_size, 64);
  EXPECT(usage.job_size > 64 && usage.job_size <= 960);
  struct sluice_policy policy = policy_of(3, 2);
  struct sluice_handle job = world_open(&world, &policy);
  world_start(&world, job, 0);
  world_start(&world, job, 1);
  world_guard(&world, SECOND, 0);
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.jobs, 1);
  EXPECT_EQ(usage.lanes, 3);
  EXPECT_EQ(usage.memory, world.memory.in_use);
  world_fini(&world);
}

void test_job_many_jobs_know_nothing_of_each_other(void) {
  enum { JOBS = 50, ITEMS = 20 };
  struct world world;
  world_init(&world);
  struct sluice_handle jobs[JOBS], lanes[JOBS];
  struct sluice_policy policy = policy_of(ITEMS, 1);
  for (int i = 0; i < JOBS; i++) {
    jobs[i] = world_open(&world, &policy);
    lanes[i] = world_start(&world, jobs[i], 0);
  }
  for (uint64_t item = 1; item < ITEMS; item++) {
    for (int i = 0; i < JOBS; i++) {
      if (i % 3 == 0 && item > 5) continue;
      world_step(&world, lanes[i], SLUICE_OUTCOME_FULFILLED);
      EXPECT_START(&world, item, 1);
    }
  }
  for (int i = 0; i < JOBS; i++) EXPECT_EQ(world_count(&world, jobs[i]).started, i % 3 == 0 ? 6 : ITEMS);
  world_fini(&world);
}
