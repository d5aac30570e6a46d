/* Leased semaphores and limiters: several engines in one line, and a lender between (lender.c), whose grants arrive at
 * any later time. Jobs are in lease_jobs.c. */
#include "tests.h"
#include "threads.h"

void test_lease_gives_what_is_free_to_any_engine(void) {
  struct threads t;
  threads_permits(&t, 3, 3);
  EXPECT_EQ(world_acquire(&t.worlds[0], t.handles[0], 2, SLUICE_NEVER), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(sluice_take(t.worlds[1].engine, t.handles[1]), 1);
  world_check(&t.worlds[1]);
  EXPECT_EQ(sluice_take(t.worlds[2].engine, t.handles[2]), 0);
  for (int i = 0; i < 3; i++) {
    threads_expect_free(&t, i, 0, 0);
    EXPECT_EQ(world_semaphore_level(&t.worlds[i], t.handles[i]).held, 2u - (unsigned)i);
  }
  EXPECT_EQ(sluice_give(t.worlds[2].engine, t.handles[2], 1), SLUICE_EINVAL); /* others have them */
  EXPECT_EQ(sluice_give(t.worlds[0].engine, t.handles[0], 3), SLUICE_EINVAL);
  world_give(&t.worlds[0], t.handles[0], 2);
  threads_expect_free(&t, 2, 2, 0);
  world_give(&t.worlds[1], t.handles[1], 1);
  threads_expect_free(&t, 0, 3, 0);
  EXPECT(!sluice_has_deadlines(t.worlds[0].engine)); /* nobody has waited */
  threads_fini(&t);
}

/* First come, first served over all engines, by weight too; who is served hears of it when it is delivered. */
void test_lease_is_one_line_of_all_engines(void) {
  struct threads t;
  threads_permits(&t, 3, 2);
  EXPECT_EQ(world_acquire(&t.worlds[0], t.handles[0], 2, 0), SLUICE_EVENT_GRANTED);
  struct sluice_handle heavy = world_await_permits(&t.worlds[1], t.handles[1], 2);
  struct sluice_handle light = world_await_permits(&t.worlds[2], t.handles[2], 1);
  struct sluice_handle own = world_await_permits(&t.worlds[0], t.handles[0], 1);
  world_give(&t.worlds[0], t.handles[0], 1);
  lender_deliver_all(&t.lender);
  for (int i = 0; i < 3; i++) EXPECT_NOTHING_HANDED(&t.worlds[i]);
  world_give(&t.worlds[0], t.handles[0], 1);
  EXPECT_NOTHING_HANDED(&t.worlds[1]); /* granted, and not delivered */
  threads_expect_free(&t, 1, 0, 2);
  EXPECT_EQ(lender_deliver(&t.lender, 1, 9), 1);
  EXPECT_EQ(sluice_give(t.worlds[1].engine, t.handles[1], 1), SLUICE_EINVAL); /* not before it is told */
  EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, heavy);
  world_give(&t.worlds[1], t.handles[1], 2);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[2], SLUICE_EVENT_GRANTED, light);
  EXPECT_HANDED(&t.worlds[0], SLUICE_EVENT_GRANTED, own);
  threads_expect_free(&t, 1, 0, 0);
  threads_fini(&t);
}

static void give_one(struct lender *lender) {
  lender_give(lender, 1, 1);
}

/* Between the first look and the place in the line another thread may give one: then nobody has waited. */
void test_lease_what_has_become_free_meanwhile_is_taken(void) {
  struct threads t;
  threads_permits(&t, 2, 1);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  t.lender.meanwhile = give_one;
  EXPECT_EQ(world_acquire(&t.worlds[0], t.handles[0], 1, SECOND), SLUICE_EVENT_GRANTED);
  struct sluice_usage usage;
  sluice_measure(t.worlds[0].engine, &usage);
  EXPECT_EQ(usage.waiters, 0);
  EXPECT(!sluice_has_deadlines(t.worlds[0].engine));
  EXPECT_EQ(world_semaphore_level(&t.worlds[0], t.handles[0]).held, 1);
  world_give(&t.worlds[0], t.handles[0], 1);
  threads_fini(&t);
  threads_tokens(&t, 2, 1, 1);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  t.lender.meanwhile = give_one;
  EXPECT_EQ(world_draw(&t.worlds[0], t.handles[0], 1, SECOND), SLUICE_EVENT_GRANTED);
  sluice_measure(t.worlds[0].engine, &usage);
  EXPECT_EQ(usage.waiters, 0);
  EXPECT(!sluice_wants_clock(t.worlds[0].engine));
  threads_fini(&t);
}

