/* The window: results that nobody has read yet keep further items from being taken. */
#include "tests.h"
#include "world.h"

static struct sluice_policy windowed_policy(uint64_t items, uint32_t limit, uint64_t window) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.window = window;
  return policy;
}

/* The lane finds the window full. */
static void expect_wait(struct world *world, struct sluice_handle lane) {
  EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world->decision.attempt, 0);
}

static void expect_handed_lane(struct world *world, struct sluice_handle lane, uint64_t item) {
  EXPECT_HANDED(world, SLUICE_EVENT_RESUMED, lane);
  EXPECT_START(world, item, 1);
}

void test_window_no_more_are_taken_than_fit(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(9, 5, 3);
  struct sluice_handle job = world_open(&world, &policy), lanes[3];
  for (uint64_t i = 0; i < 3; i++) lanes[i] = world_start(&world, job, i);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  for (int i = 0; i < 3; i++) expect_wait(&world, lanes[i]);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_count(&world, job).done, 3);
  world_end_turn(&world);
  EXPECT(!sluice_is_ready(world.engine));
  EXPECT(!sluice_is_referenced(world.engine)); /* it is for the reader to go on */
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER);
  world_fini(&world);
}

void test_window_lanes_go_on_as_many_as_were_read_and_in_order(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(9, 3, 3);
  struct sluice_handle job = world_open(&world, &policy), lanes[3];
  for (uint64_t i = 0; i < 3; i++) lanes[i] = world_start(&world, job, i);
  static const int order[] = {2, 0, 1};
  for (int i = 0; i < 3; i++) expect_wait(&world, lanes[order[i]]);
  world_read(&world, job, 0);
  EXPECT_NOTHING_HANDED(&world);
  world_read(&world, job, 1);
  EXPECT(sluice_is_referenced(world.engine)); /* what was handed is told */
  expect_handed_lane(&world, lanes[2], 3);
  EXPECT_NOTHING_HANDED(&world);
  world_read(&world, job, 2);
  expect_handed_lane(&world, lanes[0], 4); /* it may take all that there is room for: the others wait for that */
  EXPECT_NOTHING_HANDED(&world);
  world_end_turn(&world);
  EXPECT(sluice_is_ready(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_SAME(world.decision.lane, lanes[1]);
  EXPECT_START(&world, 5, 1);
  EXPECT_NOTHING_HANDED(&world);
  world_fini(&world);
}

/* A fast lane takes all there is room for, and nobody is woken for nothing. */
void test_window_a_fast_lane_leaves_nothing_to_the_others(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(9, 3, 3);
  struct sluice_handle job = world_open(&world, &policy), lanes[3];
  for (uint64_t i = 0; i < 3; i++) lanes[i] = world_start(&world, job, i);
  for (int i = 0; i < 3; i++) expect_wait(&world, lanes[i]);
  world_read(&world, job, 3);
  expect_handed_lane(&world, lanes[0], 3);
  for (uint64_t item = 4; item < 6; item++) {
    world_step(&world, lanes[0], SLUICE_OUTCOME_FULFILLED);
    EXPECT_START(&world, item, 1);
  }
  expect_wait(&world, lanes[0]);
  world_end_turn(&world);
  EXPECT_NOTHING_HANDED(&world);
  world_read(&world, job, 1);
  world_read(&world, job, 1); /* each lets one go on, at once */
  expect_handed_lane(&world, lanes[1], 6);
  world_fini(&world);
}

/* More than was taken was not read, whatever the caller says. */
void test_window_reading_what_was_not_taken_is_nothing(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(9, 9, 2);
  struct sluice_handle job = world_open(&world, &policy);
  world_read(&world, job, UINT64_MAX);
  world_start(&world, job, 0);
  world_start(&world, job, 1);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  world_read(&world, job, UINT64_MAX);
  world_start(&world, job, 2);
  world_start(&world, job, 3);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(sluice_read(world.engine, (struct sluice_handle){job.slot, job.generation + 2}, 1), SLUICE_ESTALE);
  world_fini(&world);
}

void test_window_reading_without_one_does_no_harm(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_read(&world, job, 5);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1);
  world_fini(&world);
}

/* Join, where one lane pulls at a time: one may wait for room, and is enough. (Else one that has rested would stay away
 * although there is room, for as long as the others are busy.) */
void test_window_a_first_lane_may_wait_for_room(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(SLUICE_UNKNOWN, 4, 2);
  policy.source = SLUICE_SOURCE_ASYNC;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_pull(&world, job);
  struct sluice_handle second = world_pull(&world, job);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PARK);
  struct sluice_handle third = world.decision.lane;
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST); /* one waits for all */
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  world_read(&world, job, 2);
  EXPECT_HANDED(&world, SLUICE_EVENT_RESUMED, third);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PULL);
  EXPECT_EQ(world.decision.item, 2);
  EXPECT_NOTHING_HANDED(&world);
  world_step(&world, third, SLUICE_OUTCOME_PULLED);
  EXPECT_START(&world, 2, 1);
  world_pull(&world, job);
  EXPECT_START(&world, 3, 1);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PARK);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  world_fini(&world);
}

