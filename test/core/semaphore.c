/* Semaphores and those that wait for their permits. Jobs that do are in semaphore_jobs.c. */
#include "tests.h"
#include "world.h"

static void expect_free(struct world *world, struct sluice_handle semaphore, uint64_t available, uint64_t waiting) {
  struct sluice_level level = world_semaphore_level(world, semaphore);
  EXPECT_EQ(level.available, available);
  EXPECT_EQ(level.waiting, waiting);
}

void test_semaphore_gives_what_is_free_at_once(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 5, 1);
  EXPECT_EQ(world_acquire(&world, semaphore, 1, 0), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(world.decision.action, 0);
  EXPECT_EQ(world_acquire(&world, semaphore, 3, SECOND), SLUICE_EVENT_GRANTED);
  expect_free(&world, semaphore, 0, 0);
  EXPECT(!sluice_has_deadlines(world.engine)); /* nobody waits */
  world_give(&world, semaphore, 5);
  expect_free(&world, semaphore, 5, 0);
  EXPECT_EQ(world_semaphore_level(&world, semaphore).capacity, 5);
  EXPECT_NOTHING_HANDED(&world);
  world_fini(&world);
}

/* A heavy waiter is not starved: what is given back is kept for it, and nobody behind it gets any. */
void test_semaphore_is_first_come_first_served_by_weight_too(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 3, 3);
  struct sluice_handle heavy = world_await_permits(&world, semaphore, 3);
  struct sluice_handle light = world_await_permits(&world, semaphore, 1);
  for (int i = 0; i < 2; i++) {
    world_give(&world, semaphore, 1);
    EXPECT_NOTHING_HANDED(&world);
    expect_free(&world, semaphore, 0, 2); /* none for anybody else */
  }
  struct sluice_handle last = world_await_permits(&world, semaphore, 1);
  world_give(&world, semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, heavy);
  EXPECT_NOTHING_HANDED(&world);
  world_give(&world, semaphore, 3);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, light);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, last);
  expect_free(&world, semaphore, 1, 0);
  world_fini(&world);
}

/* Also who would fit waits behind who does not. */
void test_semaphore_nobody_overtakes(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 1);
  struct sluice_handle heavy = world_await_permits(&world, semaphore, 2);
  struct sluice_handle light = world_await_permits(&world, semaphore, 1);
  world_give(&world, semaphore, 1);
  struct sluice_handle late = world_await_permits(&world, semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, heavy);
  world_give(&world, semaphore, 1);
  struct sluice_handle later = world_await_permits(&world, semaphore, 1);
  world_give(&world, semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, light);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, late);
  world_give(&world, semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, later);
  world_fini(&world);
}

void test_semaphore_hands_over_in_the_same_call_and_in_order(void) {
  enum { WAITERS = 6 };
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 4, 4), waiters[WAITERS];
  for (int i = 0; i < WAITERS; i++) waiters[i] = world_await_permits(&world, semaphore, 1);
  EXPECT(!sluice_has_handed(world.engine));
  EXPECT(!sluice_is_ready(world.engine));
  world_give(&world, semaphore, 4);
  EXPECT(sluice_has_handed(world.engine));
  EXPECT(sluice_is_ready(world.engine));
  expect_free(&world, semaphore, 0, 2); /* they have them, told or not */
  for (int i = 0; i < 3; i++) EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiters[i]);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_GRANTED); /* what is left behind */
  EXPECT_SAME(world.decision.lane, waiters[3]);
  EXPECT(!sluice_has_handed(world.engine));
  EXPECT_NOTHING_HANDED(&world);
  world_give(&world, semaphore, 2);
  for (int i = 4; i < 6; i++) EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiters[i]);
  struct sluice_usage usage;
  sluice_measure(world.engine, &usage);
  EXPECT(usage.waiters == 0 && usage.semaphores == 1);
  world_fini(&world);
}

