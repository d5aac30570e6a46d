/* Jobs whose permits and tokens are leased: of a line in which other engines stand too. */
#include <math.h>

#include "box.h"
#include "tests.h"
#include "threads.h"

/* A job of this engine on the leased semaphore. */
static struct sluice_handle open_held(struct threads *t, int number, uint64_t items, uint32_t limit,
                                      enum sluice_source source) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.source = source;
  policy.semaphore = t->handles[number];
  return world_open(&t->worlds[number], &policy);
}

static struct sluice_handle pull_and_wait(struct world *world, struct sluice_handle job, uint64_t item) {
  struct sluice_handle lane = world_pull(world, job);
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_PARK);
  EXPECT_EQ(world->decision.item, item);
  return lane;
}

static void expect_resumed(struct world *world, struct sluice_handle lane, uint64_t item) {
  EXPECT_HANDED(world, SLUICE_EVENT_RESUMED, lane);
  EXPECT_START(world, item, 1);
}

void test_lease_jobs_hand_one_permit_on_until_another_engine_waits(void) {
  struct threads t;
  threads_permits(&t, 2, 1);
  struct world *world = &t.worlds[0];
  struct sluice_handle job = open_held(&t, 0, 9, 2, SLUICE_SOURCE_INDEXED);
  struct sluice_handle lane = world_start(world, job, 0);
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST); /* its own job waits for one more: nobody else */
  uint64_t calls = t.lender.calls;
  world_step(world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(world, 1, 1);
  EXPECT_EQ(t.lender.calls, calls); /* nothing was given or taken */
  struct sluice_handle other = world_await_permits(&t.worlds[1], t.handles[1], 1);
  EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL); /* its own job is before it */
  lender_deliver_all(&t.lender);
  EXPECT_NOTHING_HANDED(&t.worlds[1]);
  world_step(world, lane, SLUICE_OUTCOME_PULLED);
  EXPECT_START(world, 2, 1);
  EXPECT_NOTHING_HANDED(world); /* the invitation is void */
  EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, other);
  threads_fini(&t);
  threads_permits(&t, 2, 1);
  job = open_held(&t, 0, 9, 1, SLUICE_SOURCE_INDEXED);
  lane = world_start(world, job, 0);
  other = world_await_permits(&t.worlds[1], t.handles[1], 1);
  EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, other);
  EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  world_give(&t.worlds[1], t.handles[1], 1);
  EXPECT_NOTHING_HANDED(world);
  lender_deliver_all(&t.lender);
  expect_resumed(world, lane, 1);
  threads_fini(&t);
}

