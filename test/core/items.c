/* The time of an item: over its attempts, its waits and its reviews. */
#include "tests.h"
#include "world.h"

static struct sluice_policy timed_policy(uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.item_timeout = 100 * MS;
  policy.retries = 9;
  policy.flags = SLUICE_FLAG_COLLECT;
  policy.backoff.kind = SLUICE_BACKOFF_CONSTANT;
  policy.backoff.delay = 30 * MS;
  return policy;
}

/* Expects the item's time to be over `after` the end of this turn: not a nanosecond earlier. Returns the fresh lane. */
static struct sluice_handle expect_over(struct world *world, uint64_t after, struct sluice_handle lane) {
  world_pass(world, after - 1);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_NONE);
  world_pass(world, 1);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_ITEM);
  EXPECT_EQ(world->decision.elapsed, 100 * MS);
  EXPECT_EQ(world->decision.blocked, 0);
  EXPECT_EQ(world->decision.lane.slot, lane.slot);
  EXPECT(!same_handle(world->decision.lane, lane));
  struct sluice_decision decision;
  EXPECT_EQ(sluice_step(world->engine, lane, SLUICE_OUTCOME_FULFILLED, &decision), SLUICE_ESTALE);
  return world->decision.lane;
}

void test_items_time_counts_from_the_end_of_the_turn_that_took_them(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(3, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world.now += 20 * MS; /* the turn goes on for a while */
  world_pass(&world, 60 * MS);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1); /* with time of its own */
  lane = expect_over(&world, 100 * MS, lane);
  EXPECT_START(&world, 2, 1);
  struct sluice_counts counts = world_count(&world, job);
  EXPECT(counts.failed == 1 && counts.timed_out == 1 && counts.abandoned == 1 && counts.retried == 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_items_time_goes_on_through_attempts_and_backoffs(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(2, 1);
  policy.timeout = 80 * MS;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_pass(&world, 10 * MS);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  world_pass(&world, 30 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 0, 2);
  expect_over(&world, 60 * MS, lane); /* before the attempt's 80 */
  EXPECT_START(&world, 1, 1);
  world_fini(&world);
}

void test_items_a_timeout_without_collect_fails_the_job(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(2, 1);
  policy.flags = 0;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  expect_over(&world, 100 * MS, lane);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
  EXPECT_EQ(world.decision.counts.failed, 1);
  world_fini(&world);
}

/* It is not an attempt that is abandoned there. */
void test_items_time_goes_on_under_review(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(1, 1);
  policy.flags |= SLUICE_FLAG_REVIEW;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  expect_over(&world, 100 * MS, lane);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  EXPECT(world.decision.counts.failed == 1 && world.decision.counts.timed_out == 0);
  EXPECT_EQ(world.decision.counts.abandoned, 0);
  world_fini(&world);
}

void test_items_time_goes_on_where_a_retry_gives_way(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(1, 1);
  policy.yield_after = 0;
  policy.backoff.delay = 0;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_end_turn(&world);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  world.now += 100 * MS;
  world_expire(&world, 0);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.timed_out, 0);
  EXPECT(!sluice_wants_turn(world.engine));
  world_fini(&world);
}

/* Waiting lanes of a gate: see gate.c, too. */
void test_items_time_goes_on_at_the_gate(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(2, 2);
  policy.rate = (struct sluice_rate){.max = 1, .per = SECOND};
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle running = world_pull(&world, job);
  struct sluice_handle waiting = world_pull(&world, job);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PARK);
  EXPECT_EQ(world_step(&world, running, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  expect_over(&world, 100 * MS, waiting);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.timed_out, 0);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_items_a_backoff_that_outlives_the_item_fails_it_now(void) {
  struct world world;
  world_init(&world);
  for (int collects = 0; collects < 2; collects++) {
    struct sluice_policy policy = timed_policy(2, 1);
    policy.flags = collects ? SLUICE_FLAG_COLLECT : 0;
    policy.backoff.delay = 60 * MS;
    struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
    world_pass(&world, 41 * MS);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
    world_end_turn(&world);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM_OUTLIVED);
    EXPECT_EQ(world.decision.elapsed, 41 * MS);
    EXPECT(world.decision.lane.slot == lane.slot && !same_handle(world.decision.lane, lane));
    if (collects) EXPECT_START(&world, 1, 1);
    else EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
    if (!collects) EXPECT(world.decision.counts.retried == 0 && world.decision.counts.failed == 1);
  }
  world_fini(&world);
}

void test_items_a_backoff_that_ends_with_the_item_does_not_outlive_it(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(1, 1);
  policy.backoff.delay = 100 * MS;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 0, 2);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  EXPECT_EQ(world.decision.counts.timed_out, 1);
  world_fini(&world);
}