/* What was handed comes before what time has brought. */
void test_semaphore_what_was_handed_comes_first(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  struct sluice_handle waiter = world_await_permits(&world, semaphore, 1);
  struct sluice_handle sleep = world_sleep(&world, MS, 0);
  world_pass(&world, MS);
  world_give(&world, semaphore, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_GRANTED);
  EXPECT_SAME(world.decision.lane, waiter);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_SLEPT);
  EXPECT_SAME(world.decision.lane, sleep);
  world_fini(&world);
}

void test_semaphore_a_timeout_takes_a_waiter_out(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 2);
  EXPECT_EQ(world_acquire(&world, semaphore, 1, 100 * MS), SLUICE_EVENT_NONE);
  struct sluice_handle first = world.decision.lane;
  EXPECT_EQ(world_acquire(&world, semaphore, 1, 50 * MS), SLUICE_EVENT_NONE);
  struct sluice_handle second = world.decision.lane;
  struct sluice_handle third = world_await_permits(&world, semaphore, 1);
  world_pass(&world, 50 * MS - 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(sluice_next_expiry(world.engine), world.now + 1);
  world_pass(&world, 1);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_OVERTIME);
  EXPECT_SAME(world.decision.lane, second);
  EXPECT_EQ(world.decision.action, 0);
  EXPECT_EQ(world.decision.elapsed, 50 * MS);
  EXPECT_EQ(world.decision.blocked, 0);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT_EQ(sluice_withdraw(world.engine, second), SLUICE_ESTALE);
  expect_free(&world, semaphore, 0, 2);
  world_give(&world, semaphore, 2);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, first);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, third);
  world_pass(&world, SECOND); /* its time does not go on */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

/* Those behind a heavy waiter that gives up may be light enough. */
void test_semaphore_whoever_leaves_lets_lighter_ones_pass(void) {
  struct world world;
  world_init(&world);
  for (int is_timeout = 0; is_timeout < 2; is_timeout++) {
    struct sluice_handle semaphore = world_semaphore(&world, 5, 3);
    EXPECT_EQ(world_acquire(&world, semaphore, 4, 100 * MS), SLUICE_EVENT_NONE);
    struct sluice_handle heavy = world.decision.lane;
    struct sluice_handle light = world_await_permits(&world, semaphore, 1);
    struct sluice_handle second = world_await_permits(&world, semaphore, 1);
    struct sluice_handle third = world_await_permits(&world, semaphore, 1);
    if (is_timeout) {
      world_pass(&world, 100 * MS);
      EXPECT_EQ(world_next(&world), SLUICE_EVENT_OVERTIME);
      EXPECT_SAME(world.decision.lane, heavy);
    } else {
      world_withdraw(&world, heavy);
    }
    EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, light);
    EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, second);
    EXPECT_NOTHING_HANDED(&world);
    expect_free(&world, semaphore, 0, 1);
    world_withdraw(&world, third);
  }
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

/* As for all timeouts: due is not over. A permit that comes while it is held, in the poll or before anybody was told
 * wins. */
void test_semaphore_timeouts_have_grace(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  for (int moment = 0; moment < 4; moment++) {
    EXPECT_EQ(world_acquire(&world, semaphore, 1, 100 * MS), SLUICE_EVENT_NONE);
    struct sluice_handle waiter = world.decision.lane;
    world_end_turn(&world);
    world.now += 100 * MS;
    world_expire(&world, moment == 0 || moment == 3 ? 20 * MS : 0);
    if (moment == 0 || moment == 3) world_judge(&world); /* it is held */
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
    if (moment == 2) world_judge(&world);
    if (moment == 3) { /* and nobody came */
      world.now += 20 * MS;
      world_expire(&world, 0);
      world_judge(&world);
      EXPECT_EQ(world_next(&world), SLUICE_EVENT_OVERTIME);
      EXPECT_SAME(world.decision.lane, waiter);
      EXPECT_EQ(world.decision.elapsed, 120 * MS);
      continue;
    }
    world_give(&world, semaphore, 1);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_GRANTED);
    EXPECT_SAME(world.decision.lane, waiter);
    world_pass(&world, 50 * MS);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  }
  world_fini(&world);
}