void test_lease_jobs_of_two_engines_take_turns(void) {
  struct threads t;
  threads_permits(&t, 2, 1);
  struct sluice_handle jobs[2], lanes[2];
  for (int i = 0; i < 2; i++) jobs[i] = open_held(&t, i, 9, 1, SLUICE_SOURCE_INDEXED);
  lanes[0] = world_start(&t.worlds[0], jobs[0], 0);
  lanes[1] = pull_and_wait(&t.worlds[1], jobs[1], 0);
  for (uint64_t turn = 0; turn < 7; turn++) {
    int has = (int)(turn % 2), waits = !has;
    EXPECT_EQ(world_step(&t.worlds[has], lanes[has], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
    EXPECT_EQ(world_step(&t.worlds[has], lanes[has], SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
    lender_deliver_all(&t.lender);
    EXPECT_NOTHING_HANDED(&t.worlds[has]);
    expect_resumed(&t.worlds[waits], lanes[waits], (turn + 1) / 2);
  }
  threads_fini(&t);
}

/* A permit for one more lane, from another engine; with a lane gone by then, for nobody. */
void test_lease_jobs_grow_as_others_give(void) {
  struct threads t;
  threads_permits(&t, 2, 2);
  struct world *world = &t.worlds[0];
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  struct sluice_handle job = open_held(&t, 0, 3, 2, SLUICE_SOURCE_INDEXED);
  struct sluice_handle first = world_start(world, job, 0);
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST);
  lender_give(&t.lender, 1, 1);
  EXPECT_EQ(lender_deliver(&t.lender, 0, 9), 1);
  EXPECT_EQ(world_hand(world), SLUICE_EVENT_ROOM);
  EXPECT_SAME(world->decision.job, job);
  struct sluice_handle second = world_start(world, job, 1);
  EXPECT_EQ(world_step(world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_START);
  EXPECT_EQ(world_step(world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  threads_expect_free(&t, 1, 1, 0);
  EXPECT_EQ(world_step(world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  threads_expect_free(&t, 1, 2, 0);
  threads_fini(&t);
}

/* Of each source: what runs holds a permit, and all come back. */
void test_lease_jobs_of_each_source(void) {
  for (int source = SLUICE_SOURCE_INDEXED; source <= SLUICE_SOURCE_ASYNC; source++) {
    struct threads t;
    threads_permits(&t, 2, 2);
    struct world *world = &t.worlds[0];
    EXPECT_EQ(lender_take(&t.lender, 1, 2), 1);
    struct sluice_handle job =
        open_held(&t, 0, source == SLUICE_SOURCE_INDEXED ? 2 : SLUICE_UNKNOWN, 3, (enum sluice_source)source);
    struct sluice_handle first = pull_and_wait(world, job, 0);
    EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST);
    lender_give(&t.lender, 1, 1);
    lender_deliver_all(&t.lender);
    expect_resumed(world, first, 0);
    EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST);
    lender_give(&t.lender, 1, 1);
    lender_deliver_all(&t.lender);
    EXPECT_EQ(world_hand(world), SLUICE_EVENT_ROOM);
    struct sluice_handle second;
    if (source == SLUICE_SOURCE_ASYNC) second = world_pull(world, job);
    else second = world_start(world, job, 1);
    EXPECT_START(world, 1, 1);
    EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST);
    enum sluice_action next = world_step(world, first, SLUICE_OUTCOME_FULFILLED);
    if (source != SLUICE_SOURCE_INDEXED) {
      EXPECT_EQ(next, source == SLUICE_SOURCE_ASYNC ? SLUICE_ACTION_PULL : SLUICE_ACTION_START);
      next = world_step(world, first, SLUICE_OUTCOME_EXHAUSTED);
    }
    EXPECT_EQ(next, SLUICE_ACTION_REST);
    EXPECT_EQ(world_step(world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
    threads_expect_free(&t, 1, 2, 0);
    threads_fini(&t);
  }
}

/* A source may take for ever, and so may a reader: meanwhile the permits are everybody's. */
void test_lease_jobs_hold_no_permit_while_they_pull(void) {
  struct threads t;
  threads_permits(&t, 2, 2);
  struct world *world = &t.worlds[0];
  struct sluice_handle job = open_held(&t, 0, SLUICE_UNKNOWN, 3, SLUICE_SOURCE_ASYNC);
  world_pull(world, job);
  EXPECT_START(world, 0, 1);
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_PULL);
  struct sluice_handle pulling = world->decision.lane;
  threads_expect_free(&t, 1, 1, 0);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  EXPECT_EQ(world_step(world, pulling, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  lender_give(&t.lender, 1, 1);
  lender_deliver_all(&t.lender);
  expect_resumed(world, pulling, 1);
  threads_fini(&t);
}

void test_lease_jobs_hold_no_permit_while_they_wait_for_their_reader(void) {
  struct threads t;
  threads_permits(&t, 2, 3);
  struct world *world = &t.worlds[0];
  struct sluice_policy policy = policy_of(9, 3);
  policy.semaphore = t.handles[0];
  policy.window = 1;
  struct sluice_handle job = world_open(world, &policy);
  struct sluice_handle lane = world_start(world, job, 0);
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_PARK); /* one waits for room */
  struct sluice_handle waiting = world->decision.lane;
  threads_expect_free(&t, 1, 2, 0);
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST);
  EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  threads_expect_free(&t, 1, 3, 0);
  world_read(world, job, 1);
  expect_resumed(world, waiting, 1);
  threads_expect_free(&t, 1, 2, 0);
  threads_fini(&t);
}

void test_lease_jobs_hold_no_permit_while_they_give_way(void) {
  struct threads t;
  threads_permits(&t, 2, 3);
  struct world *world = &t.worlds[0];
  struct sluice_policy policy = policy_of(9, 2);
  policy.semaphore = t.handles[0];
  policy.yield_after = MS;
  struct sluice_handle job = world_open(world, &policy);
  world_observe(world, world->now);
  struct sluice_handle lane = world_start(world, job, 0);
  world_observe(world, world->now + MS);
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_PARK);
  struct sluice_handle other = world->decision.lane;
  threads_expect_free(&t, 1, 2, 0);
  EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST); /* one gives way for all */
  threads_expect_free(&t, 1, 3, 0);
  world_end_turn(world);
  world_begin_turn(world);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_RESUMED);
  EXPECT_SAME(world->decision.lane, other);
  EXPECT_START(world, 1, 1);
  threads_expect_free(&t, 1, 2, 0);
  threads_fini(&t);
}

/* What arrives for a job that is gone, or has no use for it, is the next one's. */
void test_lease_jobs_that_end_before_the_delivery_give_back(void) {
  for (int way = 0; way < 5; way++) {
    struct threads t;
    threads_permits(&t, 3, 2);
    struct world *world = &t.worlds[0];
    EXPECT_EQ(lender_take(&t.lender, 2, 2), 1);
    struct sluice_policy policy = policy_of(5, 2);
    policy.semaphore = t.handles[0];
    if (way == 2) policy.item_timeout = 10 * MS;
    policy.flags = SLUICE_FLAG_COLLECT;
    struct sluice_handle job = world_open(world, &policy);
    struct sluice_handle lane = pull_and_wait(world, job, 0);
    if (way >= 3) { /* for one more lane than it has */
      lender_give(&t.lender, 2, 1);
      lender_deliver_all(&t.lender);
      expect_resumed(world, lane, 0);
      EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST);
    }
    struct sluice_handle next = world_await_permits(&t.worlds[1], t.handles[1], 1);
    lender_give(&t.lender, 2, 1);
    switch (way) {
      case 0:
      case 3:
        EXPECT_EQ(world_abort(world, job), SLUICE_ACTION_FAIL);
        break;
      case 1: /* delivered, and not handed */
        lender_deliver(&t.lender, 0, 9);
        EXPECT_EQ(world_abort(world, job), SLUICE_ACTION_FAIL);
        break;
      case 2: /* the item's time is over; the next one waits behind the others */
        world_pass(world, 10 * MS);
        EXPECT_EQ(world_next(world), SLUICE_EVENT_ITEM);
        EXPECT_EQ(world->decision.action, SLUICE_ACTION_PULL);
        break;
      default:
        EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_DONE);
    }
    EXPECT_NOTHING_HANDED(world);
    lender_deliver_all(&t.lender);
    EXPECT_NOTHING_HANDED(world);
    EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, next);
    threads_fini(&t);
  }
}