/* A granted run ends where the window does. */
void test_window_granted_runs_end_with_it(void) {
  struct world world;
  world_init(&world);
  world_share_grants(&world);
  for (int i = 0; i < 10; i++) world_observe(&world, world.now);
  struct sluice_policy policy = windowed_policy(1000, 1, 5);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1);
  EXPECT_EQ(world.decision.granted, 5);
  int32_t *next = &world.grants.next_item[job.slot], *item = &world.grants.item[lane.slot];
  EXPECT_EQ(*next, 2);
  while (*next < 5) *item = (*next)++;
  expect_wait(&world, lane);
  EXPECT_EQ(world_count(&world, job).done, 5);
  world_read(&world, job, 3);
  expect_handed_lane(&world, lane, 5);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 6, 1);
  EXPECT_EQ(world.decision.granted, 8);
  world_read(&world, job, 2); /* read in the middle of a run, that no call has told of */
  *item = (*next)++;
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 8, 1);
  EXPECT_EQ(world.decision.granted, 10);
  policy.window = UINT64_MAX; /* as good as none */
  job = world_open(&world, &policy);
  lane = world_start(&world, job, 0);
  world_read(&world, job, 1);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1);
  EXPECT(world.decision.granted > 10);
  world_fini(&world);
}

/* Where the window is full and the loop is owed a turn, the turn comes first. */
void test_window_a_lane_that_gave_way_may_find_no_room(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(9, 2, 2);
  policy.yield_after = 10 * MS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0), second = world_start(&world, job, 1);
  world_read(&world, job, 1);
  world_observe(&world, world.now);
  world_observe(&world, world.now + 10 * MS);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK); /* it gives way */
  world_pass(&world, 10 * MS);
  world_begin_turn(&world);
  world_step(&world, second, SLUICE_OUTCOME_FULFILLED); /* and another was faster */
  EXPECT_START(&world, 2, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_read(&world, job, 1);
  expect_handed_lane(&world, first, 3);
  world_fini(&world);
}

void test_window_a_lane_that_was_handed_room_may_find_it_taken(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(9, 2, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0), second = world_start(&world, job, 1);
  expect_wait(&world, first);
  world_read(&world, job, 1);
  world_step(&world, second, SLUICE_OUTCOME_FULFILLED); /* it was not told yet */
  EXPECT_START(&world, 2, 1);
  EXPECT_NOTHING_HANDED(&world);
  world_read(&world, job, 1);
  expect_handed_lane(&world, first, 3);
  world_fini(&world);
}

