/* Limiters that waiters and jobs share. A job's own rate is in gate.c, the bucket itself in bucket.c. */
#include "tests.h"
#include "world.h"

/* One token every 100 ms, and none now. */
static struct sluice_handle empty_limiter(struct world *world) {
  struct sluice_handle limiter = world_limiter(world, 10, SECOND, 5);
  EXPECT_EQ(world_draw(world, limiter, 5, 0), SLUICE_EVENT_GRANTED);
  return limiter;
}

static void expect_granted(struct world *world, struct sluice_handle waiter, uint64_t elapsed) {
  EXPECT_EQ(world_next(world), SLUICE_EVENT_GRANTED);
  EXPECT_SAME(world->decision.lane, waiter);
  EXPECT_EQ(world->decision.action, 0);
  EXPECT_EQ(world->decision.elapsed, elapsed);
}

static void expect_nothing_after(struct world *world, uint64_t duration) {
  world_pass(world, duration);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_NONE);
}

static void expect_resumed(struct world *world, struct sluice_handle lane, uint64_t item, uint32_t attempt) {
  EXPECT_EQ(world_next(world), SLUICE_EVENT_RESUMED);
  EXPECT_SAME(world->decision.lane, lane);
  EXPECT_START(world, item, attempt);
}

static struct sluice_policy limited_policy(struct sluice_handle limiter, uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.limiter = limiter;
  policy.rate = (struct sluice_rate){.max = 1, .per = 3600 * SECOND, .burst = 1}; /* nobody looks at it */
  return policy;
}

static struct sluice_handle pull_and_wait(struct world *world, struct sluice_handle job) {
  struct sluice_handle lane = world_pull(world, job);
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_PARK);
  return lane;
}

void test_limiter_gives_what_there_is_at_once(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = world_limiter(&world, 10, SECOND, 5);
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 5);
  EXPECT_EQ(world_draw(&world, limiter, 2, 0), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(world.decision.elapsed, 0);
  EXPECT_EQ(world_draw(&world, limiter, 3, 0), SLUICE_EVENT_GRANTED);
  struct sluice_level level = world_limiter_level(&world, limiter);
  EXPECT(level.available == 0 && level.capacity == 5 && level.waiting == 0 && level.jobs == 0);
  world.now += 250 * MS;
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 2);
  EXPECT(!sluice_wants_clock(world.engine));
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_limiter_is_first_come_first_served_by_weight_too(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_handle first = world_await_tokens(&world, limiter, 1);
  struct sluice_handle heavy = world_await_tokens(&world, limiter, 3);
  struct sluice_handle light = world_await_tokens(&world, limiter, 1);
  EXPECT(sluice_wants_clock(world.engine));
  EXPECT_EQ(world_limiter_level(&world, limiter).waiting, 3);
  expect_nothing_after(&world, 100 * MS - 1);
  world_pass(&world, 1);
  expect_granted(&world, first, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  for (int i = 0; i < 2; i++) { /* what accrues is kept for the heavy one */
    expect_nothing_after(&world, 100 * MS);
    EXPECT_EQ(world_limiter_level(&world, limiter).available, 0);
  }
  world_pass(&world, 100 * MS);
  expect_granted(&world, heavy, 400 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 100 * MS);
  expect_granted(&world, light, 500 * MS);
  EXPECT(!sluice_wants_clock(world.engine));
  world_end_turn(&world);
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER);
  world_fini(&world);
}

/* What has accrued meanwhile is his who waits, not his who comes now. */
void test_limiter_nobody_overtakes(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_handle first = world_await_tokens(&world, limiter, 1);
  world_end_turn(&world);
  world.now += 100 * MS;
  struct sluice_handle second = world_await_tokens(&world, limiter, 1);
  world_pass(&world, 0);
  expect_granted(&world, first, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 100 * MS);
  expect_granted(&world, second, 100 * MS);
  world_fini(&world);
}

