/* The loop keeps turning: lanes that have run too long in one turn give way to it. */
#include "tests.h"
#include "world.h"

static struct sluice_policy yielding_policy(uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.yield_after = 10 * MS;
  return policy;
}

/* Lanes have run for this long in this turn. */
static void run_for(struct world *world, uint64_t duration) {
  world_observe(world, world->now);
  world_observe(world, world->now + duration);
}

void test_yield_a_lane_that_would_start_gives_way(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(3, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  run_for(&world, 10 * MS - 1);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1);
  world_observe(&world, world.now + 10 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world.decision.attempt, 0);
  EXPECT(sluice_wants_turn(world.engine));
  EXPECT(sluice_is_referenced(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_end_turn(&world);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_begin_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 2, 1);
  EXPECT_SAME(world.decision.lane, lane);
  world_fini(&world);
}

/* Items are taken in the order in which they start: a parked lane has none. */
void test_yield_a_parked_lane_has_taken_no_item(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(6, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  struct sluice_handle second = world_start(&world, job, 1);
  run_for(&world, 20 * MS);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world_count(&world, job).started, 2);
  world_end_turn(&world); /* time in this turn counts from anew */
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 2, 1);
  world_begin_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 3, 1);
  world_fini(&world);
}

void test_yield_what_runs_when_the_source_ends_may_rest(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(SLUICE_UNKNOWN, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  struct sluice_handle second = world_start(&world, job, 1);
  run_for(&world, 20 * MS);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  world_end_turn(&world);
  world_step(&world, second, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 2, 1);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_REST);
  world_begin_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.done, 2);
  world_fini(&world);
}

void test_yield_the_first_items_start_in_the_call_whatever_the_time(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(9, 3);
  struct sluice_handle job = world_open(&world, &policy);
  run_for(&world, SECOND);
  for (uint64_t item = 0; item < 2; item++) world_start(&world, job, item);
  struct sluice_handle lane = world_start(&world, job, 2);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  world_fini(&world);
}

void test_yield_an_async_source_is_pulled_after_the_turn(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(SLUICE_UNKNOWN, 2);
  policy.source = SLUICE_SOURCE_ASYNC;
  struct sluice_handle job = world_open(&world, &policy);
  run_for(&world, SECOND);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PARK);
  struct sluice_handle lane = world.decision.lane;
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST); /* one lane waits for the source already */
  world_end_turn(&world);
  world_begin_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PULL);
  EXPECT_SAME(world.decision.lane, lane);
  world_step(&world, lane, SLUICE_OUTCOME_PULLED);
  EXPECT_START(&world, 0, 1);
  world_fini(&world);
}

void test_yield_a_retry_without_delay_gives_way_too(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(1, 1);
  policy.retries = SLUICE_UNLIMITED;
  policy.backoff.delay = 0;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  run_for(&world, 10 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world.decision.attempt, 2);
  world_end_turn(&world);
  world_begin_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 0, 2);
  world_fini(&world);
}

void test_yield_after_never_does_not(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  run_for(&world, 3600 * SECOND);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_START);
  world_fini(&world);
}

void test_yield_resumes_in_the_order_of_parking(void) {
  enum { LANES = 20 };
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(1000, LANES);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[LANES];
  for (uint64_t item = 0; item < LANES; item++) lanes[item] = world_start(&world, job, item);
  run_for(&world, 20 * MS);
  for (int i = LANES; i-- > 0;) EXPECT_EQ(world_step(&world, lanes[i], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  /* Slow steps: one lane a turn, so that the others' items do not come on top of its time. */
  for (int i = LANES; i-- > 0;) {
    world_end_turn(&world);
    world_begin_turn(&world);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
    EXPECT_SAME(world.decision.lane, lanes[i]);
    EXPECT_START(&world, (uint64_t)(2 * LANES - 1 - i), 1);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  }
  world_fini(&world);
}

/* At a fast pace as many go on in one turn as run before the clock is read again. */
void test_yield_fast_lanes_resume_together(void) {
  enum { LANES = 40, STRIDE = 32 };
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(1000, LANES);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[LANES];
  for (uint64_t item = 0; item < LANES; item++) lanes[item] = world_start(&world, job, item);
  for (int i = 0; i < 2000; i++) world_observe(&world, world.now + (uint64_t)i * MS / 100);
  for (int i = 0; i < LANES; i++) EXPECT_EQ(world_step(&world, lanes[i], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  for (int resumed = 0, turn = 0; turn < 2; turn++) {
    world_end_turn(&world);
    world_begin_turn(&world);
    for (; world_next(&world) == SLUICE_EVENT_RESUMED; resumed++) EXPECT_SAME(world.decision.lane, lanes[resumed]);
    EXPECT_EQ(resumed, turn == 0 ? STRIDE : LANES);
  }
  world_fini(&world);
}

/* It is a pause of our own, not a wait: else the process would end in the middle of the work. */
void test_yield_keeps_the_loop_alive_for_an_unreferenced_job_too(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(3, 1);
  policy.timeout = SECOND;
  policy.flags = SLUICE_FLAG_UNREF;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  EXPECT(!sluice_is_referenced(world.engine));
  run_for(&world, 10 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  EXPECT(sluice_is_referenced(world.engine));
  world_end_turn(&world);
  world_begin_turn(&world);
  EXPECT(sluice_is_referenced(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 1, 1);
  EXPECT(!sluice_is_referenced(world.engine)); /* its timeout is as unreferenced as before */
  EXPECT(sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_yield_an_abort_wakes_nobody(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(2, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  run_for(&world, 10 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  world_abort(&world, job);
  EXPECT(!sluice_wants_turn(world.engine));
  world_begin_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

/* Time is counted per turn, from the first look at the clock in it. */
void test_yield_time_between_turns_does_not_count(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(9, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  for (int turn = 0; turn < 5; turn++) {
    world_observe(&world, world.now);
    world_observe(&world, world.now + 9 * MS);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_START);
    world_pass(&world, SECOND);
  }
  world_fini(&world);
}

/* What other callbacks ran in the poll before is not the lanes': they go on with a turn of their own. */
void test_yield_resumed_lanes_have_a_turn_of_their_own(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = yielding_policy(9, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  run_for(&world, 10 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  world_end_turn(&world);
  run_for(&world, 10 * MS);
  world_begin_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_START);
  world_fini(&world);
}

/* Fast steps need the clock rarely, slow ones each time. */
void test_yield_the_stride_follows_the_pace(void) {
  struct world world;
  world_init(&world);
  uint64_t now = world.now;
  EXPECT_EQ(world_observe(&world, now), 1);
  uint32_t stride = 1;
  for (int i = 0; i < 10; i++) {
    uint32_t next = world_observe(&world, now += MS / 100);
    EXPECT(next >= stride && next <= 2 * stride);
    stride = next;
  }
  EXPECT_EQ(stride, 32);
  EXPECT_EQ(world_observe(&world, now += MS / 10), 32); /* neither fast nor slow */
  EXPECT_EQ(world_observe(&world, now += MS), 16);
  EXPECT_EQ(world_observe(&world, now += 3 * MS), 1);
  EXPECT_EQ(world_observe(&world, now += MS), 1);
  world_end_turn(&world);
  world_observe(&world, now += MS / 100);
  EXPECT_EQ(world_observe(&world, now += MS / 100), 2); /* the pace is kept from turn to turn */
  world_fini(&world);
}