void test_semaphore_a_timeout_of_0_gets_one_poll(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  for (int is_given = 0; is_given < 2; is_given++) {
    EXPECT_EQ(world_acquire(&world, semaphore, 1, 0), SLUICE_EVENT_NONE);
    world_end_turn(&world);
    EXPECT(sluice_wants_turn(world.engine));
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
    if (is_given) world_give(&world, semaphore, 1);
    world_judge(&world);
    EXPECT_EQ(world_next(&world), is_given ? SLUICE_EVENT_GRANTED : SLUICE_EVENT_OVERTIME);
  }
  world_fini(&world);
}

void test_semaphore_overtime_tells_how_long_the_loop_was_kept(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  EXPECT_EQ(world_acquire(&world, semaphore, 1, 100 * MS), SLUICE_EVENT_NONE);
  world_end_turn(&world);
  world.now += 150 * MS;
  sluice_turn_end(world.engine, world.now, 90 * MS);
  world_expire(&world, 0);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_OVERTIME);
  EXPECT_EQ(world.decision.elapsed, 150 * MS);
  EXPECT(world.decision.blocked > 89 * MS && world.decision.blocked <= 90 * MS); /* in units of 16 us */
  world_fini(&world);
}

void test_semaphore_a_waiter_may_be_withdrawn(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 2);
  struct sluice_handle waiters[5];
  for (int i = 0; i < 5; i++) waiters[i] = world_await_permits(&world, semaphore, 1);
  world_withdraw(&world, waiters[1]); /* in the line */
  EXPECT_EQ(sluice_withdraw(world.engine, waiters[1]), SLUICE_ESTALE);
  world_withdraw(&world, waiters[0]); /* its head */
  EXPECT_NOTHING_HANDED(&world);
  world_give(&world, semaphore, 1);
  world_withdraw(&world, waiters[2]); /* handed, and not told: it is the next one's */
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiters[3]);
  EXPECT_EQ(sluice_withdraw(world.engine, waiters[3]), SLUICE_ESTALE); /* it is gone */
  world_give(&world, semaphore, 1);
  world_withdraw(&world, waiters[4]); /* and where there is no next one it is free */
  EXPECT_NOTHING_HANDED(&world);
  expect_free(&world, semaphore, 1, 0);
  EXPECT_EQ(sluice_next_expiry(world.engine), SLUICE_NEVER);
  world_fini(&world);
}

/* All of a heavy one's permits go on, to several. */
void test_semaphore_what_a_heavy_one_was_handed_serves_several(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 3, 3);
  struct sluice_handle heavy = world_await_permits(&world, semaphore, 3);
  struct sluice_handle first = world_await_permits(&world, semaphore, 2);
  struct sluice_handle second = world_await_permits(&world, semaphore, 1);
  world_give(&world, semaphore, 3);
  world_withdraw(&world, heavy);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, first);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, second);
  world_fini(&world);
}

void test_semaphore_who_is_refused_or_shut_out_has_nothing_to_give_back(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 3, 2);
  struct sluice_handle refused = world_await_permits(&world, semaphore, 3);
  world_resize(&world, semaphore, 2);
  world_withdraw(&world, refused);
  struct sluice_handle shut = world_await_permits(&world, semaphore, 1);
  EXPECT_EQ(sluice_semaphore_shut(world.engine, semaphore), SLUICE_OK);
  world_withdraw(&world, shut);
  EXPECT_NOTHING_HANDED(&world);
  expect_free(&world, semaphore, 0, 0);
  world_give(&world, semaphore, 2);
  expect_free(&world, semaphore, 2, 0);
  EXPECT_EQ(sluice_give(world.engine, semaphore, 1), SLUICE_EINVAL);
  world_fini(&world);
}

