/* The caller's say about each item that has failed: SLUICE_FLAG_VERDICT. */
#include "tests.h"
#include "world.h"

/* An attempt has 100 ms and an item a second; one retry, after 50 ms, about which the caller is asked too. */
static struct sluice_policy judged_policy(int collects) {
  struct sluice_policy policy = policy_of(2, 1);
  policy.timeout = 100 * MS;
  policy.retries = 1;
  policy.backoff.delay = 50 * MS;
  policy.flags = SLUICE_FLAG_VERDICT | (collects ? SLUICE_FLAG_COLLECT : 0);
  return policy;
}

static void expect_verdict(const struct world *world) {
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world->decision.attempt, 0);
  EXPECT_EQ(world->decision.retries_left, 0);
  EXPECT_EQ(world->decision.delay, 0);
}

/* The item has failed: nothing but REFUSED (and STOPPED, see below) is an answer, and that is the end of it. */
static void expect_the_end(struct world *world, struct sluice_handle job, struct sluice_handle lane, int collects) {
  static const enum sluice_outcome misfits[] = {SLUICE_OUTCOME_RETRY, SLUICE_OUTCOME_FULFILLED, SLUICE_OUTCOME_REJECTED,
                                                SLUICE_OUTCOME_PULLED, SLUICE_OUTCOME_EXHAUSTED};
  struct sluice_decision decision;
  for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++)
    EXPECT_EQ(sluice_step(world->engine, lane, misfits[i], &decision), SLUICE_ESTATE);
  EXPECT_EQ(sluice_plan(world->engine, lane, SLUICE_OUTCOME_WAIT, 0, &decision), SLUICE_ESTATE);
  EXPECT_EQ(sluice_plan(world->engine, lane, SLUICE_OUTCOME_WISH, SLUICE_NEVER, &decision), SLUICE_ESTATE);
  world_check(world);
  EXPECT_EQ(world_remaining(world, lane), SLUICE_NEVER); /* its time is over */
  EXPECT_EQ(world_count(world, job).failed, 0);          /* not yet */
  world_pass(world, 3600 * SECOND);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_NONE);
  world_step(world, lane, SLUICE_OUTCOME_REFUSED);
  if (collects) {
    EXPECT_START(world, 1, 1);
    EXPECT_EQ(world_count(world, job).failed, 1);
    EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_REVIEW); /* of another item */
    EXPECT_EQ(world->decision.attempt, 0);
    EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_DONE);
    EXPECT_EQ(world->decision.counts.failed, 2);
  } else {
    EXPECT_EQ(world->decision.action, SLUICE_ACTION_FAIL);
    EXPECT_EQ(world->decision.counts.failed, 1);
    EXPECT_EQ(world->decision.counts.done, 0);
  }
  EXPECT_EQ(sluice_step(world->engine, lane, SLUICE_OUTCOME_REFUSED, &decision), SLUICE_ESTALE);
}

void test_verdict_on_what_was_refused(void) {
  for (int collects = 0; collects < 2; collects++) {
    struct world world;
    world_init(&world);
    struct sluice_policy policy = judged_policy(collects);
    struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
    world_step(&world, lane, SLUICE_OUTCOME_REFUSED);
    expect_verdict(&world);
    expect_the_end(&world, job, lane, collects);
    world_fini(&world);
  }
}

void test_verdict_on_what_was_rejected_and_has_no_retry(void) {
  for (int collects = 0; collects < 2; collects++) {
    struct world world;
    world_init(&world);
    struct sluice_policy policy = judged_policy(collects);
    policy.retries = 0;
    struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
    world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
    expect_verdict(&world);
    expect_the_end(&world, job, lane, collects);
    world_fini(&world);
  }
}

/* Not before each retry: only at the end, and then once. */
void test_verdict_after_the_last_retry(void) {
  for (int collects = 0; collects < 2; collects++) {
    struct world world;
    world_init(&world);
    struct sluice_policy policy = judged_policy(collects);
    struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
    world_pass(&world, 50 * MS);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
    EXPECT_START(&world, 0, 2);
    world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
    expect_verdict(&world);
    EXPECT_EQ(world_count(&world, job).retried, 1);
    expect_the_end(&world, job, lane, collects);
    world_fini(&world);
  }
}

/* A retry that the caller refuses is an item that has failed: that is asked about as well. */
void test_verdict_on_a_retry_that_was_refused(void) {
  for (int collects = 0; collects < 2; collects++) {
    struct world world;
    world_init(&world);
    struct sluice_policy policy = judged_policy(collects);
    policy.flags |= SLUICE_FLAG_REVIEW;
    struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
    EXPECT_EQ(world.decision.attempt, 2);
    world_step(&world, lane, SLUICE_OUTCOME_REFUSED);
    expect_verdict(&world);
    expect_the_end(&world, job, lane, collects);
    world_fini(&world);
  }
}