/* After a pause all that can go on do, in the same turn. */
void test_limiter_serves_as_many_as_there_are_tokens(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world), waiters[6];
  for (int i = 0; i < 6; i++) waiters[i] = world_await_tokens(&world, limiter, 1);
  world_pass(&world, 3600 * SECOND);
  for (int i = 0; i < 5; i++) expect_granted(&world, waiters[i], 3600 * SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 100 * MS);
  expect_granted(&world, waiters[5], 3600 * SECOND + 100 * MS);
  world_fini(&world);
}

/* A job stands in the line once, for the first of its lanes, and again behind the others for the next. */
void test_limiter_jobs_and_waiters_stand_in_one_line(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_policy policy = limited_policy(limiter, 9, 2);
  struct sluice_handle job = world_open(&world, &policy), other = world_open(&world, &policy);
  struct sluice_handle first = pull_and_wait(&world, job), second = pull_and_wait(&world, job);
  struct sluice_handle waiter = world_await_tokens(&world, limiter, 2);
  struct sluice_handle third = pull_and_wait(&world, other);
  struct sluice_level level = world_limiter_level(&world, limiter);
  EXPECT(level.waiting == 3 && level.jobs == 2);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, first, 0, 1);
  expect_nothing_after(&world, 100 * MS);
  world_pass(&world, 100 * MS);
  expect_granted(&world, waiter, 300 * MS);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, third, 0, 1);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, second, 1, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(world_limiter_level(&world, limiter).waiting, 0);
  world_fini(&world);
}