void test_semaphore_may_grow(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  struct sluice_handle waiters[3];
  for (int i = 0; i < 3; i++) waiters[i] = world_await_permits(&world, semaphore, 1);
  world_resize(&world, semaphore, 3);
  for (int i = 0; i < 2; i++) EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiters[i]);
  EXPECT_NOTHING_HANDED(&world);
  world_resize(&world, semaphore, SLUICE_PERMIT_MAX);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiters[2]);
  expect_free(&world, semaphore, SLUICE_PERMIT_MAX - 4, 0);
  world_fini(&world);
}

/* Permits that are out stay out: nothing is given until there is less than the new number. */
void test_semaphore_may_shrink_below_what_is_out(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 5, 5);
  struct sluice_handle waiter = world_await_permits(&world, semaphore, 1);
  world_resize(&world, semaphore, 2);
  for (int i = 0; i < 3; i++) {
    world_give(&world, semaphore, 1);
    EXPECT_NOTHING_HANDED(&world);
  }
  world_give(&world, semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiter);
  expect_free(&world, semaphore, 0, 0);
  world_fini(&world);
}

void test_semaphore_refuses_who_asks_for_more_than_there_can_be_by_now(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 5, 4);
  struct sluice_handle first = world_await_permits(&world, semaphore, 4);
  EXPECT_EQ(world_acquire(&world, semaphore, 3, 50 * MS), SLUICE_EVENT_NONE);
  struct sluice_handle second = world.decision.lane;
  struct sluice_handle third = world_await_permits(&world, semaphore, 5);
  struct sluice_handle light = world_await_permits(&world, semaphore, 1);
  world_resize(&world, semaphore, 4);
  EXPECT_HANDED(&world, SLUICE_EVENT_REFUSED, third);
  EXPECT_NOTHING_HANDED(&world);
  world_give(&world, semaphore, 3);
  world_resize(&world, semaphore, 2);
  EXPECT_HANDED(&world, SLUICE_EVENT_REFUSED, first);
  EXPECT_EQ(world.decision.action, 0);
  EXPECT_HANDED(&world, SLUICE_EVENT_REFUSED, second);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, light); /* nobody is before it now */
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 3, 0, 9, 0, &world.decision), SLUICE_EINVAL);
  world_pass(&world, 50 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE); /* who was refused has no timeout any more */
  world_fini(&world);
}

void test_semaphore_shut_tells_everybody_who_waits(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 2);
  EXPECT_EQ(sluice_semaphore_shut(world.engine, semaphore), SLUICE_OK); /* there is nobody */
  EXPECT_NOTHING_HANDED(&world);
  struct sluice_handle handed = world_await_permits(&world, semaphore, 1);
  struct sluice_handle heavy = world_await_permits(&world, semaphore, 2);
  EXPECT_EQ(world_acquire(&world, semaphore, 1, MS), SLUICE_EVENT_NONE);
  struct sluice_handle timed = world.decision.lane;
  world_give(&world, semaphore, 1);
  EXPECT_EQ(sluice_semaphore_shut(world.engine, semaphore), SLUICE_OK);
  world_check(&world);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, handed); /* it has waited, and got it */
  EXPECT_HANDED(&world, SLUICE_EVENT_SHUT, heavy);
  EXPECT_EQ(world.decision.action, 0);
  EXPECT_HANDED(&world, SLUICE_EVENT_SHUT, timed);
  EXPECT_NOTHING_HANDED(&world);
  expect_free(&world, semaphore, 0, 0);
  world_pass(&world, MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_give(&world, semaphore, 1); /* it is as before, otherwise */
  EXPECT_EQ(world_acquire(&world, semaphore, 1, 0), SLUICE_EVENT_GRANTED);
  world_fini(&world);
}

void test_semaphore_close_tells_what_is_out(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 3, 1);
  EXPECT_EQ(world_acquire(&world, semaphore, 1, 0), SLUICE_EVENT_GRANTED);
  uint64_t in_use = 77;
  EXPECT_EQ(sluice_semaphore_close(world.engine, semaphore, &in_use), SLUICE_OK);
  world_check(&world);
  EXPECT_EQ(in_use, 2);
  EXPECT_EQ(sluice_semaphore_close(world.engine, semaphore, &in_use), SLUICE_ESTALE);
  struct sluice_usage usage;
  sluice_measure(world.engine, &usage);
  EXPECT_EQ(usage.semaphores, 0);
  world_fini(&world);
}