void test_verdict_on_a_wish_beyond_the_longest_wait(void) {
  for (int collects = 0; collects < 2; collects++) {
    struct world world;
    world_init(&world);
    struct sluice_policy policy = judged_policy(collects);
    policy.flags |= SLUICE_FLAG_REVIEW;
    policy.backoff.max_delay = SECOND;
    struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
    world_plan(&world, lane, SLUICE_OUTCOME_WISH, SECOND + 1);
    expect_verdict(&world);
    expect_the_end(&world, job, lane, collects);
    world_fini(&world);
  }
}

void test_verdict_on_an_attempt_that_timed_out(void) {
  for (int collects = 0; collects < 2; collects++) {
    struct world world;
    world_init(&world);
    struct sluice_policy policy = judged_policy(collects);
    policy.retries = 0;
    struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
    world_pass(&world, 100 * MS);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
    expect_verdict(&world);
    EXPECT(!same_handle(world.decision.lane, lane)); /* the fresh one is asked */
    lane = world.decision.lane;
    struct sluice_counts counts = world_count(&world, job);
    EXPECT(counts.timed_out == 1 && counts.abandoned == 1);
    expect_the_end(&world, job, lane, collects);
    world_fini(&world);
  }
}

/* Running, waiting for its retry, or under review: the item's time is over. */
void test_verdict_on_an_item_that_ran_out_of_time(void) {
  for (int moment = 0; moment < 6; moment++) {
    int collects = moment % 2, is_running = moment < 2, is_reviewed = moment >= 4;
    struct world world;
    world_init(&world);
    struct sluice_policy policy = judged_policy(collects);
    policy.timeout = SLUICE_NEVER;
    policy.item_timeout = SECOND;
    policy.backoff.delay = SECOND;
    if (is_reviewed) policy.flags |= SLUICE_FLAG_REVIEW;
    struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
    if (!is_running)
      EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED),
                is_reviewed ? SLUICE_ACTION_REVIEW : SLUICE_ACTION_PARK);
    world_pass(&world, SECOND);
    EXPECT_EQ(world_next(&world), is_running || is_reviewed ? SLUICE_EVENT_ITEM : SLUICE_EVENT_RESUMED);
    if (!is_running && !is_reviewed) EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM); /* the wait ended with it */
    expect_verdict(&world);
    EXPECT_EQ(world.decision.elapsed, SECOND);
    EXPECT(!same_handle(world.decision.lane, lane));
    expect_the_end(&world, job, world.decision.lane, collects);
    world_fini(&world);
  }
}

/* A wait that would end too late is no wait: the item has failed now. */
void test_verdict_on_a_wait_that_outlives(void) {
  for (int moment = 0; moment < 4; moment++) {
    int collects = moment % 2, is_item = moment < 2;
    struct world world;
    world_init(&world);
    struct sluice_policy policy = judged_policy(collects);
    policy.backoff.delay = 5 * SECOND;
    if (is_item) policy.item_timeout = SECOND;
    else policy.total_timeout = SECOND;
    struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
    EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
    world_end_turn(&world);
    EXPECT_EQ(world_next(&world), is_item ? SLUICE_EVENT_ITEM_OUTLIVED : SLUICE_EVENT_OUTLIVED);
    expect_verdict(&world);
    lane = world.decision.lane;
    EXPECT_EQ(world_count(&world, job).retried, 0);
    if (is_item) {
      expect_the_end(&world, job, lane, collects);
    } else { /* the total goes on, under the verdict too */
      world_pass(&world, SECOND);
      EXPECT_EQ(world_next(&world), SLUICE_EVENT_TOTAL);
      EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
      EXPECT_EQ(world.decision.counts.failed, 0);
      EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_REFUSED, &world.decision), SLUICE_ESTALE);
    }
    world_fini(&world);
  }
}

void test_verdict_may_be_an_abort(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = judged_policy(1);
  struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_REFUSED, &world.decision), SLUICE_ESTALE);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

/* What fulfils is nobody's business. */
void test_verdict_is_not_for_what_succeeds(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = judged_policy(0);
  struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  world_fini(&world);
}

/* A job that drains has its failure already; nobody asks about another. */
void test_verdict_is_not_for_a_drain(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = judged_policy(0);
  policy.limit = 2;
  policy.flags |= SLUICE_FLAG_DRAIN;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0), second = world_start(&world, job, 1);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_DRAIN);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.failed, 2);
  world_fini(&world);
}