static struct threads *crowded; /* of the test that runs */

static void come_first(struct lender *lender) {
  (void)lender;
  world_await_permits(&crowded->worlds[1], crowded->handles[1], 1);
}

/* And too many may have come. */
void test_lease_who_came_meanwhile_may_be_one_too_many(void) {
  struct threads t;
  threads_permits(&t, 2, 1);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  crowded = &t;
  t.lender.meanwhile = come_first;
  struct sluice_decision decision;
  struct sluice_engine *engine = t.worlds[0].engine;
  EXPECT_EQ(sluice_acquire(engine, t.handles[0], 1, SECOND, 1, 0, &decision), SLUICE_ECROWDED);
  world_check(&t.worlds[0]);
  struct sluice_usage usage;
  sluice_measure(engine, &usage);
  EXPECT_EQ(usage.waiters, 0);
  EXPECT_EQ(sluice_acquire(engine, t.handles[0], 1, SECOND, 1, 0, &decision), SLUICE_ECROWDED); /* whoever waits */
  threads_expect_free(&t, 0, 0, 1);
  threads_fini(&t);
}

/* What becomes free between two looks of a job is its own. */
void test_lease_a_job_takes_what_has_become_free_meanwhile(void) {
  struct threads t;
  threads_permits(&t, 2, 2);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  struct world *world = &t.worlds[0];
  struct sluice_policy policy = policy_of(3, 3);
  policy.semaphore = t.handles[0];
  struct sluice_handle job = world_open(world, &policy);
  world_start(world, job, 0);
  t.lender.meanwhile = give_one;
  world_start(world, job, 1);
  EXPECT_NOTHING_HANDED(world);
  threads_expect_free(&t, 1, 0, 1); /* it waits for a third */
  threads_fini(&t);
  threads_tokens(&t, 2, 1, 1);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  policy = policy_of(3, 3);
  policy.limiter = t.handles[0];
  job = world_open(world, &policy);
  world_observe(world, world->now);
  t.lender.meanwhile = give_one;
  struct sluice_handle lane = world_pull(world, job);
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_PARK);
  EXPECT_HANDED(world, SLUICE_EVENT_RESUMED, lane);
  EXPECT_START(world, 0, 1);
  threads_fini(&t);
}

/* What was granted belongs to nobody who has gone before he heard of it. */
void test_lease_what_is_withdrawn_before_its_delivery_goes_to_the_next(void) {
  for (int is_told = 0; is_told < 2; is_told++) { /* delivered, and not handed; or not even that */
    struct threads t;
    threads_permits(&t, 3, 1);
    EXPECT_EQ(lender_take(&t.lender, 2, 1), 1);
    struct sluice_handle gone = world_await_permits(&t.worlds[0], t.handles[0], 1);
    struct sluice_handle next = world_await_permits(&t.worlds[1], t.handles[1], 1);
    lender_give(&t.lender, 2, 1);
    if (is_told) EXPECT_EQ(lender_deliver(&t.lender, 0, 9), 1);
    world_withdraw(&t.worlds[0], gone);
    EXPECT(!sluice_is_referenced(t.worlds[0].engine));
    EXPECT_EQ(lender_deliver(&t.lender, 0, 9), 0);
    EXPECT_NOTHING_HANDED(&t.worlds[0]);
    lender_deliver_all(&t.lender);
    EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, next);
    threads_fini(&t);
  }
}