/* Whoever waits, or has waited and does not know yet how it ended, has something to give back or to be told. */
void test_semaphore_is_not_closed_under_a_waiter(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 3, 3);
  struct sluice_handle waiter = world_await_permits(&world, semaphore, 1);
  uint64_t in_use = 77;
  EXPECT_EQ(sluice_semaphore_close(world.engine, semaphore, &in_use), SLUICE_ESTATE);
  world_give(&world, semaphore, 1);
  EXPECT_EQ(sluice_semaphore_close(world.engine, semaphore, &in_use), SLUICE_ESTATE);
  EXPECT_EQ(in_use, 77);
  world_withdraw(&world, waiter);
  waiter = world_await_permits(&world, semaphore, 2);
  EXPECT_EQ(sluice_semaphore_shut(world.engine, semaphore), SLUICE_OK);
  EXPECT_EQ(sluice_semaphore_close(world.engine, semaphore, &in_use), SLUICE_ESTATE);
  EXPECT_HANDED(&world, SLUICE_EVENT_SHUT, waiter);
  EXPECT_EQ(sluice_semaphore_close(world.engine, semaphore, &in_use), SLUICE_OK);
  EXPECT_EQ(in_use, 2);
  world_fini(&world);
}

void test_semaphore_lets_no_more_wait_than_may(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 2);
  struct sluice_decision *decision = &world.decision;
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, SLUICE_NEVER, 0, 0, decision), SLUICE_ECROWDED);
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, SLUICE_NEVER, 2, 0, decision), SLUICE_OK);
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, SLUICE_NEVER, 2, 0, decision), SLUICE_OK);
  struct sluice_handle second = decision->lane;
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, SLUICE_NEVER, 2, 0, decision), SLUICE_ECROWDED);
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, SLUICE_NEVER, 3, 0, decision), SLUICE_OK);
  struct sluice_policy policy = policy_of(2, 1); /* a job's lane is not counted */
  policy.semaphore = semaphore;
  world_pull(&world, world_open(&world, &policy));
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PARK);
  expect_free(&world, semaphore, 0, 4);
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, SLUICE_NEVER, 4, 0, decision), SLUICE_OK);
  world_withdraw(&world, second);
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, SLUICE_NEVER, 3, 0, decision), SLUICE_ECROWDED);
  world_check(&world);
  world_give(&world, semaphore, 1); /* who has been handed one does not wait */
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, SLUICE_NEVER, 3, 0, decision), SLUICE_OK);
  world_check(&world);
  world_give(&world, semaphore, 1);
  world_fini(&world);
}

void test_semaphore_refuses_what_is_out_of_range(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle none;
  EXPECT_EQ(sluice_semaphore(world.engine, 0, 0, &none), SLUICE_EINVAL);
  EXPECT_EQ(sluice_semaphore(world.engine, SLUICE_PERMIT_MAX + 1, 0, &none), SLUICE_EINVAL);
  EXPECT_EQ(sluice_semaphore(world.engine, 1, SLUICE_PERMIT_MAX + 1, &none), SLUICE_EINVAL);
  struct sluice_handle semaphore = world_semaphore(&world, SLUICE_PERMIT_MAX, SLUICE_PERMIT_MAX);
  world_give(&world, semaphore, SLUICE_PERMIT_MAX);
  struct sluice_decision decision;
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 0, 0, 9, 0, &decision), SLUICE_EINVAL);
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, SLUICE_PERMIT_MAX + 1, 0, 9, 0, &decision), SLUICE_EINVAL);
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, 0, 9, SLUICE_FLAG_COLLECT, &decision), SLUICE_EINVAL);
  EXPECT_EQ(sluice_give(world.engine, semaphore, 1), SLUICE_EINVAL);
  EXPECT_EQ(sluice_give(world.engine, semaphore, UINT64_MAX), SLUICE_EINVAL);
  EXPECT_EQ(sluice_resize(world.engine, semaphore, 0), SLUICE_EINVAL);
  EXPECT_EQ(sluice_resize(world.engine, semaphore, SLUICE_PERMIT_MAX + 1), SLUICE_EINVAL);
  expect_free(&world, semaphore, SLUICE_PERMIT_MAX, 0);
  world_fini(&world);
}