/* Others go on meanwhile; one that is asked about is gone with the job when another fails it. */
void test_verdict_of_one_lane_leaves_the_others_alone(void) {
  struct world world;
  world_init(&world);
  for (int drains = 0; drains < 2; drains++) {
    struct sluice_policy policy = judged_policy(0);
    policy.items = 9;
    policy.limit = 3;
    if (drains) policy.flags |= SLUICE_FLAG_DRAIN;
    struct sluice_handle job = world_open(&world, &policy);
    struct sluice_handle first = world_start(&world, job, 0), second = world_start(&world, job, 1);
    struct sluice_handle third = world_start(&world, job, 2);
    EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_REVIEW);
    world_step(&world, second, SLUICE_OUTCOME_FULFILLED);
    EXPECT_START(&world, 3, 1);
    EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_REVIEW);
    EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_REFUSED), drains ? SLUICE_ACTION_DRAIN : SLUICE_ACTION_FAIL);
    EXPECT_EQ(world.decision.counts.failed, 1);
    EXPECT_EQ(sluice_step(world.engine, first, SLUICE_OUTCOME_REFUSED, &world.decision), SLUICE_ESTALE);
    if (drains) EXPECT_EQ(world_step(&world, third, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  }
  world_fini(&world);
}

/* "Not this one, and none after it." */
void test_verdict_may_stop_the_job(void) {
  struct world world;
  world_init(&world);
  for (int collects = 0; collects < 2; collects++) {
    struct sluice_policy policy = judged_policy(collects);
    policy.items = 9;
    policy.limit = 3;
    policy.rate = (struct sluice_rate){.max = 1, .per = 3600 * SECOND, .burst = 2};
    struct sluice_handle job = world_open(&world, &policy);
    struct sluice_handle asked = world_pull(&world, job), running = world_pull(&world, job);
    struct sluice_handle waiting = world_pull(&world, job);
    EXPECT_EQ(world.decision.action, SLUICE_ACTION_PARK);
    EXPECT_EQ(world_step(&world, asked, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_REVIEW);
    world_step(&world, asked, SLUICE_OUTCOME_STOPPED);
    EXPECT_EQ(sluice_step(world.engine, waiting, SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
    if (!collects) continue; /* it has failed */
    EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
    EXPECT_EQ(world_step(&world, running, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
    EXPECT(world.decision.counts.failed == 1 && world.decision.counts.done == 1);
    EXPECT(!sluice_has_deadlines(world.engine));
  }
  struct sluice_policy policy = judged_policy(1); /* about a retry it is no answer */
  policy.flags |= SLUICE_FLAG_REVIEW;
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_STOPPED, &world.decision), SLUICE_ESTATE);
  world_fini(&world);
}

/* After `stop` no item starts; the one that is asked about is still answered. */
void test_verdict_outlasts_a_stop(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = judged_policy(1);
  policy.items = 9;
  policy.limit = 2;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0), second = world_start(&world, job, 1);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_DONE);
  EXPECT(world.decision.counts.failed == 1 && world.decision.counts.done == 1);
  world_fini(&world);
}

/* The item that failed holds its lane and its permit until the caller has spoken. */
void test_verdict_holds_lane_and_permit(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = judged_policy(1);
  policy.semaphore = world_semaphore(&world, 1, 0);
  struct sluice_handle job = world_open(&world, &policy), lane = world_start(&world, job, 0);
  struct sluice_handle waiter = world_await_permits(&world, policy.semaphore, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_REVIEW);
  EXPECT_NOTHING_HANDED(&world);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_PULL);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiter);
  world_fini(&world);
}

/* Also an item that failed in the line, without a permit. */
void test_verdict_on_an_item_that_waits_for_a_permit(void) {
  struct world world;
  world_init(&world);
  struct sluice_policy policy = judged_policy(1);
  policy.item_timeout = 100 * MS;
  policy.semaphore = world_semaphore(&world, 1, 1);
  struct sluice_handle job = world_open(&world, &policy);
  world_pull(&world, job);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PARK);
  struct sluice_handle waiter = world_await_permits(&world, policy.semaphore, 1);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  expect_verdict(&world);
  struct sluice_handle lane = world.decision.lane;
  world_give(&world, policy.semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiter);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REFUSED), SLUICE_ACTION_PULL);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  world_give(&world, policy.semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_RESUMED, lane);
  EXPECT_START(&world, 1, 1);
  world_fini(&world);
}