/* Where both are outlived it is the earlier one that is told, and the total of two at once. */
void test_items_a_backoff_is_told_of_the_earlier_end(void) {
  static const struct {
    uint64_t item, total;
    enum sluice_event event;
  } cases[] = {{50, 60, SLUICE_EVENT_ITEM_OUTLIVED},
               {60, 50, SLUICE_EVENT_OUTLIVED},
               {50, 50, SLUICE_EVENT_OUTLIVED},
               {50, 200, SLUICE_EVENT_ITEM_OUTLIVED},
               {200, 50, SLUICE_EVENT_OUTLIVED}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct world world;
    world_init(&world);
    struct sluice_policy policy = timed_policy(2, 1);
    policy.item_timeout = cases[i].item * MS;
    policy.total_timeout = cases[i].total * MS;
    policy.backoff.delay = 100 * MS;
    struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
    world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
    world_end_turn(&world);
    EXPECT_EQ(world_next(&world), cases[i].event);
    EXPECT_START(&world, 1, 1); /* the job collects: only this item has failed */
    world_fini(&world);
  }
}

/* With COLLECT the others go on, until the total timeout itself. */
void test_items_that_outlive_the_total_leave_the_others_alone(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(2, 2);
  policy.item_timeout = SLUICE_NEVER;
  policy.total_timeout = 100 * MS;
  policy.backoff.delay = SECOND;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  struct sluice_handle other = world_start(&world, job, 1);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  world_end_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_OUTLIVED);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_REST);
  EXPECT_EQ(world_count(&world, job).failed, 1);
  EXPECT_EQ(world_step(&world, other, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.retried, 0);
  world_fini(&world);
}

/* The same moment for all three, stamped in different turns. */
void test_items_on_a_tie_the_total_comes_first_and_the_attempt_last(void) {
  struct world world;
  world_init(&world);
  for (int has_total = 0; has_total < 2; has_total++) {
    for (uint32_t retries = 0; retries < 2; retries++) {
      struct sluice_policy policy = timed_policy(1, 1);
      policy.retries = retries;
      policy.timeout = retries == 0 ? 100 * MS : 60 * MS;
      if (has_total) policy.total_timeout = 100 * MS;
      struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
      if (retries == 1) { /* the second attempt's 60 ms end when the item's 100 do */
        world_pass(&world, 10 * MS);
        world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
        world_pass(&world, 30 * MS);
        EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
        world_pass(&world, 60 * MS);
      } else {
        world_pass(&world, 100 * MS);
      }
      EXPECT_EQ(world_next(&world), has_total ? SLUICE_EVENT_TOTAL : SLUICE_EVENT_ITEM);
      EXPECT_EQ(world.decision.action, has_total ? SLUICE_ACTION_FAIL : SLUICE_ACTION_DONE);
      EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
    }
  }
  world_fini(&world);
}