void test_limiter_retries_of_jobs_take_tokens_too(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = world_limiter(&world, 10, SECOND, 1);
  struct sluice_policy policy = limited_policy(limiter, 1, 1);
  policy.retries = 1;
  policy.backoff.delay = 10 * MS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_pull(&world, job);
  EXPECT_START(&world, 0, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  expect_nothing_after(&world, 10 * MS); /* to the line */
  EXPECT_EQ(world_limiter_level(&world, limiter).waiting, 1);
  struct sluice_handle waiter = world_await_tokens(&world, limiter, 1);
  world_pass(&world, 90 * MS);
  expect_resumed(&world, lane, 0, 2);
  world_pass(&world, 100 * MS);
  expect_granted(&world, waiter, 190 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world_limiter_level(&world, limiter).jobs, 0);
  EXPECT(!sluice_wants_clock(world.engine));
  world_fini(&world);
}

void test_limiter_is_no_end_of_a_source(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_policy policy = limited_policy(limiter, SLUICE_UNKNOWN, 1);
  EXPECT_EQ(world_join(&world, world_open(&world, &policy)), SLUICE_ACTION_PULL);
  EXPECT(sluice_wants_clock(world.engine));
  EXPECT_EQ(world_step(&world, world.decision.lane, SLUICE_OUTCOME_EXHAUSTED),
            SLUICE_ACTION_DONE); /* without a token */
  EXPECT(!sluice_wants_clock(world.engine));
  world_fini(&world);
}

void test_limiter_a_job_that_ends_leaves_the_line(void) {
  struct world world;
  world_init(&world);
  for (int is_head = 0; is_head < 2; is_head++) {
    struct sluice_handle limiter = empty_limiter(&world);
    struct sluice_policy policy = limited_policy(limiter, 9, 2);
    struct sluice_handle job = world_open(&world, &policy);
    struct sluice_handle waiter = {0, 0};
    if (!is_head) waiter = world_await_tokens(&world, limiter, 1);
    for (int i = 0; i < 2; i++) pull_and_wait(&world, job);
    if (is_head) waiter = world_await_tokens(&world, limiter, 1);
    world_end_turn(&world);
    EXPECT_EQ(sluice_limiter_close(world.engine, limiter), SLUICE_ESTATE);
    EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
    world_pass(&world, 100 * MS);
    expect_granted(&world, waiter, 100 * MS);
    EXPECT(!sluice_has_deadlines(world.engine));
    EXPECT_EQ(sluice_limiter_close(world.engine, limiter), SLUICE_OK);
  }
  world_fini(&world);
}

/* The loop stays alive for the gate exactly as long as somebody in the line wants it to. */
void test_limiter_keeps_the_loop_alive_while_a_referenced_claim_waits(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  EXPECT_EQ(sluice_draw(world.engine, limiter, 1, SLUICE_NEVER, 9, SLUICE_FLAG_UNREF, &world.decision), SLUICE_OK);
  struct sluice_handle unreferenced = world.decision.lane;
  for (int is_newborn = 1; is_newborn >= 0; is_newborn--) { /* the gate is a newborn, and in the wheel */
    EXPECT(!sluice_is_referenced(world.engine));
    struct sluice_handle waiter = world_await_tokens(&world, limiter, 1); /* behind, and yet */
    EXPECT(sluice_is_referenced(world.engine));
    world_withdraw(&world, waiter);
    EXPECT(!sluice_is_referenced(world.engine));
    struct sluice_policy policy = limited_policy(limiter, 9, 2);
    policy.flags = SLUICE_FLAG_UNREF;
    struct sluice_handle job = world_open(&world, &policy);
    pull_and_wait(&world, job);
    EXPECT(!sluice_is_referenced(world.engine));
    EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
    policy.flags = 0;
    job = world_open(&world, &policy);
    pull_and_wait(&world, job);
    EXPECT(sluice_is_referenced(world.engine));
    EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
    EXPECT(!sluice_is_referenced(world.engine));
    EXPECT(sluice_has_deadlines(world.engine));
    world_end_turn(&world);
  }
  struct sluice_handle second = world_await_tokens(&world, limiter, 1);
  world_pass(&world, 100 * MS);
  EXPECT(sluice_is_referenced(world.engine)); /* in the ready list, too */
  expect_granted(&world, unreferenced, 100 * MS);
  EXPECT(sluice_is_referenced(world.engine));
  world_withdraw(&world, second);
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

/* The next one may be lighter: its token is there at once, or sooner. */
void test_limiter_whoever_leaves_the_next_is_served_at_its_time(void) {
  struct world world;
  world_init(&world);
  for (int is_timeout = 0; is_timeout < 2; is_timeout++) {
    struct sluice_handle limiter = empty_limiter(&world);
    EXPECT_EQ(world_draw(&world, limiter, 5, 250 * MS), SLUICE_EVENT_NONE);
    struct sluice_handle heavy = world.decision.lane;
    struct sluice_handle light = world_await_tokens(&world, limiter, 1);
    struct sluice_handle next = world_await_tokens(&world, limiter, 2);
    world_end_turn(&world);
    EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 250 * MS);
    expect_nothing_after(&world, 250 * MS - 1);
    world_pass(&world, 1);
    if (is_timeout) {
      EXPECT_EQ(world_next(&world), SLUICE_EVENT_OVERTIME);
      EXPECT_SAME(world.decision.lane, heavy);
      EXPECT_EQ(world.decision.elapsed, 250 * MS);
    } else {
      world_withdraw(&world, heavy);
    }
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE); /* at the end of this turn */
    world_pass(&world, 0);
    expect_granted(&world, light, 250 * MS);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
    world_end_turn(&world);
    EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 50 * MS);
    world_pass(&world, 50 * MS);
    expect_granted(&world, next, 300 * MS);
  }
  world_fini(&world);
}

/* One that is not the first of the line leaves it as it was. */
void test_limiter_a_waiter_in_the_line_may_be_withdrawn(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world), waiters[4];
  for (int i = 0; i < 4; i++) waiters[i] = world_await_tokens(&world, limiter, 1);
  world_end_turn(&world);
  world_withdraw(&world, waiters[1]);
  EXPECT_EQ(sluice_withdraw(world.engine, waiters[1]), SLUICE_ESTALE);
  world_withdraw(&world, waiters[3]);
  EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 100 * MS);
  world_pass(&world, 100 * MS);
  expect_granted(&world, waiters[0], 100 * MS);
  world_pass(&world, 100 * MS);
  world_withdraw(&world, waiters[2]); /* its gate is ready */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 1); /* and took nothing */
  world_fini(&world);
}