/* A timeout that is told before the grant arrives has won. */
void test_lease_what_times_out_before_its_delivery_goes_to_the_next(void) {
  struct threads t;
  threads_permits(&t, 3, 1);
  EXPECT_EQ(lender_take(&t.lender, 2, 1), 1);
  EXPECT_EQ(world_acquire(&t.worlds[0], t.handles[0], 1, 10 * MS), SLUICE_EVENT_NONE);
  struct sluice_handle late = t.worlds[0].decision.lane;
  EXPECT_EQ(world_acquire(&t.worlds[1], t.handles[1], 1, 10 * MS), SLUICE_EVENT_NONE);
  struct sluice_handle next = t.worlds[1].decision.lane;
  threads_pass(&t, 10 * MS);
  lender_give(&t.lender, 2, 1);
  EXPECT_EQ(world_next(&t.worlds[0]), SLUICE_EVENT_OVERTIME);
  EXPECT_SAME(t.worlds[0].decision.lane, late);
  EXPECT_EQ(t.worlds[0].decision.elapsed, 10 * MS);
  lender_deliver_all(&t.lender);
  EXPECT_EQ(world_next(&t.worlds[1]), SLUICE_EVENT_GRANTED); /* it arrived before: so the timeout is nothing */
  EXPECT_SAME(t.worlds[1].decision.lane, next);
  EXPECT_EQ(world_next(&t.worlds[1]), SLUICE_EVENT_NONE);
  threads_fini(&t);
}

/* sluice_semaphore_shut() is about this engine's waiters, granted and not delivered or not. */
void test_lease_shut_lets_the_others_wait(void) {
  struct threads t;
  threads_permits(&t, 3, 1);
  EXPECT_EQ(lender_take(&t.lender, 2, 1), 1);
  struct sluice_handle first = world_await_permits(&t.worlds[0], t.handles[0], 1);
  struct sluice_handle other = world_await_permits(&t.worlds[1], t.handles[1], 1);
  struct sluice_handle second = world_await_permits(&t.worlds[0], t.handles[0], 1);
  lender_give(&t.lender, 2, 1);
  EXPECT_EQ(sluice_semaphore_shut(t.worlds[0].engine, t.handles[0]), SLUICE_OK);
  world_check(&t.worlds[0]);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[0], SLUICE_EVENT_SHUT, first);
  EXPECT_HANDED(&t.worlds[0], SLUICE_EVENT_SHUT, second);
  EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, other);
  threads_fini(&t);
  threads_tokens(&t, 2, 1, 1);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  first = world_await_tokens(&t.worlds[0], t.handles[0], 1);
  other = world_await_tokens(&t.worlds[1], t.handles[1], 1);
  EXPECT_EQ(sluice_limiter_shut(t.worlds[0].engine, t.handles[0]), SLUICE_OK);
  world_check(&t.worlds[0]);
  EXPECT_HANDED(&t.worlds[0], SLUICE_EVENT_SHUT, first);
  EXPECT(!sluice_wants_clock(t.worlds[0].engine));
  threads_pass(&t, SECOND);
  EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, other);
  threads_fini(&t);
}

/* Another thread may give the permit, so a wait without an end is a reason to stay. */
void test_lease_a_wait_keeps_the_loop_alive(void) {
  struct threads t;
  threads_permits(&t, 2, 1);
  struct world *world = &t.worlds[0];
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  struct sluice_handle waiter = world_await_permits(world, t.handles[0], 1);
  EXPECT(sluice_is_referenced(world->engine));
  EXPECT(!sluice_has_deadlines(world->engine));
  world_withdraw(world, waiter);
  EXPECT(!sluice_is_referenced(world->engine));
  struct sluice_decision decision;
  EXPECT_EQ(sluice_acquire(world->engine, t.handles[0], 1, SECOND, 9, SLUICE_FLAG_UNREF, &decision), SLUICE_OK);
  world_check(world);
  EXPECT(!sluice_is_referenced(world->engine));
  lender_give(&t.lender, 1, 1);
  lender_deliver_all(&t.lender);
  EXPECT(sluice_is_referenced(world->engine)); /* what is decided is told */
  EXPECT_HANDED(world, SLUICE_EVENT_GRANTED, decision.lane);
  EXPECT(!sluice_is_referenced(world->engine));
  struct sluice_policy policy = policy_of(2, 1); /* a job's claims the same */
  policy.semaphore = t.handles[0];
  struct sluice_handle job = world_open(world, &policy);
  world_pull(world, job);
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_PARK);
  EXPECT(sluice_is_referenced(world->engine));
  world_abort(world, job);
  EXPECT(!sluice_is_referenced(world->engine));
  policy.flags = SLUICE_FLAG_UNREF;
  world_pull(world, world_open(world, &policy));
  EXPECT(!sluice_is_referenced(world->engine));
  threads_fini(&t);
  threads_tokens(&t, 2, 1, 1);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  waiter = world_await_tokens(world, t.handles[0], 1);
  EXPECT(sluice_is_referenced(world->engine));
  EXPECT(sluice_wants_clock(world->engine));
  world_withdraw(world, waiter);
  EXPECT(!sluice_is_referenced(world->engine));
  EXPECT(!sluice_wants_clock(world->engine));
  threads_fini(&t);
}