/* A drain keeps what runs, and its permits; all else goes. */
void test_lease_jobs_that_drain_keep_what_runs(void) {
  struct threads t;
  threads_permits(&t, 2, 3);
  struct world *world = &t.worlds[0];
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  struct sluice_policy policy = policy_of(9, 4);
  policy.semaphore = t.handles[0];
  policy.flags = SLUICE_FLAG_DRAIN;
  struct sluice_handle job = world_open(world, &policy);
  struct sluice_handle first = world_start(world, job, 0), second = world_start(world, job, 1);
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST);
  lender_give(&t.lender, 1, 1); /* for one more, which is not told */
  EXPECT_EQ(world_step(world, first, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_DRAIN);
  threads_expect_free(&t, 1, 2, 0);
  EXPECT_EQ(lender_deliver(&t.lender, 0, 9), 0);
  EXPECT_NOTHING_HANDED(world);
  EXPECT_EQ(world_step(world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  threads_expect_free(&t, 1, 3, 0);
  threads_fini(&t);
}

/* Permits are held through retries and their waits, and given back with an item that ran out of time. */
void test_lease_jobs_hold_permits_for_an_item_as_long_as_it_lasts(void) {
  struct threads t;
  threads_permits(&t, 2, 1);
  struct world *world = &t.worlds[0];
  struct sluice_policy policy = policy_of(1, 1);
  policy.semaphore = t.handles[0];
  policy.retries = 1;
  policy.timeout = SECOND;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle lane = world_start(world, world_open(world, &policy), 0);
  struct sluice_handle other = world_await_permits(&t.worlds[1], t.handles[1], 1);
  EXPECT_EQ(world_step(world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  threads_pass(&t, 100 * MS);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_RESUMED);
  EXPECT_START(world, 0, 2);
  EXPECT_NOTHING_HANDED(&t.worlds[1]);
  threads_pass(&t, SECOND);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_DONE);
  lender_deliver_all(&t.lender);
  EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, other);
  threads_fini(&t);
}

/* A lane whose permit is one too many gives it back between items. */
void test_lease_jobs_shrink_with_a_resize(void) {
  struct threads t;
  threads_permits(&t, 2, 2);
  struct world *world = &t.worlds[0];
  struct sluice_handle job = open_held(&t, 0, 9, 2, SLUICE_SOURCE_INDEXED);
  struct sluice_handle first = world_start(world, job, 0), second = world_start(world, job, 1);
  world_resize(&t.worlds[1], t.handles[1], 1);
  EXPECT_EQ(world_step(world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  world_step(world, second, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(world, 2, 1);
  threads_expect_free(&t, 0, 0, 1); /* the job, for one more lane */
  world_resize(&t.worlds[1], t.handles[1], 2);
  lender_deliver_all(&t.lender);
  EXPECT_EQ(world_hand(world), SLUICE_EVENT_ROOM);
  world_start(world, job, 3);
  threads_fini(&t);
}

static struct sluice_handle open_drawn(struct threads *t, int number, uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.limiter = t->handles[number];
  world_observe(&t->worlds[number], t->worlds[number].now);
  return world_open(&t->worlds[number], &policy);
}

/* Each attempt has a token, of one bucket, in the order of asking. */
void test_lease_jobs_of_two_engines_share_a_rate(void) {
  struct threads t;
  threads_tokens(&t, 2, 10, 1);
  struct sluice_handle jobs[2], lanes[2][2];
  for (int i = 0; i < 2; i++) jobs[i] = open_drawn(&t, i, 2, 2);
  for (int k = 0; k < 2; k++) {
    for (int i = 0; i < 2; i++) {
      lanes[i][k] = world_pull(&t.worlds[i], jobs[i]);
      EXPECT_EQ(t.worlds[i].decision.action, i == 0 && k == 0 ? SLUICE_ACTION_START : SLUICE_ACTION_PARK);
    }
  }
  static const int order[3][2] = {{1, 0}, {0, 1}, {1, 1}}; /* a job stands in the line once */
  for (int i = 0; i < 3; i++) {
    int engine = order[i][0];
    EXPECT_EQ(world_limiter_level(&t.worlds[0], t.handles[0]).waiting, i == 2 ? 1 : 2);
    threads_pass(&t, 100 * MS);
    EXPECT_EQ(world_next(&t.worlds[!engine]), SLUICE_EVENT_NONE);
    EXPECT_EQ(world_next(&t.worlds[engine]), SLUICE_EVENT_RESUMED);
    EXPECT_SAME(t.worlds[engine].decision.lane, lanes[engine][order[i][1]]);
    EXPECT_START(&t.worlds[engine], order[i][1], 1);
  }
  for (int i = 0; i < 2; i++) EXPECT(!sluice_is_referenced(t.worlds[i].engine));
  threads_fini(&t);
}

/* A token for a lane that has gone is given back: before the delivery, after it, and with the job. */
void test_lease_jobs_give_back_a_token_that_nobody_needs(void) {
  for (int way = 0; way < 4; way++) {
    struct threads t;
    threads_tokens(&t, 2, 10, 1);
    struct world *world = &t.worlds[0];
    EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
    struct sluice_policy policy = policy_of(1, 1);
    policy.limiter = t.handles[0];
    policy.flags = SLUICE_FLAG_COLLECT;
    if (way >= 2) policy.item_timeout = 100 * MS;
    world_observe(world, world->now);
    struct sluice_handle job = world_open(world, &policy);
    world_pull(world, job);
    struct sluice_handle next = world_await_tokens(&t.worlds[1], t.handles[1], 1);
    lender_deliver_all(&t.lender);
    for (int i = 0; i < 2; i++) world_pass(&t.worlds[i], 100 * MS);
    if (way != 2) lender_tick(&t.lender);
    if (way == 1) EXPECT_EQ(lender_deliver(&t.lender, 0, 9), 1);
    if (way < 2) EXPECT_EQ(world_abort(world, job), SLUICE_ACTION_FAIL);
    else EXPECT_EQ(world_next(world), SLUICE_EVENT_ITEM); /* decided or not, it was not delivered */
    if (way == 2) lender_tick(&t.lender);
    EXPECT_NOTHING_HANDED(world);
    lender_deliver_all(&t.lender);
    EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, next);
    EXPECT(!sluice_wants_clock(t.worlds[1].engine));
    threads_fini(&t);
  }
}

/* A job whose abandoned attempts keep it from starting wants no token, and comes back when one has ended. */
void test_lease_jobs_that_may_start_nothing_give_their_token_back(void) {
  struct threads t;
  threads_tokens(&t, 2, 10, 1);
  struct world *world = &t.worlds[0];
  struct sluice_policy policy = policy_of(9, 2);
  policy.limiter = t.handles[0];
  policy.max_abandoned = 0;
  policy.timeout = 50 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  world_observe(world, world->now);
  struct sluice_handle job = world_open(world, &policy);
  world_pull(world, job);
  EXPECT_START(world, 0, 1);
  struct sluice_handle waiting = world_pull(world, job);
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_PARK);
  struct sluice_handle other = world_await_tokens(&t.worlds[1], t.handles[1], 1);
  threads_pass(&t, 50 * MS);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_TIMED_OUT);
  threads_pass(&t, 50 * MS); /* its token: at once the next one's */
  EXPECT_EQ(world_next(world), SLUICE_EVENT_NONE);
  EXPECT_HANDED(&t.worlds[1], SLUICE_EVENT_GRANTED, other);
  EXPECT_EQ(world_limiter_level(world, t.handles[0]).waiting, 0);
  threads_pass(&t, SECOND);
  EXPECT_EQ(world_limiter_level(world, t.handles[0]).available, 1);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_NONE);
  world_late(world, job);
  expect_resumed(world, waiting, 1);
  threads_fini(&t);
}