/* A token that comes with the end of its wait is not too late; the timeout has its grace, the token needs none. */
void test_limiter_a_token_at_the_end_of_the_wait_wins(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  EXPECT_EQ(world_draw(&world, limiter, 1, 100 * MS), SLUICE_EVENT_NONE);
  struct sluice_handle waiter = world.decision.lane;
  EXPECT_EQ(world_draw(&world, limiter, 1, 100 * MS), SLUICE_EVENT_NONE);
  struct sluice_handle second = world.decision.lane;
  world_end_turn(&world);
  world.now += 100 * MS;
  world_expire(&world, 30 * MS); /* the loop was kept: held */
  expect_granted(&world, waiter, 100 * MS);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_end_turn(&world);
  world.now += 30 * MS;
  world_expire(&world, 0);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE); /* one poll more */
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_OVERTIME);
  EXPECT_SAME(world.decision.lane, second);
  EXPECT_EQ(world.decision.elapsed, 130 * MS);
  world_fini(&world);
}

void test_limiter_may_become_faster_or_slower(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_handle first = world_await_tokens(&world, limiter, 2);
  struct sluice_handle second = world_await_tokens(&world, limiter, 1);
  expect_nothing_after(&world, 100 * MS);
  world_reconfigure(&world, limiter, 100, SECOND, 5); /* the token that has accrued stays */
  world_end_turn(&world);
  EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 10 * MS);
  world_pass(&world, 10 * MS);
  expect_granted(&world, first, 110 * MS);
  world_reconfigure(&world, limiter, 1, SECOND, 5);
  expect_nothing_after(&world, SECOND - 1);
  world_pass(&world, 1);
  expect_granted(&world, second, SECOND + 110 * MS);
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 0);
  world_fini(&world);
}

void test_limiter_refuses_who_asks_for_more_than_there_can_be_by_now(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_policy policy = limited_policy(limiter, 9, 1);
  struct sluice_handle job = world_open(&world, &policy);
  EXPECT_EQ(world_draw(&world, limiter, 4, SECOND), SLUICE_EVENT_NONE);
  struct sluice_handle heavy = world.decision.lane;
  struct sluice_handle lane = pull_and_wait(&world, job);
  struct sluice_handle second = world_await_tokens(&world, limiter, 3);
  struct sluice_handle light = world_await_tokens(&world, limiter, 2);
  world_end_turn(&world);
  world_reconfigure(&world, limiter, 10, SECOND, 2);
  EXPECT_EQ(world_limiter_level(&world, limiter).capacity, 2);
  EXPECT_HANDED(&world, SLUICE_EVENT_REFUSED, heavy);
  EXPECT_HANDED(&world, SLUICE_EVENT_REFUSED, second);
  EXPECT_NOTHING_HANDED(&world);
  EXPECT_EQ(sluice_draw(world.engine, limiter, 3, 0, 9, 0, &world.decision), SLUICE_EINVAL);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, lane, 0, 1);
  world_pass(&world, 200 * MS);
  expect_granted(&world, light, 300 * MS);
  expect_nothing_after(&world, SECOND); /* who was refused has no timeout any more */
  world_fini(&world);
}

/* What it holds stays, as far as the new burst allows: another rate is no fresh bucket. */
void test_limiter_another_rate_is_no_fresh_bucket(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = world_limiter(&world, 10, SECOND, 5);
  EXPECT_EQ(world_draw(&world, limiter, 1, 0), SLUICE_EVENT_GRANTED);
  world_reconfigure(&world, limiter, 10, SECOND, 9);
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 4);
  world_reconfigure(&world, limiter, 10, SECOND, 3);
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 3);
  world_reconfigure(&world, limiter, 10, SECOND, 5);
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 3);
  world_fini(&world);
}

