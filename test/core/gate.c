/* Starts that wait: for a token of the job's rate, or for abandoned attempts to end. The bucket itself is in bucket.c.
 */
#include "tests.h"
#include "world.h"

/* One start every 100 ms. */
static struct sluice_policy rated_policy(uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.rate = (struct sluice_rate){.max = 10, .per = SECOND, .burst = 1};
  return policy;
}

/* No start while an abandoned attempt runs; an attempt has 100 ms. */
static struct sluice_policy wary_policy(uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.max_abandoned = 0;
  policy.timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  return policy;
}

static void expect_resumed(struct world *world, struct sluice_handle lane, uint64_t item, uint32_t attempt) {
  EXPECT_EQ(world_next(world), SLUICE_EVENT_RESUMED);
  EXPECT_START(world, item, attempt);
  EXPECT_SAME(world->decision.lane, lane);
}

/* Pulls, and has to wait. */
static struct sluice_handle pull_and_wait(struct world *world, struct sluice_handle job, uint64_t item) {
  struct sluice_handle lane = world_pull(world, job);
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_PARK);
  EXPECT_EQ(world->decision.item, item);
  EXPECT_EQ(world->decision.attempt, 1);
  return lane;
}

static struct sluice_handle pull_and_start(struct world *world, struct sluice_handle job, uint64_t item) {
  struct sluice_handle lane = world_pull(world, job);
  EXPECT_START(world, item, 1);
  return lane;
}

void test_gate_lets_the_burst_pass_and_then_one_by_one(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = rated_policy(9, 5);
  policy.rate.burst = 2;
  struct sluice_handle job = world_open(&world, &policy);
  for (uint64_t item = 0; item < 2; item++) pull_and_start(&world, job, item);
  struct sluice_handle lanes[3];
  for (uint64_t i = 0; i < 3; i++) lanes[i] = pull_and_wait(&world, job, 2 + i);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST); /* who waits holds his lane */
  world_end_turn(&world);
  for (uint64_t i = 0; i < 3; i++) {
    world_pass(&world, 100 * MS - 1);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
    EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 1);
    world_pass(&world, 1);
    expect_resumed(&world, lanes[i], 2 + i, 1);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  }
  world_end_turn(&world);
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER); /* nobody waits, nobody wakes up */
  world_fini(&world);
}

/* After a pause there are tokens for several: all of them go on in the same turn. */
void test_gate_lets_as_many_pass_as_there_are_tokens(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = rated_policy(9, 6);
  policy.rate.burst = 3;
  struct sluice_handle job = world_open(&world, &policy);
  for (uint64_t item = 0; item < 3; item++) pull_and_start(&world, job, item);
  struct sluice_handle lanes[3];
  for (uint64_t i = 0; i < 3; i++) lanes[i] = pull_and_wait(&world, job, 3 + i);
  world_pass(&world, 200 * MS); /* one turn that is late */
  for (uint64_t i = 0; i < 2; i++) expect_resumed(&world, lanes[i], 3 + i, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, lanes[2], 5, 1);
  world_fini(&world);
}

void test_gate_knows_the_end_of_the_source_without_a_token(void) {
  struct world world;
  world_init(&world);
  for (int is_known = 0; is_known < 2; is_known++) {
    struct sluice_policy policy = rated_policy(is_known ? 1 : SLUICE_UNKNOWN, 2);
    struct sluice_handle job = world_open(&world, &policy);
    struct sluice_handle lane = pull_and_start(&world, job, 0);
    if (!is_known) {
      EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PULL);
      EXPECT_EQ(world_step(&world, world.decision.lane, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_REST);
    }
    EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
    EXPECT(!sluice_has_deadlines(world.engine));
  }
  world_fini(&world);
}