void test_lease_closing_gives_back_what_it_holds(void) {
  struct threads t;
  threads_permits(&t, 2, 3);
  struct world *world = &t.worlds[0];
  EXPECT_EQ(world_acquire(world, t.handles[0], 2, 0), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  struct sluice_handle other = world_await_permits(&t.worlds[1], t.handles[1], 2);
  struct sluice_handle own = world_await_permits(world, t.handles[0], 1);
  uint64_t in_use = 77;
  EXPECT_EQ(sluice_semaphore_close(world->engine, t.handles[0], &in_use), SLUICE_ESTATE);
  lender_check(&t.lender);
  world_withdraw(world, own);
  EXPECT_EQ(sluice_semaphore_close(world->engine, t.handles[0], &in_use), SLUICE_OK);
  EXPECT_EQ(in_use, 2);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, other);
  EXPECT_EQ(t.lender.common.seats, 1);
  EXPECT_EQ(sluice_give(world->engine, t.handles[0], 1), SLUICE_ESTALE);
  EXPECT_EQ(sluice_take(world->engine, t.handles[0]), SLUICE_ESTALE);
  t.handles[0] = lender_lease(&t.lender, 0, world); /* and it may come back */
  threads_expect_free(&t, 0, 0, 0);
  threads_fini(&t);
}

/* A thread that ends takes nothing with it. */
void test_lease_an_engine_that_is_gone_gives_everything_back(void) {
  struct threads t;
  threads_permits(&t, 3, 3);
  EXPECT_EQ(world_acquire(&t.worlds[0], t.handles[0], 1, 0), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(world_acquire(&t.worlds[1], t.handles[1], 1, 0), SLUICE_EVENT_GRANTED);
  struct sluice_policy policy = policy_of(9, 1);
  policy.semaphore = t.handles[0];
  world_start(&t.worlds[0], world_open(&t.worlds[0], &policy), 0);
  world_await_permits(&t.worlds[0], t.handles[0], 3);
  struct sluice_handle heavy = world_await_permits(&t.worlds[2], t.handles[2], 2);
  lender_vanish(&t.lender, 0);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[2], SLUICE_EVENT_GRANTED, heavy);
  threads_expect_free(&t, 2, 0, 0);
  threads_fini(&t);
}

/* What one engine changes is so for all. */
void test_lease_a_resize_refuses_and_serves_everywhere(void) {
  struct threads t;
  threads_permits(&t, 3, 3);
  EXPECT_EQ(lender_take(&t.lender, 2, 3), 1);
  struct sluice_handle heavy = world_await_permits(&t.worlds[0], t.handles[0], 3);
  struct sluice_handle light = world_await_permits(&t.worlds[1], t.handles[1], 2);
  world_resize(&t.worlds[1], t.handles[1], 2);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[0], SLUICE_EVENT_REFUSED, heavy);
  EXPECT_NOTHING_HANDED(&t.worlds[1]);
  EXPECT_EQ(world_semaphore_level(&t.worlds[0], t.handles[0]).capacity, 2);
  EXPECT_EQ(sluice_acquire(t.worlds[0].engine, t.handles[0], 3, 0, 9, 0, &t.worlds[0].decision), SLUICE_EINVAL);
  world_resize(&t.worlds[0], t.handles[0], 5);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, light);
  EXPECT_EQ(sluice_resize(t.worlds[0].engine, t.handles[0], 0), SLUICE_EINVAL);
  threads_fini(&t);
}