/* A permit first, then a token. */
void test_lease_jobs_with_a_permit_and_a_token(void) {
  struct threads t, rates;
  threads_permits(&t, 2, 1);
  threads_tokens(&rates, 2, 10, 1); /* its engines stay idle, but that ours leases its bucket, too */
  struct world *world = &t.worlds[0];
  lender_vanish(&rates.lender, 0);
  struct sluice_policy policy = policy_of(9, 2);
  policy.semaphore = t.handles[0];
  policy.limiter = lender_lease(&rates.lender, 0, world);
  EXPECT_EQ(lender_take(&t.lender, 1, 1), 1);
  EXPECT_EQ(lender_take(&rates.lender, 1, 1), 1);
  world_observe(world, world->now);
  struct sluice_handle job = world_open(world, &policy);
  struct sluice_handle lane = pull_and_wait(world, job, 0);
  EXPECT_EQ(rates.lender.common.waiting, 0);
  lender_give(&t.lender, 1, 1);
  lender_deliver_all(&t.lender);
  EXPECT_NOTHING_HANDED(world);
  EXPECT_EQ(rates.lender.common.waiting, 1);
  lender_deliver_all(&rates.lender);
  threads_move(&rates, 100 * MS);
  lender_tick(&rates.lender);
  lender_deliver_all(&rates.lender);
  expect_resumed(world, lane, 0);
  EXPECT_EQ(world_abort(world, job), SLUICE_ACTION_FAIL);
  threads_expect_free(&t, 1, 1, 0);
  threads_fini(&rates);
  threads_fini(&t);
}