/* Nobody waits for a reader when there is nothing left to read. */
void test_window_the_end_of_the_source_wakes_all_who_wait(void) {
  struct world world;
  world_init(&world);
  for (int is_known = 0; is_known < 2; is_known++) {
    struct sluice_policy policy = windowed_policy(is_known ? 4 : SLUICE_UNKNOWN, 3, 1);
    struct sluice_handle job = world_open(&world, &policy), lanes[3];
    for (uint64_t i = 0; i < 3; i++) { /* read before they are done */
      lanes[i] = world_start(&world, job, i);
      if (i < 2) world_read(&world, job, 1);
    }
    for (int i = 0; i < 3; i++) expect_wait(&world, lanes[i]);
    world_read(&world, job, 1);
    expect_handed_lane(&world, lanes[0], 3);
    if (is_known) {
      EXPECT_EQ(world_step(&world, lanes[0], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
      world_read(&world, job, 1);
    } else {
      EXPECT_EQ(world_step(&world, lanes[0], SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_REST);
    }
    EXPECT_HANDED(&world, SLUICE_EVENT_RESUMED, lanes[1]);
    EXPECT_EQ(world.decision.action, SLUICE_ACTION_REST);
    world_end_turn(&world);
    EXPECT_HANDED(&world, SLUICE_EVENT_RESUMED, lanes[2]);
    EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  }
  world_fini(&world);
}

/* The item that never was may have been read. */
void test_window_an_item_that_never_was_is_not_read(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(SLUICE_UNKNOWN, 2, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  world_read(&world, job, 1);
  struct sluice_handle second = world_start(&world, job, 1);
  world_read(&world, job, 1);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.started, 1);
  world_fini(&world);
}

void test_window_jobs_may_end_while_lanes_wait(void) {
  struct world world;
  world_init(&world);
  for (int ending = 0; ending < 4; ending++) {
    struct sluice_policy policy = windowed_policy(9, 3, 3);
    if (ending == 1) policy.total_timeout = SECOND;
    if (ending == 3) policy.flags = SLUICE_FLAG_DRAIN;
    struct sluice_handle job = world_open(&world, &policy), lanes[3];
    for (uint64_t i = 0; i < 3; i++) lanes[i] = world_start(&world, job, i);
    for (int i = 0; i < 2; i++) expect_wait(&world, lanes[i]);
    world_end_turn(&world);
    if (ending != 1) world_read(&world, job, 1); /* one was handed room */
    switch (ending) {
      case 0:
        EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
        break;
      case 1:
        world_pass(&world, SECOND);
        EXPECT_EQ(world_next(&world), SLUICE_EVENT_TOTAL);
        break;
      case 2:
        EXPECT_EQ(world_step(&world, lanes[2], SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_DONE);
        break;
      default:
        EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_DRAIN);
        world_read(&world, job, 1);
        EXPECT_EQ(world_step(&world, lanes[2], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
    }
    EXPECT_NOTHING_HANDED(&world);
    EXPECT(!sluice_has_deadlines(world.engine));
    EXPECT_EQ(sluice_read(world.engine, job, 1), SLUICE_ESTALE);
  }
  world_fini(&world);
}

/* Items that failed, and retries, take no more room than others. */
void test_window_counts_items_not_attempts(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(9, 1, 1);
  policy.retries = 1;
  policy.backoff.delay = 0;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  EXPECT_START(&world, 0, 2);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world.decision.attempt, 0);
  world_read(&world, job, 1);
  expect_handed_lane(&world, lane, 1);
  world_fini(&world);
}

/* A lane that waits for room holds no permit, and sees to the next item for all. */
void test_window_who_waits_for_room_holds_no_permit(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = windowed_policy(9, 2, 2);
  policy.semaphore = world_semaphore(&world, 2, 0);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0), second = world_start(&world, job, 1);
  expect_wait(&world, first);
  EXPECT_EQ(world_semaphore_level(&world, policy.semaphore).available, 1);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_semaphore_level(&world, policy.semaphore).available, 2);
  EXPECT_EQ(world_acquire(&world, policy.semaphore, 2, 0), SLUICE_EVENT_GRANTED);
  world_read(&world, job, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_RESUMED, first);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PULL);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  world_give(&world, policy.semaphore, 1);
  expect_handed_lane(&world, first, 2);
  world_fini(&world);
}