void test_lease_tokens_come_in_the_order_of_asking(void) {
  struct threads t;
  threads_tokens(&t, 3, 10, 2);
  EXPECT_EQ(world_draw(&t.worlds[0], t.handles[0], 2, 0), SLUICE_EVENT_GRANTED);
  EXPECT(!sluice_draws_early(t.worlds[0].engine, t.handles[0], 1)); /* nobody here knows what there is */
  struct sluice_handle heavy = world_await_tokens(&t.worlds[1], t.handles[1], 2);
  struct sluice_handle light = world_await_tokens(&t.worlds[2], t.handles[2], 1);
  EXPECT_EQ(world_limiter_level(&t.worlds[0], t.handles[0]).waiting, 2);
  threads_pass(&t, 200 * MS - 1);
  EXPECT_EQ(world_next(&t.worlds[1]), SLUICE_EVENT_NONE);
  threads_pass(&t, 1);
  EXPECT_EQ(world_next(&t.worlds[1]), SLUICE_EVENT_GRANTED);
  EXPECT_SAME(t.worlds[1].decision.lane, heavy);
  EXPECT_EQ(t.worlds[1].decision.elapsed, 200 * MS);
  EXPECT_EQ(world_next(&t.worlds[2]), SLUICE_EVENT_NONE);
  threads_pass(&t, 100 * MS);
  EXPECT_EQ(world_next(&t.worlds[2]), SLUICE_EVENT_GRANTED);
  EXPECT_SAME(t.worlds[2].decision.lane, light);
  for (int i = 0; i < 3; i++) EXPECT(!sluice_wants_clock(t.worlds[i].engine));
  threads_fini(&t);
}

/* Tokens that were granted and are not wanted any more are given back. */
void test_lease_tokens_of_who_has_gone_are_given_back(void) {
  for (int way = 0; way < 3; way++) {
    struct threads t;
    threads_tokens(&t, 2, 10, 1);
    EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
    EXPECT_EQ(world_draw(&t.worlds[0], t.handles[0], 1, 100 * MS), SLUICE_EVENT_NONE);
    struct sluice_handle gone = t.worlds[0].decision.lane;
    struct sluice_handle next = world_await_tokens(&t.worlds[1], t.handles[1], 1);
    lender_deliver_all(&t.lender);
    if (way == 0) { /* a timeout that is told before the delivery */
      for (int i = 0; i < 2; i++) world_pass(&t.worlds[i], 100 * MS);
      lender_tick(&t.lender);
      EXPECT_EQ(world_next(&t.worlds[0]), SLUICE_EVENT_OVERTIME);
    } else { /* withdrawn: before the delivery, or after it */
      threads_move(&t, 100 * MS);
      lender_tick(&t.lender);
      if (way == 2) EXPECT_EQ(lender_deliver(&t.lender, 0, 9), 1);
      world_withdraw(&t.worlds[0], gone);
    }
    EXPECT_EQ(lender_deliver(&t.lender, 0, 9), 0);
    lender_deliver_all(&t.lender);
    EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, next);
    threads_fini(&t);
  }
}

void test_lease_penalize_and_reconfigure_are_for_all(void) {
  struct threads t;
  threads_tokens(&t, 2, 10, 3);
  EXPECT_EQ(lender_take(&t.lender, 1, 3), 1);
  struct sluice_handle heavy = world_await_tokens(&t.worlds[0], t.handles[0], 3);
  struct sluice_handle light = world_await_tokens(&t.worlds[0], t.handles[0], 1);
  world_penalize(&t.worlds[1], t.handles[1], SECOND);
  lender_deliver_all(&t.lender);
  EXPECT_EQ(lender_next_timer(&t.lender), t.worlds[0].now + SECOND + 200 * MS);
  world_reconfigure(&t.worlds[1], t.handles[1], 100, SECOND, 2);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[0], SLUICE_EVENT_REFUSED, heavy);
  EXPECT_EQ(world_limiter_level(&t.worlds[0], t.handles[0]).capacity, 2);
  EXPECT_EQ(lender_next_timer(&t.lender), t.worlds[0].now + SECOND);
  threads_pass(&t, SECOND);
  EXPECT_HANDED(&t.worlds[0], SLUICE_EVENT_GRANTED, light);
  struct sluice_rate bad = {.max = 1, .per = 0, .burst = 0};
  EXPECT_EQ(sluice_reconfigure(t.worlds[0].engine, t.handles[0], &bad), SLUICE_EINVAL);
  EXPECT_EQ(sluice_limiter_close(t.worlds[0].engine, t.handles[0]), SLUICE_OK);
  EXPECT_EQ(t.lender.common.seats, 1);
  threads_fini(&t);
}