/* A limiter may have no rate for a while: it lets everybody pass. */
void test_limiter_without_a_rate_lets_everybody_pass(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_handle first = world_await_tokens(&world, limiter, 5), second = world_await_tokens(&world, limiter, 5);
  world_end_turn(&world);
  world_reconfigure(&world, limiter, 0, 0, 0);
  world_pass(&world, 0);
  expect_granted(&world, first, 0);
  expect_granted(&world, second, 0);
  EXPECT_EQ(world_draw(&world, limiter, SLUICE_PERMIT_MAX, 0), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(world_limiter_level(&world, limiter).capacity, SLUICE_PERMIT_MAX);
  world_penalize(&world, limiter, 100 * MS); /* but when it is shut */
  first = world_await_tokens(&world, limiter, 1);
  expect_nothing_after(&world, 100 * MS - 1);
  world_pass(&world, 1);
  expect_granted(&world, first, 100 * MS);
  world_fini(&world);
}

void test_limiter_a_penalty_ends_with_one_token(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = world_limiter(&world, 10, SECOND, 5); /* full */
  struct sluice_handle waiters[3];
  world_penalize(&world, limiter, SECOND);
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 0);
  for (int i = 0; i < 3; i++) waiters[i] = world_await_tokens(&world, limiter, 1);
  expect_nothing_after(&world, SECOND - 1);
  world_pass(&world, 1);
  expect_granted(&world, waiters[0], SECOND);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  expect_nothing_after(&world, 100 * MS - 1); /* more accrue from there */
  world_pass(&world, 1);
  expect_granted(&world, waiters[1], SECOND + 100 * MS);
  world_penalize(&world, limiter, SECOND); /* of an empty one, while somebody waits */
  expect_nothing_after(&world, SECOND - 1);
  world_pass(&world, 1);
  expect_granted(&world, waiters[2], 2 * SECOND + 100 * MS);
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 0);
  world_fini(&world);
}

/* A second one does not shorten it, and gives no second token. */
void test_limiter_penalties_overlap(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = world_limiter(&world, 10, SECOND, 5);
  world_penalize(&world, limiter, SECOND);
  world_penalize(&world, limiter, 500 * MS);
  struct sluice_handle first = world_await_tokens(&world, limiter, 1), second = world_await_tokens(&world, limiter, 1);
  expect_nothing_after(&world, 500 * MS);
  world_penalize(&world, limiter, SECOND);
  expect_nothing_after(&world, SECOND - 1);
  world_pass(&world, 1);
  expect_granted(&world, first, 1500 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_penalize(&world, limiter, 0); /* not at all, but for the tokens that there were */
  world_pass(&world, 100 * MS);
  expect_granted(&world, second, 1600 * MS);
  world_pass(&world, SECOND);
  world_penalize(&world, limiter, 0);
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 1);
  world_penalize(&world, limiter, SLUICE_NEVER);
  first = world_await_tokens(&world, limiter, 1);
  world_end_turn(&world);
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER);
  EXPECT(!sluice_is_referenced(world.engine)); /* it waits for no time */
  world_withdraw(&world, first);
  world_fini(&world);
}