/* TAKE and PUT go by the lender, too; a stale handle is nobody's. */
void test_lease_take_and_put_in_words(void) {
  struct box *box = box_new();
  struct lender lender;
  struct sluice_handle handle;
  uint64_t now = SECOND;
  lender_permits(&lender, &now, 2);
  lender_join(&lender, 1, NULL);
  EXPECT_EQ(sluice_lease_permits(box->engine, &lender_functions, lender_join(&lender, 0, NULL), &handle), SLUICE_OK);
  INT(SEMAPHORE) = (int32_t)handle.slot;
  INT(SEMAPHORE_GENERATION) = (int32_t)handle.generation;
  EXPECT_EQ(CALL(TAKE), 1);
  EXPECT_EQ(lender.seats[0].held, 1);
  EXPECT_EQ(lender_take(&lender, 1, 1), 1);
  EXPECT_EQ(CALL(TAKE), 0);
  EXPECT_EQ(CALL(PUT), 0);
  EXPECT_EQ(CALL(PUT), SLUICE_EINVAL); /* the other one is another's */
  EXPECT_EQ(lender.in_use, 1);
  DOUBLE(WEIGHT) = 2;
  DOUBLE(TIMEOUT) = DOUBLE(MAX_WAITING) = INFINITY;
  INT(FLAGS) = 0;
  EXPECT_EQ(CALL(ACQUIRE), 0);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_NONE);
  int32_t waiter = INT(LANE);
  EXPECT_EQ(CALL(TAKE), 0); /* one is free, and somebody waits */
  EXPECT_EQ(CALL(SEMAPHORE_LEVEL), 0);
  EXPECT(DOUBLE(AVAILABLE) == 0 && DOUBLE(CAPACITY) == 2 && DOUBLE(WAITERS) == 1 && DOUBLE(HELD) == 0);
  lender_give(&lender, 1, 1);
  enum sluice_ticket_state state;
  struct sluice_ticket *ticket = sluice_seat_next(&lender.seats[0].seat, &state);
  sluice_lend(box->engine, ticket, state == SLUICE_TICKET_GRANTED);
  lender.seats[0].inbox.count = 0; /* as lender_deliver() does */
  INT(LANE) = -1;
  EXPECT_EQ(CALL(HAND), 0);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(INT(LANE), waiter);
  EXPECT_EQ(CALL(SEMAPHORE_CLOSE), 0);
  EXPECT(DOUBLE(IN_USE) == 2);
  EXPECT_EQ(lender.in_use, 0);
  EXPECT_EQ(CALL(TAKE), SLUICE_ESTALE);
  EXPECT_EQ(CALL(PUT), SLUICE_ESTALE);
  box_free(box);
}
