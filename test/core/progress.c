#include "tests.h"
#include "world.h"

static struct sluice_policy told_policy(uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.flags = SLUICE_FLAG_PROGRESS | SLUICE_FLAG_COLLECT;
  return policy;
}

static void end_turn_and_judge(struct world *world) {
  world_end_turn(world);
  world_judge(world);
}

void test_progress_is_told_once_per_turn(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = told_policy(5, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_start(&world, job, 1);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT(sluice_wants_turn(world.engine));
  EXPECT(sluice_is_referenced(world.engine));
  end_turn_and_judge(&world);
  EXPECT(sluice_is_ready(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_PROGRESS);
  EXPECT_SAME(world.decision.job, job);
  EXPECT_EQ(world.decision.action, 0);
  EXPECT_EQ(world.decision.counts.started, 4);
  EXPECT_EQ(world.decision.counts.done, 1);
  EXPECT_EQ(world.decision.counts.failed, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT(!sluice_is_referenced(world.engine));
  end_turn_and_judge(&world); /* nothing has changed since */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

void test_progress_tells_of_retries_timeouts_and_late_ends(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = told_policy(1, 1);
  policy.retries = 1;
  policy.timeout = 100 * MS;
  struct sluice_handle job = world_open(&world, &policy);
  world_start(&world, job, 0);
  end_turn_and_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_PROGRESS);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE); /* not before the turn is over */
  end_turn_and_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_PROGRESS);
  EXPECT_EQ(world.decision.counts.timed_out, 1);
  EXPECT_EQ(world.decision.counts.abandoned, 1);
  EXPECT_EQ(world.decision.counts.retried, 1);
  world_late(&world, job);
  end_turn_and_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_PROGRESS);
  EXPECT_EQ(world.decision.counts.abandoned, 0);
  world_fini(&world);
}

void test_progress_is_not_told_without_the_flag(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 1);
  world_start(&world, world_open(&world, &policy), 0);
  EXPECT(!sluice_wants_turn(world.engine));
  end_turn_and_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

void test_progress_ends_with_the_job(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = told_policy(1, 1);
  for (int is_reporting = 0; is_reporting < 2; is_reporting++) {
    struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
    if (is_reporting) end_turn_and_judge(&world);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
    EXPECT_EQ(world.decision.counts.done, 1);
    EXPECT(!sluice_is_referenced(world.engine));
    end_turn_and_judge(&world);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  }
  world_fini(&world);
}

/* Decisions come first: what they change is in the counts that are told. */
void test_progress_comes_after_decisions(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = told_policy(2, 1);
  policy.timeout = 100 * MS;
  struct sluice_handle job = world_open(&world, &policy);
  world_start(&world, job, 0);
  world_pass(&world, 100 * MS); /* also reports the first START */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_PROGRESS);
  EXPECT_EQ(world.decision.counts.timed_out, 1);
  EXPECT_EQ(world.decision.counts.started, 2);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

/* A lane that pulls, or goes on after a wait, changes no count. */
void test_progress_is_not_told_where_no_count_has_changed(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = told_policy(SLUICE_UNKNOWN, 1);
  policy.source = SLUICE_SOURCE_ASYNC;
  policy.retries = 1;
  struct sluice_handle job = world_open(&world, &policy);
  world_join(&world, job);
  struct sluice_handle lane = world.decision.lane;
  end_turn_and_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_step(&world, lane, SLUICE_OUTCOME_PULLED);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  end_turn_and_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_PROGRESS);
  EXPECT_EQ(world.decision.counts.retried, 1);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  end_turn_and_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}
