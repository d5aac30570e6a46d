/* Deadlines of jobs: when they fire, in which order, what is told. */
#include "tests.h"
#include "world.h"

static struct sluice_handle start_timed(struct world *world, uint64_t timeout) {
  struct sluice_policy policy = policy_of(1, 1);
  policy.timeout = timeout;
  return world_start(world, world_open(world, &policy), 0);
}

void test_time_a_timeout_counts_from_the_end_of_its_turn(void) {
  struct world world;
  world_init(&world);
  start_timed(&world, 100 * MS);
  world.now += 30 * MS; /* the turn goes on for a while */
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER);
  world_end_turn(&world);
  EXPECT_EQ(sluice_next_expiry(world.engine), SECOND + 130 * MS);
  world_pass(&world, 100 * MS - 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
  EXPECT_EQ(world.decision.elapsed, 100 * MS);
  EXPECT_EQ(world.decision.blocked, 0);
  EXPECT_EQ(world.decision.counts.timed_out, 1);
  EXPECT_EQ(world.decision.counts.failed, 1);
  world_fini(&world);
}

void test_time_what_settles_in_its_turn_arms_nothing(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.timeout = policy.total_timeout = 100 * MS;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  EXPECT(sluice_is_referenced(world.engine));
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_end_turn(&world);
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER);
  world_fini(&world);
}

void test_time_each_attempt_has_its_own_timeout(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(3, 1);
  policy.timeout = 100 * MS;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  for (uint64_t item = 1; item < 3; item++) {
    world_pass(&world, 99 * MS);
    world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
    EXPECT_START(&world, item, 1);
  }
  world_pass(&world, 99 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  world_fini(&world);
}

void test_time_a_timeout_frees_its_lane_and_keeps_its_place(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(3, 1);
  policy.timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  for (uint64_t item = 1; item < 3; item++) {
    world_pass(&world, 100 * MS);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
    EXPECT_START(&world, item, 1);
    EXPECT_SAME(world.decision.job, job);
    EXPECT(!same_handle(world.decision.lane, lane));
    EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
    lane = (struct sluice_handle){lane.slot, lane.generation + 2};
    EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  }
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.failed, 3);
  world_fini(&world);
}

void test_time_late_outcomes_count_down_abandoned(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(3, 2);
  policy.timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  world_start(&world, job, 0);
  world_start(&world, job, 1);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_REST);
  EXPECT_EQ(world_count(&world, job).abandoned, 2);
  world_late(&world, job);
  EXPECT_EQ(world_count(&world, job).abandoned, 1);
  world_late(&world, job);
  EXPECT_EQ(sluice_late(world.engine, job), SLUICE_ESTATE);
  EXPECT_EQ(world_count(&world, job).abandoned, 0);
  EXPECT_EQ(world_count(&world, job).timed_out, 2);
  world_abort(&world, job);
  EXPECT_EQ(sluice_late(world.engine, job), SLUICE_ESTALE);
  world_fini(&world);
}