/* Retries take tokens as first attempts do, and wait in one line with them. */
void test_gate_is_first_come_first_served(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = rated_policy(9, 4);
  policy.retries = 1;
  policy.backoff.delay = 10 * MS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle retrying = pull_and_start(&world, job, 0);
  struct sluice_handle second = pull_and_wait(&world, job, 1);
  EXPECT_EQ(world_step(&world, retrying, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  world_pass(&world, 10 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE); /* it came to the gate: nobody is told */
  struct sluice_handle third = pull_and_wait(&world, job, 2);
  world_pass(&world, 90 * MS);
  expect_resumed(&world, second, 1, 1);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, retrying, 0, 2);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, third, 2, 1);
  world_fini(&world);
}

/* A token that is there at last is his who waits for it, not his who comes now. */
void test_gate_nobody_overtakes_who_waits(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = rated_policy(9, 4);
  struct sluice_handle job = world_open(&world, &policy);
  pull_and_start(&world, job, 0);
  struct sluice_handle first = pull_and_wait(&world, job, 1);
  world_end_turn(&world);
  world.now += 100 * MS;
  world_observe(&world, world.now);
  struct sluice_handle second = pull_and_wait(&world, job, 2);
  world_pass(&world, 0);
  expect_resumed(&world, first, 1, 1);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, second, 2, 1);
  world_fini(&world);
}

/* The clock is read in the middle of a turn, too: a token that has come by then is not waited for. */
void test_gate_goes_by_the_time_observed(void) {
  struct world world;
  world_init(&world);
  EXPECT(!sluice_wants_clock(world.engine));
  struct sluice_policy policy = rated_policy(2, 1);
  struct sluice_handle job = world_open(&world, &policy);
  EXPECT(sluice_wants_clock(world.engine));
  struct sluice_handle lane = pull_and_start(&world, job, 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
  world_observe(&world, world.now + 100 * MS);
  world_step(&world, lane, SLUICE_OUTCOME_PULLED);
  EXPECT_START(&world, 1, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT(!sluice_wants_clock(world.engine));
  world_fini(&world);
}

void test_gate_keeps_the_loop_alive_while_a_token_is_to_come(void) {
  struct world world;
  world_init(&world);
  for (int is_unreferenced = 0; is_unreferenced < 2; is_unreferenced++) {
    struct sluice_policy policy = rated_policy(2, 2);
    policy.flags = is_unreferenced ? SLUICE_FLAG_UNREF : 0;
    struct sluice_handle job = world_open(&world, &policy);
    pull_and_start(&world, job, 0);
    EXPECT(!sluice_is_referenced(world.engine));
    pull_and_wait(&world, job, 1);
    for (int i = 0; i < 2; i++) {
      EXPECT_EQ(sluice_is_referenced(world.engine), !is_unreferenced);
      world_end_turn(&world);
    }
    world_pass(&world, 100 * MS);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
    EXPECT(!sluice_is_referenced(world.engine));
    EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
  }
  world_fini(&world);
}

void test_gate_a_token_that_never_comes_is_not_waited_for(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = rated_policy(2, 2);
  policy.rate = (struct sluice_rate){.max = 1, .per = SLUICE_NEVER - 1};
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = pull_and_start(&world, job, 0);
  pull_and_wait(&world, job, 1);
  world_end_turn(&world);
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
  world_fini(&world);
}

/* Whoever leaves the line, the next one is served at his time. */
void test_gate_a_waiter_may_be_taken_out(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = rated_policy(9, 3);
  policy.item_timeout = 150 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle running = pull_and_start(&world, job, 0);
  struct sluice_handle first = pull_and_wait(&world, job, 1);
  struct sluice_handle second = pull_and_wait(&world, job, 2);
  EXPECT_EQ(world_step(&world, running, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, first, 1, 1);
  world_pass(&world, 50 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM); /* the running one */
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_REST);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  EXPECT_EQ(world.decision.lane.slot, second.slot);
  EXPECT_EQ(world.decision.elapsed, 150 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(world_count(&world, job).timed_out, 1); /* it never ran */
  EXPECT_EQ(world_count(&world, job).failed, 2);
  EXPECT(!sluice_is_referenced(world.engine));
  world_step(&world, running, SLUICE_OUTCOME_PULLED);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PARK);
  world_pass(&world, 50 * MS);
  expect_resumed(&world, running, 3, 1);
  world_fini(&world);
}

void test_gate_a_job_that_ends_wakes_nobody(void) {
  struct world world;
  world_init(&world);
  for (int is_total = 0; is_total < 2; is_total++) {
    struct sluice_policy policy = rated_policy(9, 3);
    if (is_total) policy.total_timeout = 50 * MS;
    struct sluice_handle job = world_open(&world, &policy);
    pull_and_start(&world, job, 0);
    pull_and_wait(&world, job, 1);
    pull_and_wait(&world, job, 2);
    world_pass(&world, 50 * MS);
    if (is_total) EXPECT_EQ(world_next(&world), SLUICE_EVENT_TOTAL);
    else world_abort(&world, job);
    EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
    EXPECT(!sluice_has_deadlines(world.engine));
    world_pass(&world, SECOND);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  }
  world_fini(&world);
}

/* A backoff holds no token: only the start takes one. */
void test_gate_a_retry_takes_its_token_when_it_starts(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = rated_policy(1, 1);
  policy.retries = 2;
  policy.backoff.delay = 0;
  struct sluice_handle lane = pull_and_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world.decision.attempt, 2);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, lane, 0, 2);
  world_observe(&world, world.now + 100 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_START);
  world_fini(&world);
}