/* What comes back is too little for the head, and makes its time sooner. */
void test_lease_tokens_that_come_back_make_the_wait_shorter(void) {
  struct threads t;
  threads_tokens(&t, 2, 10, 3);
  EXPECT_EQ(lender_take(&t.lender, 1, 3), 1);
  struct sluice_handle waiter = world_await_tokens(&t.worlds[0], t.handles[0], 3);
  lender_deliver_all(&t.lender);
  EXPECT_EQ(lender_next_timer(&t.lender), t.worlds[0].now + 300 * MS);
  lender_give(&t.lender, 1, 2);
  lender_deliver_all(&t.lender);
  EXPECT_EQ(lender_next_timer(&t.lender), t.worlds[0].now + 100 * MS);
  threads_pass(&t, 100 * MS);
  EXPECT_HANDED(&t.worlds[0], SLUICE_EVENT_GRANTED, waiter);
  threads_fini(&t);
}

/* Makes the call again where it had no memory: then nothing was leased, taken or asked for. */
#define TRY(call) \
  do { \
    int error = (call); \
    world_check(world); \
    lender_check(&permits); \
    lender_check(&tokens); \
    if (error == SLUICE_OK) break; \
    EXPECT_EQ(error, SLUICE_ENOMEM); \
    EXPECT_EQ(permits.common.waiting, waiting); \
    EXPECT_EQ(tokens.common.waiting, drawing); \
    failures++; \
  } while (1)

/* What two engines do with a semaphore and a limiter, the `failing`th allocation of the first failing. Returns how many
 * there are. */
static uint64_t play_without_memory(uint64_t failing) {
  struct world first, second, *world = &first;
  struct lender permits, tokens;
  struct sluice_handle semaphore, limiter, job;
  uint64_t failures = 0, waiting = 0, drawing = 0, in_use;
  world_init(&first);
  world_init(&second);
  lender_permits(&permits, &first.now, 2);
  lender_tokens(&tokens, &first.now, 10, SECOND, 1);
  struct sluice_handle others = lender_lease(&permits, 1, &second);
  lender_lease(&tokens, 1, &second);
  first.memory.calls = 0;
  first.memory.fails_from = failing;
  first.memory.fails_for = 1;
  struct lender_seat *at_permits = lender_join(&permits, 0, &first), *at_tokens = lender_join(&tokens, 0, &first);
  TRY(sluice_lease_permits(first.engine, &lender_functions, at_permits, &semaphore));
  TRY(sluice_lease_tokens(first.engine, &lender_functions, at_tokens, &limiter));
  EXPECT_EQ(lender_take(&permits, 1, 1), 1);
  struct sluice_policy policy = policy_of(4, 3);
  policy.semaphore = semaphore;
  policy.item_timeout = SECOND;
  TRY(sluice_open(first.engine, &policy, &first.decision));
  job = first.decision.job;
  TRY(sluice_join(first.engine, job, &first.decision));
  EXPECT_START(&first, 0, 1);
  lender_give(&permits, 1, 1);
  TRY(sluice_join(first.engine, job, &first.decision)); /* what it leased for a lane that had no memory is still its */
  EXPECT_START(&first, 1, 1);
  waiting = permits.common.waiting;
  TRY(sluice_acquire(first.engine, semaphore, 1, SECOND, 9, 0, &first.decision));
  EXPECT_EQ(lender_take(&tokens, 1, 1), 1);
  TRY(sluice_draw(first.engine, limiter, 1, SECOND, 9, 0, &first.decision));
  EXPECT(permits.common.waiting == waiting + 1 && tokens.common.waiting == 1);
  EXPECT_EQ(world_abort(&first, job), SLUICE_ACTION_FAIL);
  lender_deliver_all(&permits);
  EXPECT_EQ(world_hand(&first), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(sluice_limiter_shut(first.engine, limiter), SLUICE_OK);
  EXPECT_EQ(world_hand(&first), SLUICE_EVENT_SHUT);
  EXPECT_EQ(sluice_semaphore_close(first.engine, semaphore, &in_use), SLUICE_OK);
  EXPECT_EQ(sluice_limiter_close(first.engine, limiter), SLUICE_OK);
  EXPECT_EQ(in_use, 1);
  EXPECT_EQ(world_semaphore_level(&second, others).available, 2);
  uint64_t calls = first.memory.calls;
  EXPECT_EQ(failures, failing < calls);
  world_fini(&first);
  world_fini(&second);
  return calls;
}

void test_lease_each_allocation_may_fail(void) {
  uint64_t calls = play_without_memory(UINT64_MAX);
  EXPECT(calls > 4);
  for (uint64_t failing = 0; failing < calls; failing++) play_without_memory(failing);
}