void test_time_the_total_timeout_ends_the_job_with_all_its_lanes(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(5, 3);
  policy.total_timeout = 250 * MS;
  policy.timeout = SECOND;
  policy.retries = 1;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[3];
  for (uint64_t item = 0; item < 3; item++) lanes[item] = world_start(&world, job, item);
  world_step(&world, lanes[1], SLUICE_OUTCOME_FULFILLED);
  world_step(&world, lanes[2], SLUICE_OUTCOME_REJECTED);
  world_pass(&world, 99 * MS);
  world_pass(&world, 151 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TOTAL);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
  EXPECT_SAME(world.decision.job, job);
  EXPECT_EQ(world.decision.elapsed, 250 * MS);
  EXPECT_EQ(world.decision.counts.started, 4);
  EXPECT_EQ(world.decision.counts.done, 1);
  EXPECT_EQ(world.decision.counts.timed_out, 0);
  EXPECT_EQ(sluice_step(world.engine, lanes[0], SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

/* Grace: what is due waits for one poll, and what has arrived by then wins. */
void test_time_a_due_timeout_is_judged_after_one_poll(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle arrives = start_timed(&world, 100 * MS);
  start_timed(&world, 100 * MS);
  world_end_turn(&world);
  world.now += 100 * MS;
  world_expire(&world, 0);
  EXPECT(!sluice_is_ready(world.engine));
  EXPECT(sluice_wants_turn(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(world_step(&world, arrives, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_judge(&world);
  EXPECT(!sluice_wants_turn(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

void test_time_elapsed_counts_until_the_judgement(void) {
  struct world world;
  world_init(&world);
  start_timed(&world, 100 * MS);
  world_end_turn(&world);
  world.now += 100 * MS;
  world_expire(&world, 0);
  world.now += 3 * MS;
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.elapsed, 103 * MS);
  world_fini(&world);
}

/* Between the judgement and next() the outcome may still come: the first to reach the engine wins. */
void test_time_an_outcome_may_overtake_its_judgement(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle lane = start_timed(&world, 100 * MS);
  world_pass(&world, 100 * MS);
  EXPECT(sluice_is_ready(world.engine));
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

void test_time_after_a_block_the_judgement_is_held(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle arrives = start_timed(&world, 100 * MS);
  start_timed(&world, 100 * MS);
  world_end_turn(&world);
  world.now += 300 * MS; /* the loop was blocked */
  world_expire(&world, 25 * MS);
  EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 25 * MS);
  EXPECT(!sluice_wants_turn(world.engine)); /* the loop may sleep: it need not spin */
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world.now += 24 * MS;
  world_expire(&world, 0);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(world_step(&world, arrives, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world.now += 1 * MS;
  world_expire(&world, 25 * MS); /* once each: held before, it is not held again */
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER);
  EXPECT(sluice_wants_turn(world.engine));
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.elapsed, 325 * MS);
  world_fini(&world);
}

/* The hold is as long as asked for, whatever was held before and has settled since. */
void test_time_a_hold_does_not_inherit_an_earlier_one(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle first = start_timed(&world, 100 * MS);
  start_timed(&world, 101 * MS);
  world_end_turn(&world);
  world.now += 100 * MS;
  world_expire(&world, 25 * MS);
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
  world.now += 1 * MS;
  world_expire(&world, 6 * MS);
  EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 6 * MS);
  world_fini(&world);
}

/* Nobody is judged before who was due before. */
void test_time_what_comes_due_during_a_hold_waits_with_it(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle first = start_timed(&world, 100 * MS);
  struct sluice_handle second = start_timed(&world, 110 * MS);
  world_end_turn(&world);
  world.now += 100 * MS;
  world_expire(&world, 25 * MS);
  world.now += 10 * MS;
  world_expire(&world, 0);
  EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 15 * MS); /* and no longer than that */
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world.now += 15 * MS;
  world_expire(&world, 0);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.lane.slot, first.slot);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.lane.slot, second.slot);
  world_fini(&world);
}

/* One block after the other: who was held first does not wait for the last of them. */
void test_time_a_later_block_does_not_lengthen_a_hold(void) {
  struct world world;
  world_init(&world);
  start_timed(&world, 100 * MS);
  start_timed(&world, 103 * MS);
  world_end_turn(&world);
  world.now += 100 * MS;
  world_expire(&world, 6 * MS);
  uint64_t held_until = world.now + 6 * MS;
  world.now += 3 * MS;
  world_expire(&world, 25 * MS);
  EXPECT_EQ(sluice_next_expiry(world.engine), held_until);
  world.now += 3 * MS;
  world_expire(&world, 25 * MS);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  world_fini(&world);
}

void test_time_sleeps_and_backoffs_get_no_grace(void) {
  struct world world;
  world_init(&world);
  world_sleep(&world, 100 * MS, 0);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 1;
  world_step(&world, world_start(&world, world_open(&world, &policy), 0), SLUICE_OUTCOME_REJECTED);
  world_end_turn(&world);
  world.now += 200 * MS;
  world_expire(&world, 25 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_SLEPT);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

void test_time_a_timeout_of_0_gets_one_poll(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle arrives = start_timed(&world, 0);
  start_timed(&world, 0);
  EXPECT(!sluice_wants_turn(world.engine));
  world_end_turn(&world);
  EXPECT(sluice_wants_turn(world.engine));
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(world_step(&world, arrives, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.elapsed, 0);
  world_fini(&world);
}

void test_time_equal_deadlines_fire_in_arming_order(void) {
  enum { LANES = 100 };
  static const uint64_t timeouts[] = {0, 1, 100 * MS, 3600 * SECOND};
  for (size_t t = 0; t < sizeof timeouts / sizeof *timeouts; t++) {
    struct world world;
    world_init(&world);
    struct sluice_policy policy = policy_of(2 * LANES, LANES);
    policy.timeout = timeouts[t];
    policy.flags = SLUICE_FLAG_COLLECT;
    struct sluice_handle job = world_open(&world, &policy);
    struct sluice_handle lanes[LANES];
    for (uint64_t item = 0; item < LANES; item++) lanes[item] = world_start(&world, job, item);
    /* Every third goes on with another item: it is armed later now. */
    uint64_t fresh = LANES;
    for (uint64_t item = 0; item < LANES; item += 3) {
      world_step(&world, lanes[item], SLUICE_OUTCOME_FULFILLED);
      EXPECT_START(&world, fresh, 1);
      fresh++;
    }
    world_pass(&world, timeouts[t]);
    for (uint64_t i = 0; i < LANES; i++) {
      if (i % 3 == 0) continue;
      EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
      EXPECT_EQ(world.decision.lane.slot, lanes[i].slot);
    }
    for (uint64_t i = 0; i < LANES; i += 3) {
      EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
      EXPECT_EQ(world.decision.lane.slot, lanes[i].slot);
    }
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
    world_fini(&world);
  }
}

void test_time_deadlines_fire_in_the_order_of_their_times(void) {
  struct world world;
  world_init(&world);
  static const uint64_t timeouts[] = {300, 100, 500, 200, 400};
  struct sluice_handle lanes[5];
  for (int i = 0; i < 5; i++) lanes[i] = start_timed(&world, timeouts[i]);
  world_pass(&world, 1000);
  static const int order[] = {1, 3, 0, 4, 2};
  for (int i = 0; i < 5; i++) {
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
    EXPECT_EQ(world.decision.lane.slot, lanes[order[i]].slot);
    EXPECT_EQ(world.decision.elapsed, 1000);
  }
  world_fini(&world);
}

/* What is armed from a decision belongs to the turn that follows it. */
void test_time_what_next_starts_is_armed_for_the_next_turn(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 1);
  policy.timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  world_start(&world, world_open(&world, &policy), 0);
  world_pass(&world, 150 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_START(&world, 1, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world.now += 7 * MS;
  world_end_turn(&world);
  EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 100 * MS);
  world_fini(&world);
}

void test_time_tells_how_long_the_loop_was_blocked(void) {
  struct world world;
  world_init(&world);
  start_timed(&world, 100 * MS);
  sluice_turn_end(world.engine, world.now, 50 * MS);           /* the turn it was armed in does not count */
  sluice_turn_end(world.engine, world.now += 10 * MS, 4 * MS); /* not a block */
  sluice_turn_end(world.engine, world.now += 10 * MS, 8 * MS);
  sluice_turn_end(world.engine, world.now += 50 * MS, 40 * MS);
  world_pass(&world, 30 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.elapsed, 100 * MS);
  EXPECT(world.decision.blocked <= 48 * MS);
  EXPECT(world.decision.blocked > 48 * MS - 2 * (1 << 14)); /* kept in units of 2^14 ns */
  world_fini(&world);
}

void test_time_tells_only_of_blocks_since_the_stamp(void) {
  struct world world;
  world_init(&world);
  sluice_turn_end(world.engine, world.now += SECOND, SECOND); /* long before */
  struct sluice_policy policy = policy_of(1, 1);
  policy.total_timeout = 100 * MS;
  world_start(&world, world_open(&world, &policy), 0);
  start_timed(&world, 100 * MS);
  world_guard(&world, 100 * MS, 0);
  world_pass(&world, 100 * MS);
  static const enum sluice_event events[] = {SLUICE_EVENT_TOTAL, SLUICE_EVENT_TIMED_OUT, SLUICE_EVENT_EXPIRED};
  for (int i = 0; i < 3; i++) {
    EXPECT_EQ(world_next(&world), events[i]);
    EXPECT_EQ(world.decision.elapsed, 100 * MS);
    EXPECT_EQ(world.decision.blocked, 0);
  }
  world_fini(&world);
}

void test_time_is_never_more_blocked_than_elapsed(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.total_timeout = 10 * MS;
  world_start(&world, world_open(&world, &policy), 0);
  world_end_turn(&world);
  sluice_turn_end(world.engine, world.now += 10 * MS, SECOND);
  world_pass(&world, 0);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TOTAL);
  EXPECT_EQ(world.decision.elapsed, 10 * MS);
  EXPECT_EQ(world.decision.blocked, 10 * MS);
  world_fini(&world);
}

void test_time_never_ends_at_2_to_the_63(void) {
  static const uint64_t nevers[] = {SLUICE_NEVER, SLUICE_NEVER + 1, UINT64_MAX};
  for (size_t i = 0; i < sizeof nevers / sizeof *nevers; i++) {
    struct world world;
    world_init(&world);
    struct sluice_policy policy = policy_of(1, 1);
    policy.timeout = policy.total_timeout = nevers[i];
    world_start(&world, world_open(&world, &policy), 0);
    world_guard(&world, nevers[i], 0);
    world_sleep(&world, nevers[i], 0);
    EXPECT(!sluice_has_deadlines(world.engine));
    EXPECT(!sluice_is_referenced(world.engine));
    world_end_turn(&world);
    EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER);
    world_fini(&world);
  }
}

/* now + duration may pass 2^63 though the duration does not. */
void test_time_a_deadline_beyond_2_to_the_63_is_let_go(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(1, 1);
  policy.timeout = SLUICE_NEVER - 1;
  policy.total_timeout = SLUICE_NEVER - SECOND;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_guard(&world, SLUICE_NEVER - 1, 0);
  world_sleep(&world, SLUICE_NEVER - SECOND, 0);
  EXPECT(sluice_is_referenced(world.engine));
  world_end_turn(&world); /* at 1 s */
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT(!sluice_has_deadlines(world.engine));
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_fini(&world);
}

void test_time_the_last_moment_before_never_still_fires(void) {
  struct world world;
  world_init(&world);
  start_timed(&world, SLUICE_NEVER - 1 - SECOND);
  world_end_turn(&world);
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER - 1);
  world_pass(&world, SLUICE_NEVER - 2 - SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.elapsed, SLUICE_NEVER - 1 - SECOND);
  world_fini(&world);
}

/* Over 2^31 ms: where most timers fire at once. */
void test_time_a_month_is_a_month(void) {
  struct world world;
  world_init(&world);
  uint64_t month = 31 * 86400 * SECOND;
  start_timed(&world, month);
  world_pass(&world, month - 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  world_fini(&world);
}

/* A driver's clock is monotonic; one that is not does no harm. */
void test_time_that_goes_back_is_ignored(void) {
  struct world world;
  world_init(&world);
  start_timed(&world, 100 * MS);
  world_end_turn(&world);
  sluice_expire(world.engine, 5, 0);
  sluice_judge(world.engine, 0);
  sluice_turn_end(world.engine, 1, 0);
  world_check(&world);
  start_timed(&world, 50 * MS);
  sluice_turn_end(world.engine, 1, 0);
  EXPECT_EQ(sluice_next_expiry(world.engine), SECOND + 50 * MS);
  world_fini(&world);
}

void test_time_keeps_the_loop_alive_while_something_waits(void) {
  struct world world;
  world_init(&world);
  EXPECT(!sluice_is_referenced(world.engine));
  struct sluice_handle lane = start_timed(&world, 100 * MS);
  EXPECT(sluice_is_referenced(world.engine));
  world_end_turn(&world);
  EXPECT(sluice_is_referenced(world.engine));
  world.now += 100 * MS;
  world_expire(&world, 5 * MS);
  EXPECT(sluice_is_referenced(world.engine)); /* held */
  world.now += 5 * MS;
  world_expire(&world, 0);
  EXPECT(sluice_is_referenced(world.engine)); /* waits for its poll */
  world_judge(&world);
  EXPECT(sluice_is_referenced(world.engine)); /* is ready */
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT(!sluice_is_referenced(world.engine));
  world_fini(&world);
}

void test_time_an_unreferenced_job_keeps_nothing_alive(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 2);
  policy.timeout = 50 * MS;
  policy.total_timeout = SECOND;
  policy.retries = 1;
  policy.flags = SLUICE_FLAG_UNREF;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_start(&world, job, 1);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  for (int i = 0; i < 2; i++) {
    EXPECT(!sluice_is_referenced(world.engine));
    EXPECT(sluice_has_deadlines(world.engine));
    world_end_turn(&world);
  }
  world_pass(&world, 100 * MS); /* while others keep the loop alive, it works as any */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  world_fini(&world);
}
