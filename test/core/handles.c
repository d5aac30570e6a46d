/* Handles that name nothing: an error from each call, and nothing has happened. */
#include "tests.h"
#include "world.h"

static void expect_refused(struct world *world, struct sluice_handle handle) {
  struct sluice_usage before, after;
  sluice_measure(world->engine, &before);
  struct sluice_decision decision;
  for (int outcome = 0; outcome <= SLUICE_OUTCOME_WISH + 1; outcome++) {
    EXPECT_EQ(sluice_step(world->engine, handle, (enum sluice_outcome)outcome, &decision), SLUICE_ESTALE);
    EXPECT_EQ(sluice_plan(world->engine, handle, (enum sluice_outcome)outcome, 0, &decision), SLUICE_ESTALE);
  }
  EXPECT_EQ(sluice_remaining(world->engine, handle, world->now, &decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_release(world->engine, handle), SLUICE_ESTALE);
  EXPECT_EQ(sluice_join(world->engine, handle, &decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_abort(world->engine, handle, &decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_late(world->engine, handle), SLUICE_ESTALE);
  EXPECT_EQ(sluice_count(world->engine, handle, &decision), SLUICE_ESTALE);
  sluice_measure(world->engine, &after);
  EXPECT_EQ(after.jobs, before.jobs);
  EXPECT_EQ(after.lanes, before.lanes);
  EXPECT_EQ(after.memory, before.memory);
  world_check(world);
}

void test_handles_forged_ones_are_refused(void) {
  static const uint32_t numbers[] = {0, 1, 2, 3, 4, 5, 255, 256, 257, 1 << 20, INT32_MAX, UINT32_MAX - 1, UINT32_MAX};
  enum { NUMBERS = sizeof numbers / sizeof *numbers };
  struct world world;
  world_init(&world);
  for (int is_busy = 0; is_busy < 2; is_busy++) {
    if (is_busy) {
      struct sluice_policy policy = policy_of(10, 2);
      struct sluice_handle job = world_open(&world, &policy);
      world_start(&world, job, 0);
      world_start(&world, job, 1);
      world_guard(&world, SECOND, 0);
    }
    for (int i = 0; i < NUMBERS; i++) {
      for (int k = 0; k < NUMBERS; k++) {
        struct sluice_handle handle = {numbers[i], numbers[k]};
        if (is_busy && handle.generation == 1 && handle.slot <= 2) continue; /* these are open */
        expect_refused(&world, handle);
      }
    }
  }
  world_fini(&world);
}

void test_handles_stale_ones_are_refused(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  expect_refused(&world, lane);
  expect_refused(&world, job);
  /* Their slots in other hands: both handles are slot 0, generation 1. */
  struct sluice_handle other_job = world_open(&world, &policy);
  struct sluice_handle other_lane = world_start(&world, other_job, 0);
  EXPECT_EQ(other_lane.slot, lane.slot);
  EXPECT_EQ(other_job.slot, job.slot);
  expect_refused(&world, lane);
  expect_refused(&world, job);
  world_fini(&world);
}

void test_handles_of_an_abandoned_lane_are_refused(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 1);
  policy.timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  struct sluice_handle fresh = world.decision.lane;
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
  EXPECT_EQ(world_step(&world, fresh, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_fini(&world);
}