/* A job that may start nothing now does not keep the others from their tokens; it comes back behind them. */
void test_limiter_jobs_with_too_many_abandoned_leave_the_line(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = world_limiter(&world, 10, SECOND, 1);
  struct sluice_policy policy = limited_policy(limiter, 9, 2);
  policy.max_abandoned = 0;
  policy.timeout = 50 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  world_pull(&world, job);
  EXPECT_START(&world, 0, 1);
  struct sluice_handle lane = pull_and_wait(&world, job);
  struct sluice_handle waiter = world_await_tokens(&world, limiter, 1);
  world_pass(&world, 50 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PULL);
  struct sluice_handle other = world.decision.lane;
  world_pass(&world, 50 * MS);
  expect_granted(&world, waiter, 100 * MS); /* the token is not the job's */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(world_limiter_level(&world, limiter).waiting, 0);
  EXPECT(!sluice_is_referenced(world.engine)); /* the attempt may never end */
  struct sluice_handle second = world_await_tokens(&world, limiter, 1);
  world_late(&world, job);
  EXPECT_EQ(world_limiter_level(&world, limiter).waiting, 2);
  struct sluice_handle third = world_await_tokens(&world, limiter, 1);
  EXPECT_EQ(world_step(&world, other, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  world_pass(&world, 100 * MS);
  expect_granted(&world, second, 100 * MS);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, lane, 1, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
  world_pass(&world, 100 * MS);
  expect_granted(&world, third, 300 * MS);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, other, 2, 1);
  world_fini(&world);
}

void test_limiter_shut_tells_everybody_who_waits(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_policy policy = limited_policy(limiter, 9, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_await_tokens(&world, limiter, 1);
  struct sluice_handle lane = pull_and_wait(&world, job); /* jobs are not told */
  EXPECT_EQ(world_draw(&world, limiter, 5, MS), SLUICE_EVENT_NONE);
  struct sluice_handle timed = world.decision.lane;
  EXPECT_EQ(sluice_limiter_shut(world.engine, limiter), SLUICE_OK);
  world_check(&world);
  EXPECT_HANDED(&world, SLUICE_EVENT_SHUT, first);
  EXPECT_EQ(sluice_withdraw(world.engine, first), SLUICE_ESTALE);
  world_withdraw(&world, timed);
  EXPECT_NOTHING_HANDED(&world);
  world_pass(&world, 100 * MS);
  expect_resumed(&world, lane, 0, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

void test_limiter_is_not_closed_under_a_waiter(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_handle waiter = world_await_tokens(&world, limiter, 1);
  EXPECT_EQ(sluice_limiter_close(world.engine, limiter), SLUICE_ESTATE);
  EXPECT_EQ(sluice_limiter_shut(world.engine, limiter), SLUICE_OK);
  EXPECT_EQ(sluice_limiter_close(world.engine, limiter), SLUICE_ESTATE); /* it does not know yet */
  EXPECT_HANDED(&world, SLUICE_EVENT_SHUT, waiter);
  EXPECT_EQ(sluice_limiter_close(world.engine, limiter), SLUICE_OK);
  struct sluice_usage usage;
  sluice_measure(world.engine, &usage);
  EXPECT(usage.limiters == 0 && usage.waiters == 0);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_limiter_lets_no_more_wait_than_may(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = empty_limiter(&world);
  struct sluice_decision *decision = &world.decision;
  EXPECT_EQ(sluice_draw(world.engine, limiter, 1, 0, 0, 0, decision), SLUICE_ECROWDED);
  struct sluice_policy policy = limited_policy(limiter, 2, 1);
  pull_and_wait(&world, world_open(&world, &policy)); /* is not counted */
  EXPECT_EQ(sluice_draw(world.engine, limiter, 1, 0, 1, 0, decision), SLUICE_OK);
  struct sluice_handle waiter = decision->lane;
  EXPECT_EQ(sluice_draw(world.engine, limiter, 1, 0, 1, 0, decision), SLUICE_ECROWDED);
  world_withdraw(&world, waiter);
  EXPECT_EQ(sluice_draw(world.engine, limiter, 1, 0, 1, 0, decision), SLUICE_OK);
  world_check(&world);
  world_fini(&world);
}

void test_limiter_refuses_what_is_out_of_range(void) {
  struct world world;
  world_init(&world);
  struct sluice_rate bad = {.max = 1, .per = 0}, good = {.max = 1, .per = 1, .burst = SLUICE_ITEM_MAX};
  struct sluice_handle limiter;
  struct sluice_decision decision;
  EXPECT_EQ(sluice_limiter(world.engine, &bad, &limiter), SLUICE_EINVAL);
  EXPECT_EQ(sluice_limiter(world.engine, &good, &limiter), SLUICE_OK);
  EXPECT_EQ(sluice_reconfigure(world.engine, limiter, &bad), SLUICE_EINVAL);
  EXPECT_EQ(sluice_draw(world.engine, limiter, 0, 0, 9, 0, &decision), SLUICE_EINVAL);
  EXPECT_EQ(sluice_draw(world.engine, limiter, SLUICE_ITEM_MAX + 1, 0, 9, 0, &decision), SLUICE_EINVAL);
  EXPECT_EQ(sluice_draw(world.engine, limiter, 1, 0, 9, SLUICE_FLAG_DRAIN, &decision), SLUICE_EINVAL);
  EXPECT_EQ(world_draw(&world, limiter, SLUICE_ITEM_MAX, 0), SLUICE_EVENT_GRANTED);
  world_fini(&world);
}

void test_limiter_stale_handles_are_refused(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle stale = world_limiter(&world, 1, 1, 1);
  EXPECT_EQ(sluice_limiter_close(world.engine, stale), SLUICE_OK);
  world_limiter(&world, 1, 1, 1); /* in the same slot */
  struct sluice_handle forged[] = {stale, {0, 0}, {stale.slot, stale.generation + 1}, {4711, 1}, {UINT32_MAX, 1}};
  struct sluice_rate rate = {.max = 1, .per = 1};
  struct sluice_decision decision;
  struct sluice_level level;
  struct sluice_policy policy = policy_of(1, 1);
  for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
    EXPECT_EQ(sluice_limiter_close(world.engine, forged[i]), SLUICE_ESTALE);
    EXPECT_EQ(sluice_draw(world.engine, forged[i], 1, 0, 9, 0, &decision), SLUICE_ESTALE);
    EXPECT_EQ(sluice_reconfigure(world.engine, forged[i], &rate), SLUICE_ESTALE);
    EXPECT_EQ(sluice_penalize(world.engine, forged[i], 1), SLUICE_ESTALE);
    EXPECT_EQ(sluice_limiter_level(world.engine, forged[i], &level), SLUICE_ESTALE);
    EXPECT_EQ(sluice_limiter_shut(world.engine, forged[i]), SLUICE_ESTALE);
    policy.limiter = forged[i];
    if (forged[i].generation != 0) EXPECT_EQ(sluice_open(world.engine, &policy, &decision), SLUICE_ESTALE);
  }
  world_fini(&world);
}

/* Where there are tokens enough whatever the time is, nobody needs to look at the clock. */
void test_limiter_draws_early_what_it_is_known_to_hold(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle limiter = world_limiter(&world, 10, SECOND, 5);
  struct sluice_engine *engine = world.engine;
  struct sluice_decision *decision = &world.decision;
  EXPECT(sluice_draws_early(engine, limiter, 5));
  EXPECT(!sluice_draws_early(engine, limiter, 6));
  EXPECT_EQ(sluice_draw(engine, limiter, 3, 0, 0, 0, decision), SLUICE_OK);
  EXPECT_EQ(decision->event, SLUICE_EVENT_GRANTED);
  EXPECT_EQ(decision->elapsed, 0);
  world_check(&world);
  EXPECT(sluice_draws_early(engine, limiter, 2));
  EXPECT(!sluice_draws_early(engine, limiter, 3));
  world.now += 100 * MS; /* as if they had been given out only now */
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 2);
  EXPECT_EQ(sluice_draw(engine, limiter, 2, 0, 0, 0, decision), SLUICE_OK);
  EXPECT_EQ(decision->event, SLUICE_EVENT_GRANTED);
  world.now += 100 * MS;
  world_end_turn(&world); /* brings in the time, without being asked */
  EXPECT_EQ(world_limiter_level(&world, limiter).available, 1);
  EXPECT_EQ(world_draw(&world, limiter, 1, 0), SLUICE_EVENT_GRANTED);
  struct sluice_handle waiter = world_await_tokens(&world, limiter, 1);
  EXPECT(!sluice_draws_early(engine, limiter, 1)); /* nor with somebody in the line */
  world_pass(&world, 100 * MS);
  expect_granted(&world, waiter, 100 * MS);
  world.now += SECOND;
  world_penalize(&world, limiter, SECOND);
  EXPECT(!sluice_draws_early(engine, limiter, 1));
  world.now += SECOND;
  world_observe(&world, world.now);
  EXPECT(sluice_draws_early(engine, limiter, 1));
  EXPECT_EQ(sluice_draw(engine, limiter, 1, 0, 0, 0, decision), SLUICE_OK);
  EXPECT_EQ(sluice_limiter_close(engine, limiter), SLUICE_OK); /* what it owes goes with it */
  EXPECT(!sluice_draws_early(engine, limiter, 1));
  world_end_turn(&world);
  world_fini(&world);
}
