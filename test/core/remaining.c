/* How long an attempt has. */
#include "tests.h"
#include "world.h"

void test_remaining_is_up_to_the_first_of_the_timeouts(void) {
  struct world world;
  world_init(&world);
  static const uint64_t timeouts[][4] = {/* attempt, item, total: the first of them */
                                         {100, 200, 300, 100},
                                         {300, 100, 200, 100},
                                         {200, 300, 100, 100}};
  for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
    struct sluice_policy policy = policy_of(1, 1);
    policy.timeout = timeouts[i][0] * MS;
    policy.item_timeout = timeouts[i][1] * MS;
    policy.total_timeout = timeouts[i][2] * MS;
    struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
    world.now += 7 * MS;
    EXPECT_EQ(world_remaining(&world, lane), timeouts[i][3] * MS); /* it counts from the end of this turn */
    world_end_turn(&world);
    EXPECT_EQ(world_remaining(&world, lane), timeouts[i][3] * MS);
    world.now += 40 * MS;
    EXPECT_EQ(world_remaining(&world, lane), (timeouts[i][3] - 40) * MS);
    world.now += 60 * MS;
    EXPECT_EQ(world_remaining(&world, lane), 0);
    world.now += SECOND;
    EXPECT_EQ(world_remaining(&world, lane), 0); /* never below */
  }
  world_fini(&world);
}

void test_remaining_without_a_timeout_is_never(void) {
  struct world world;
  world_init(&world);
  for (int has_items = 0; has_items < 2; has_items++) {
    struct sluice_policy policy = policy_of(1, 1);
    if (has_items) policy.flags = SLUICE_FLAG_REVIEW; /* the item's time is kept, and has no end */
    struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
    EXPECT_EQ(world_remaining(&world, lane), SLUICE_NEVER);
    world_end_turn(&world);
    EXPECT_EQ(world_remaining(&world, lane), SLUICE_NEVER);
  }
  world_fini(&world);
}

/* A time that would end beyond 2^63 is let go. */
void test_remaining_of_a_timeout_that_was_let_go_is_never(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.timeout = policy.item_timeout = SLUICE_NEVER - 1;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(world_remaining(&world, lane), SLUICE_NEVER - 1);
  world_end_turn(&world);
  EXPECT_EQ(world_remaining(&world, lane), SLUICE_NEVER);
  world_fini(&world);
}

void test_remaining_is_for_attempts_only(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 1);
  policy.source = SLUICE_SOURCE_ASYNC;
  policy.retries = 1;
  policy.timeout = policy.item_timeout = SECOND;
  EXPECT_EQ(world_join(&world, world_open(&world, &policy)), SLUICE_ACTION_PULL);
  struct sluice_handle lane = world.decision.lane;
  struct sluice_decision decision;
  EXPECT_EQ(sluice_remaining(world.engine, lane, world.now, &decision), SLUICE_ESTATE);
  world_step(&world, lane, SLUICE_OUTCOME_PULLED);
  EXPECT_EQ(world_remaining(&world, lane), SECOND);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  EXPECT_EQ(sluice_remaining(world.engine, lane, world.now, &decision), SLUICE_ESTATE);
  world_pass(&world, 2 * SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  EXPECT_EQ(sluice_remaining(world.engine, lane, world.now, &decision), SLUICE_ESTALE);
  world_fini(&world);
}

/* No attempt runs there, but the item's time goes on, and the job's. */
void test_remaining_under_review_is_the_items(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 1;
  policy.flags = SLUICE_FLAG_REVIEW;
  policy.timeout = 10 * MS;
  policy.item_timeout = 200 * MS;
  policy.total_timeout = 150 * MS;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_pass(&world, 5 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world_remaining(&world, lane), 145 * MS);
  world_fini(&world);
}

void test_remaining_of_a_guard(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle lane = world_guard(&world, 100 * MS, 0);
  EXPECT_EQ(world_remaining(&world, lane), 100 * MS);
  world_end_turn(&world);
  world.now += 30 * MS;
  EXPECT_EQ(world_remaining(&world, lane), 70 * MS);
  world.now += 100 * MS;
  world_expire(&world, 25 * MS);
  EXPECT_EQ(world_remaining(&world, lane), 0); /* held */
  lane = world_guard(&world, SLUICE_NEVER, 0);
  EXPECT_EQ(world_remaining(&world, lane), SLUICE_NEVER);
  world_fini(&world);
}

/* A lane that took its item by itself has the whole time of that one. */
void test_remaining_of_a_granted_item(void) {
  struct world world;
  world_init(&world);
  world_share_grants(&world);
  struct sluice_policy policy = policy_of(1000, 2);
  policy.timeout = 100 * MS;
  policy.item_timeout = 90 * MS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  struct sluice_handle second = world_start(&world, job, 1);
  world_pass(&world, 60 * MS);
  for (int i = 0; i < 10; i++) world_observe(&world, world.now);
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EQ(world_remaining(&world, second), 30 * MS);
  world.grants.item[second.slot] = world.grants.next_item[job.slot]++;
  EXPECT_EQ(world_remaining(&world, second), 90 * MS);
  world_fini(&world);
}