void test_gate_abandoned_attempts_block_starts_until_they_end(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = wary_policy(9, 2);
  policy.max_abandoned = 1;
  struct sluice_handle job = world_open(&world, &policy);
  EXPECT(!sluice_wants_clock(world.engine));
  pull_and_start(&world, job, 0);
  pull_and_start(&world, job, 1);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PULL);
  struct sluice_handle lane = world.decision.lane;
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK); /* two are out, and one may be */
  world_pass(&world, 3600 * SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT(!sluice_is_referenced(world.engine)); /* they may never end */
  world_late(&world, job);
  EXPECT(sluice_is_referenced(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_end_turn(&world);
  EXPECT(sluice_is_ready(world.engine));
  expect_resumed(&world, lane, 2, 1);
  pull_and_start(&world, job, 3);
  world_fini(&world);
}

/* With both, he who waits needs both: a token does not open the gate, and the end of an abandoned one gives no token.
 */
void test_gate_needs_a_token_and_few_abandoned(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = wary_policy(9, 2);
  policy.rate = (struct sluice_rate){.max = 1, .per = SECOND, .burst = 1};
  struct sluice_handle job = world_open(&world, &policy);
  pull_and_start(&world, job, 0);
  struct sluice_handle lane = pull_and_wait(&world, job, 1);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PULL);
  struct sluice_handle other = world.decision.lane;
  world_pass(&world, 900 * MS); /* a token */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT(!sluice_is_referenced(world.engine));
  world_late(&world, job);
  world_end_turn(&world);
  expect_resumed(&world, lane, 1, 1);
  EXPECT_EQ(world_step(&world, other, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  world_late(&world, job);
  world_pass(&world, 900 * MS - 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1);
  expect_resumed(&world, other, 2, 1);
  world_fini(&world);
}

/* The token of a start that was blocked is not lost. */
void test_gate_who_is_blocked_takes_no_token(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = wary_policy(9, 1);
  policy.rate = (struct sluice_rate){.max = 1, .per = 3600 * SECOND, .burst = 2};
  struct sluice_handle job = world_open(&world, &policy);
  pull_and_start(&world, job, 0);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  struct sluice_handle lane = world.decision.lane;
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  world_pass(&world, SECOND);
  world_late(&world, job);
  world_pass(&world, 0);
  expect_resumed(&world, lane, 1, 1);
  world_fini(&world);
}