/* Permits that somebody has and has not heard of are not the caller's to give. */
void test_semaphore_takes_back_only_what_the_caller_has(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 2);
  struct sluice_handle waiter = world_await_permits(&world, semaphore, 1);
  world_give(&world, semaphore, 1);
  EXPECT_EQ(sluice_give(world.engine, semaphore, 2), SLUICE_EINVAL);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiter);
  world_give(&world, semaphore, 2);
  struct sluice_policy policy = policy_of(2, 2);
  policy.semaphore = semaphore;
  world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(sluice_give(world.engine, semaphore, 1), SLUICE_EINVAL);
  world_fini(&world);
}

void test_semaphore_stale_handles_are_refused(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle stale = world_semaphore(&world, 1, 0);
  uint64_t in_use;
  EXPECT_EQ(sluice_semaphore_close(world.engine, stale, &in_use), SLUICE_OK);
  world_semaphore(&world, 1, 0); /* in the same slot */
  struct sluice_handle forged[] = {stale, {0, 0}, {stale.slot, stale.generation + 1}, {4711, 1}, {UINT32_MAX, 1}};
  struct sluice_decision decision;
  struct sluice_level level;
  struct sluice_policy policy = policy_of(1, 1);
  for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
    EXPECT_EQ(sluice_semaphore_close(world.engine, forged[i], &in_use), SLUICE_ESTALE);
    EXPECT_EQ(sluice_acquire(world.engine, forged[i], 1, 0, 9, 0, &decision), SLUICE_ESTALE);
    EXPECT_EQ(sluice_give(world.engine, forged[i], 1), SLUICE_ESTALE);
    EXPECT_EQ(sluice_resize(world.engine, forged[i], 1), SLUICE_ESTALE);
    EXPECT_EQ(sluice_semaphore_level(world.engine, forged[i], &level), SLUICE_ESTALE);
    EXPECT_EQ(sluice_semaphore_shut(world.engine, forged[i]), SLUICE_ESTALE);
    EXPECT_EQ(sluice_withdraw(world.engine, forged[i]), SLUICE_ESTALE);
    policy.semaphore = forged[i];
    if (forged[i].generation != 0) EXPECT_EQ(sluice_open(world.engine, &policy, &decision), SLUICE_ESTALE);
  }
  world_fini(&world);
}

/* A wait without an end is nobody's reason to stay; what has been decided is told. */
void test_semaphore_waits_keep_the_loop_alive_for_their_timeouts_only(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  struct sluice_handle endless = world_await_permits(&world, semaphore, 1);
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT_EQ(sluice_acquire(world.engine, semaphore, 1, SECOND, 9, SLUICE_FLAG_UNREF, &world.decision), SLUICE_OK);
  struct sluice_handle unreferenced = world.decision.lane;
  EXPECT(sluice_has_deadlines(world.engine));
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT_EQ(world_acquire(&world, semaphore, 1, SECOND), SLUICE_EVENT_NONE);
  struct sluice_handle timed = world.decision.lane;
  for (int i = 0; i < 2; i++) {
    EXPECT(sluice_is_referenced(world.engine));
    world_end_turn(&world);
  }
  world_withdraw(&world, timed);
  EXPECT(!sluice_is_referenced(world.engine));
  world_withdraw(&world, endless);
  world_give(&world, semaphore, 1);
  EXPECT(sluice_is_referenced(world.engine));
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, unreferenced);
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT(!sluice_wants_clock(world.engine));
  world_fini(&world);
}