void test_items_a_timeout_of_0_gets_one_poll(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(2, 2);
  policy.item_timeout = 0;
  policy.timeout = 0;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle arrives = world_start(&world, job, 0);
  world_start(&world, job, 1);
  world_end_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(world_step(&world, arrives, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM); /* on a tie not the attempt */
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  world_fini(&world);
}

void test_items_are_judged_with_grace_as_attempts_are(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(1, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_end_turn(&world);
  world.now += 300 * MS;
  world_expire(&world, 25 * MS);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT(sluice_is_referenced(world.engine));
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

static void share_and_warm_up(struct world *world) {
  world_share_grants(world);
  for (int i = 0; i < 10; i++) world_observe(world, world->now);
}

static uint64_t take(struct world *world, struct sluice_handle job, struct sluice_handle lane) {
  int32_t item = world->grants.next_item[job.slot]++;
  world->grants.item[lane.slot] = item;
  return (uint64_t)item;
}

/* Taken without a call, an item has its time from the end of the turn all the same. */
void test_items_of_a_granted_run_have_their_own_time(void) {
  struct world world;
  world_init(&world);
  share_and_warm_up(&world);
  struct sluice_policy policy = timed_policy(1000, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  struct sluice_handle second = world_start(&world, job, 1);
  world_pass(&world, 60 * MS);
  for (int i = 0; i < 10; i++) world_observe(&world, world.now);
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT(world.decision.granted != 0);
  uint64_t item = take(&world, job, second);
  world_pass(&world, 40 * MS); /* the first two items would be over */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 60 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  EXPECT_EQ(world.decision.lane.slot, first.slot);
  EXPECT_EQ(world.decision.elapsed, 100 * MS);
  EXPECT_START(&world, item + 1, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  EXPECT_EQ(world.decision.lane.slot, second.slot);
  world_fini(&world);
}

/* Its time is being judged while its lane has gone on in the poll before: it was in time. */
void test_items_that_were_left_in_time_are_not_over(void) {
  struct world world;
  world_init(&world);
  share_and_warm_up(&world);
  struct sluice_policy policy = timed_policy(1000, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  struct sluice_handle second = world_start(&world, job, 1);
  world_end_turn(&world);
  world.now += 100 * MS;
  world_expire(&world, 0);
  for (int i = 0; i < 10; i++) world_observe(&world, world.now);
  world_step(&world, second, SLUICE_OUTCOME_FULFILLED);
  take(&world, job, first);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  world_fini(&world);
}

/* A lane that is given up by time, while others move on by themselves: no item is taken twice. */
void test_items_no_item_is_taken_twice_where_one_outlives(void) {
  struct world world;
  world_init(&world);
  share_and_warm_up(&world);
  struct sluice_policy policy = timed_policy(1000, 2);
  policy.backoff.delay = SECOND;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle failing = world_start(&world, job, 0);
  struct sluice_handle running = world_start(&world, job, 1);
  world_step(&world, failing, SLUICE_OUTCOME_REJECTED);
  world_end_turn(&world);
  for (int i = 0; i < 10; i++) world_observe(&world, world.now);
  world_step(&world, running, SLUICE_OUTCOME_FULFILLED); /* in the poll: item 2 */
  EXPECT_EQ(take(&world, job, running), 3);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM_OUTLIVED);
  EXPECT_START(&world, 4, 1);
  world_fini(&world);
}

/* Items that are over at the same time are told in their order, whoever noticed first that they were taken. */
void test_items_of_a_granted_run_are_tied_in_their_order(void) {
  enum { LANES = 6 };
  struct world world;
  world_init(&world);
  share_and_warm_up(&world);
  struct sluice_policy policy = timed_policy(1000, LANES);
  policy.timeout = 100 * MS; /* of the same length: it never comes to that */
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[LANES], by_item[2 * LANES];
  for (uint64_t item = 0; item < LANES; item++) lanes[item] = world_start(&world, job, item);
  static const int order[LANES] = {3, 1, 0, 5, 2, 4};
  for (int i = 0; i < LANES; i++) {
    struct sluice_handle lane = lanes[order[i]];
    if (i == 0 || i == 3) {
      world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
      by_item[world.decision.item] = lane;
    } else {
      by_item[take(&world, job, lane)] = lane;
    }
  }
  EXPECT_EQ(world_remaining(&world, lanes[4]), 100 * MS); /* the last one is noticed first */
  world_pass(&world, 100 * MS);
  for (uint64_t item = LANES; item < 2 * LANES; item++) {
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
    EXPECT_EQ(world.decision.lane.slot, by_item[item].slot);
  }
  EXPECT_EQ(world_count(&world, job).timed_out, LANES);
  world_fini(&world);
}

/* A lane is one cache line; what an item needs beyond it is only there for jobs that ask. */
void test_items_cost_memory_only_where_they_are_timed(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = policy_of(2, 2);
  world_start(&world, world_open(&world, &policy), 0);
  struct sluice_usage plain, usage;
  sluice_measure(world.engine, &plain);
  world_start(&world, world_open(&world, &policy), 0);
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.memory, plain.memory);
  policy.item_timeout = SECOND;
  struct sluice_handle job = world_open(&world, &policy);
  world_start(&world, job, 0);
  sluice_measure(world.engine, &usage);
  EXPECT(usage.memory > plain.memory);
  EXPECT_EQ(usage.memory, world.memory.in_use);
  plain = usage;
  world_start(&world, job, 1);
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.memory, plain.memory); /* in chunks, as lanes are */
  world_fini(&world);
}

/* What was kept of a lane's last item says nothing of its next. */
void test_items_begin_anew_in_each_lane(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = timed_policy(2, 1);
  policy.flags |= SLUICE_FLAG_REVIEW;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_pass(&world, 50 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world.decision.item_elapsed, 50 * MS);
  world_step(&world, lane, SLUICE_OUTCOME_REFUSED);
  EXPECT_START(&world, 1, 1);
  EXPECT_EQ(world_remaining(&world, lane), 100 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world.decision.item_elapsed, 0);
  world_pass(&world, 99 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  world_fini(&world);
}
