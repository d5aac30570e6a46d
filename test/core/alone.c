/* Guards and sleeps: deadlines without a job. */
#include "tests.h"
#include "world.h"

void test_alone_a_sleep_ends_on_time(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle lane = world_sleep(&world, 100 * MS, 0);
  world_pass(&world, 100 * MS - 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_SLEPT);
  EXPECT_SAME(world.decision.lane, lane);
  EXPECT_EQ(world.decision.action, 0);
  EXPECT_EQ(sluice_release(world.engine, lane), SLUICE_ESTALE); /* it is gone */
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_alone_a_guard_expires_after_its_poll(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle lane = world_guard(&world, 100 * MS, 0);
  world_end_turn(&world);
  world.now += 103 * MS;
  world_expire(&world, 0);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_EXPIRED);
  EXPECT_SAME(world.decision.lane, lane);
  EXPECT_EQ(world.decision.elapsed, 103 * MS);
  EXPECT_EQ(sluice_release(world.engine, lane), SLUICE_ESTALE);
  world_fini(&world);
}

void test_alone_release_takes_it_back_from_wherever_it_is(void) {
  struct world world;
  world_init(&world);
  enum { NEWBORN, STAMPED, HELD, FINAL, READY, PLACES };
  for (int place = NEWBORN; place < PLACES; place++) {
    struct sluice_handle lane = world_guard(&world, 100 * MS, 0);
    if (place >= STAMPED) world_end_turn(&world);
    if (place >= HELD) {
      world.now += 100 * MS;
      world_expire(&world, place == HELD ? 5 * MS : 0);
    }
    if (place >= READY) world_judge(&world);
    EXPECT(sluice_has_deadlines(world.engine));
    world_release(&world, lane);
    EXPECT(!sluice_has_deadlines(world.engine));
    EXPECT(!sluice_is_referenced(world.engine));
    EXPECT_EQ(sluice_release(world.engine, lane), SLUICE_ESTALE);
    world_pass(&world, SECOND);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  }
  world_fini(&world);
}

void test_alone_a_sleep_of_0_ends_with_the_turn(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle first = world_sleep(&world, 0, 0);
  struct sluice_handle second = world_sleep(&world, 0, 0);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_end_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_SLEPT);
  EXPECT_SAME(world.decision.lane, first);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_SLEPT);
  EXPECT_SAME(world.decision.lane, second);
  world_fini(&world);
}

void test_alone_what_never_ends_can_be_released(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle lane = world_guard(&world, SLUICE_NEVER, 0);
  world_pass(&world, 1000 * SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_release(&world, lane);
  world_fini(&world);
}

void test_alone_is_referenced_unless_told_otherwise(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle unreferenced = world_sleep(&world, SECOND, SLUICE_FLAG_UNREF);
  EXPECT(!sluice_is_referenced(world.engine));
  struct sluice_handle referenced = world_sleep(&world, SECOND, 0);
  EXPECT(sluice_is_referenced(world.engine));
  world_end_turn(&world);
  world_release(&world, referenced);
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT(sluice_has_deadlines(world.engine));
  world_release(&world, unreferenced);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_alone_takes_no_other_flag(void) {
  struct world world;
  world_init(&world);
  for (uint32_t flag = SLUICE_FLAG_PROGRESS; flag != 0; flag <<= 1) {
    EXPECT_EQ(sluice_guard(world.engine, 1, flag, &world.decision), SLUICE_EINVAL);
    EXPECT_EQ(sluice_sleep(world.engine, 1, flag, &world.decision), SLUICE_EINVAL);
  }
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_alone_is_not_for_the_calls_of_a_job(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle guard = world_guard(&world, SECOND, 0);
  for (int outcome = 0; outcome <= SLUICE_OUTCOME_EXHAUSTED + 1; outcome++)
    EXPECT_EQ(sluice_step(world.engine, guard, (enum sluice_outcome)outcome, &world.decision), SLUICE_ESTATE);
  struct sluice_policy policy = policy_of(1, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(sluice_release(world.engine, lane), SLUICE_ESTATE);
  world_check(&world);
  world_fini(&world);
}
