/* A job that failed waits for what it has running. */
#include "tests.h"
#include "world.h"

static struct sluice_policy draining_policy(uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.flags = SLUICE_FLAG_DRAIN;
  return policy;
}

void test_drain_ends_with_the_last_attempt(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = draining_policy(9, 4);
  policy.flags |= SLUICE_FLAG_PROGRESS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[4];
  for (uint64_t item = 0; item < 4; item++) lanes[item] = world_start(&world, job, item);
  EXPECT_EQ(world_step(&world, lanes[1], SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_DRAIN);
  EXPECT_EQ(world.decision.counts.failed, 1);
  EXPECT_EQ(sluice_step(world.engine, lanes[1], SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, lanes[0], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, lanes[3], SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, lanes[2], SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_DONE);
  EXPECT(world.decision.counts.started == 4 && world.decision.counts.done == 2 && world.decision.counts.failed == 2);
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT_EQ(sluice_count(world.engine, job, &world.decision), SLUICE_ESTALE);
  world_fini(&world);
}

void test_drain_of_nothing_is_a_failure(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = draining_policy(2, 1);
  EXPECT_EQ(world_step(&world, world_start(&world, world_open(&world, &policy), 0), SLUICE_OUTCOME_REJECTED),
            SLUICE_ACTION_FAIL);
  policy.retries = 1;
  struct sluice_handle job = world_open(&world, &policy);
  EXPECT_EQ(world_step(&world, world_start(&world, job, 0), SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL); /* a backoff is not waited for */
  EXPECT_EQ(world_abort(&world, world_open(&world, &policy)), SLUICE_ACTION_FAIL);
  world_fini(&world);
}

/* Lanes that pull, wait, back off or are under review have nothing to wait for. */
void test_drain_leaves_only_what_runs(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = draining_policy(SLUICE_UNKNOWN, 9);
  policy.source = SLUICE_SOURCE_ASYNC;
  policy.retries = 9;
  policy.flags |= SLUICE_FLAG_REVIEW;
  policy.rate = (struct sluice_rate){.max = 1, .per = 3600 * SECOND, .burst = 3};
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle running = world_pull(&world, job);
  struct sluice_handle lanes[4] = {world_pull(&world, job), world_pull(&world, job)};
  EXPECT_EQ(world_step(&world, lanes[0], SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world_step(&world, lanes[1], SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world_step(&world, lanes[1], SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  lanes[2] = world_pull(&world, job);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PARK);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PULL);
  lanes[3] = world.decision.lane;
  world_end_turn(&world);
  EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_DRAIN);
  for (int i = 0; i < 4; i++)
    for (int outcome = SLUICE_OUTCOME_FULFILLED; outcome <= SLUICE_OUTCOME_WISH; outcome++)
      EXPECT_EQ(sluice_step(world.engine, lanes[i], (enum sluice_outcome)outcome, &world.decision), SLUICE_ESTALE);
  EXPECT(!sluice_is_referenced(world.engine));
  world_pass(&world, 7200 * SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  struct sluice_usage usage;
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.lanes, 1);
  EXPECT_EQ(world_step(&world, running, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_fini(&world);
}

/* Attempts remain bounded, and who times out there is not waited for. */
void test_drain_attempts_still_time_out(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = draining_policy(9, 3);
  policy.timeout = 100 * MS;
  policy.item_timeout = 150 * MS;
  policy.retries = 9;
  struct sluice_handle job = world_open(&world, &policy);
  world_start(&world, job, 0);
  world_pass(&world, 60 * MS);
  world_start(&world, job, 1);
  struct sluice_handle failing = world_start(&world, job, 2);
  world_end_turn(&world);
  EXPECT_EQ(world_step(&world, failing, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_DRAIN);
  EXPECT(sluice_is_referenced(world.engine));
  world_pass(&world, 40 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_REST); /* no retry */
  EXPECT_EQ(world.decision.elapsed, 100 * MS);
  world_late(&world, job);
  world_pass(&world, 60 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  EXPECT(world.decision.counts.timed_out == 2 && world.decision.counts.abandoned == 1);
  EXPECT_EQ(world.decision.counts.failed, 3);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

/* The job has failed: neither its own time nor its items' can fail it again. */
void test_drain_no_other_time_is_kept(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = draining_policy(9, 2);
  policy.total_timeout = 200 * MS;
  policy.item_timeout = 100 * MS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle running = world_start(&world, job, 0);
  struct sluice_handle failing = world_start(&world, job, 1);
  world_end_turn(&world);
  EXPECT_EQ(world_step(&world, failing, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_DRAIN);
  EXPECT(!sluice_has_deadlines(world.engine));
  EXPECT_EQ(world_remaining(&world, running), SLUICE_NEVER);
  world_pass(&world, SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(world_step(&world, running, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_fini(&world);
}

void test_drain_begins_with_the_total_timeout_and_the_items(void) {
  struct world world;
  world_init(&world);
  for (int is_total = 0; is_total < 2; is_total++) {
    struct sluice_policy policy = draining_policy(9, 2);
    if (is_total) policy.total_timeout = 100 * MS;
    else policy.item_timeout = 100 * MS;
    struct sluice_handle job = world_open(&world, &policy);
    world_start(&world, job, 0);
    struct sluice_handle last = world_start(&world, job, 1);
    world_pass(&world, 100 * MS);
    EXPECT_EQ(world_next(&world), is_total ? SLUICE_EVENT_TOTAL : SLUICE_EVENT_ITEM);
    EXPECT_EQ(world.decision.action, SLUICE_ACTION_DRAIN);
    EXPECT_EQ(world.decision.counts.failed, !is_total);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE); /* the other item was due as well */
    EXPECT_EQ(world_step(&world, last, SLUICE_OUTCOME_FULFILLED), is_total ? SLUICE_ACTION_REST : SLUICE_ACTION_DONE);
    if (is_total) EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
  }
  world_fini(&world);
}

void test_drain_is_ended_by_an_abort(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = draining_policy(9, 2);
  policy.timeout = SECOND;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_DRAIN);
  EXPECT_EQ(world.decision.counts.started, 1);
  EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_abort(world.engine, job, &world.decision), SLUICE_ESTALE);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_drain_takes_back_what_was_granted(void) {
  struct world world;
  world_init(&world);
  world_share_grants(&world);
  for (int i = 0; i < 10; i++) world_observe(&world, world.now);
  struct sluice_policy policy = draining_policy(1000, 2);
  policy.timeout = 100 * MS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  world_start(&world, job, 1);
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT(world.decision.granted != 0);
  world.grants.item[first.slot] = world.grants.next_item[job.slot]++; /* item 3 */
  EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_DRAIN);
  EXPECT(world.decision.counts.started == 4 && world.decision.counts.done == 2);
  EXPECT_EQ(world.grants.next_item[job.slot], SLUICE_GRANT_NONE);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  world_fini(&world);
}

/* With COLLECT an item's failure is not the job's. */
void test_drain_is_not_for_items_that_are_collected(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = draining_policy(3, 2);
  policy.flags |= SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_start(&world, job, 1);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  EXPECT_START(&world, 2, 1);
  world_fini(&world);
}
