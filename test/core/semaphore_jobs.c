/* Jobs whose items hold a permit each: of a semaphore that others use too. */
#include "tests.h"
#include "world.h"

static struct sluice_policy held_policy(struct sluice_handle semaphore, uint64_t items, uint32_t limit) {
  struct sluice_policy policy = policy_of(items, limit);
  policy.semaphore = semaphore;
  return policy;
}

static void expect_free(struct world *world, struct sluice_handle semaphore, uint64_t available) {
  struct sluice_level level = world_semaphore_level(world, semaphore);
  EXPECT_EQ(level.available, available);
  EXPECT_EQ(level.waiting, 0);
}

static void expect_waiting(struct world *world, struct sluice_handle semaphore, uint64_t waiting) {
  EXPECT_EQ(world_semaphore_level(world, semaphore).waiting, waiting);
}

/* Takes an item, and has to wait for a permit with it. */
static struct sluice_handle pull_and_wait(struct world *world, struct sluice_handle job, uint64_t item) {
  struct sluice_handle lane = world_pull(world, job);
  EXPECT_EQ(world->decision.action, SLUICE_ACTION_PARK);
  EXPECT_EQ(world->decision.item, item);
  EXPECT_EQ(world->decision.attempt, 1);
  return lane;
}

static void expect_handed_lane(struct world *world, struct sluice_handle lane, uint64_t item) {
  EXPECT_HANDED(world, SLUICE_EVENT_RESUMED, lane);
  EXPECT_START(world, item, 1);
}

/* The job was handed a permit for one more lane. */
static void expect_room(struct world *world, struct sluice_handle job) {
  EXPECT_EQ(world_hand(world), SLUICE_EVENT_ROOM);
  EXPECT_EQ(world->decision.action, 0);
  EXPECT_SAME(world->decision.job, job);
}

/* Asks for one more lane, which has to wait: the job stands in the line. */
static void expect_no_room(struct world *world, struct sluice_handle job) {
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST);
}

void test_permits_each_item_holds_one(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 0);
  struct sluice_policy policy = held_policy(semaphore, 3, 3);
  struct sluice_handle job = world_open(&world, &policy);
  EXPECT_EQ(world_semaphore_level(&world, semaphore).jobs, 1);
  expect_free(&world, semaphore, 2);
  struct sluice_handle first = world_start(&world, job, 0);
  expect_free(&world, semaphore, 1);
  struct sluice_handle second = world_start(&world, job, 1);
  expect_free(&world, semaphore, 0);
  for (int i = 0; i < 2; i++) {
    expect_no_room(&world, job);
    expect_waiting(&world, semaphore, 1); /* once, however often */
  }
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 2, 1); /* its own job is nobody else */
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  expect_room(&world, job);
  expect_free(&world, semaphore, 0);
  expect_no_room(&world, job); /* there is no item for it: the permit is given back */
  expect_free(&world, semaphore, 1);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  expect_free(&world, semaphore, 2);
  EXPECT_EQ(world_semaphore_level(&world, semaphore).jobs, 0);
  world_fini(&world);
}

/* A permit for one more lane is that lane's, and nobody else's. */
void test_permits_a_job_grows_as_it_is_handed_more(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 3, 2);
  struct sluice_policy policy = held_policy(semaphore, 9, 3);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  expect_no_room(&world, job);
  struct sluice_handle waiter = world_await_permits(&world, semaphore, 1);
  world_give(&world, semaphore, 1);
  expect_room(&world, job);
  world_start(&world, job, 1);
  EXPECT_NOTHING_HANDED(&world);
  expect_no_room(&world, job); /* behind the waiter */
  world_give(&world, semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiter);
  world_give(&world, semaphore, 1);
  EXPECT(sluice_is_referenced(world.engine));
  world_step(&world, first,
             SLUICE_OUTCOME_FULFILLED); /* before it was told: a lane keeps its permit, the spare stays */
  EXPECT_START(&world, 2, 1);
  expect_room(&world, job);
  world_start(&world, job, 3);
  expect_no_room(&world, job); /* full */
  expect_waiting(&world, semaphore, 0);
  world_fini(&world);
}

/* A lane that needs a permit takes the spare one: then there is no room for another. */
void test_permits_an_invitation_may_be_void(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 1);
  struct sluice_policy policy = held_policy(semaphore, SLUICE_UNKNOWN, 2);
  policy.source = SLUICE_SOURCE_ASYNC;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_pull(&world, job);
  EXPECT_START(&world, 0, 1);
  expect_no_room(&world, job);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL); /* gives it to its own job */
  EXPECT(sluice_has_handed(world.engine));
  world_step(&world, lane, SLUICE_OUTCOME_PULLED);
  EXPECT_START(&world, 1, 1);
  EXPECT_NOTHING_HANDED(&world);
  expect_no_room(&world, job);
  world_give(&world, semaphore, 1);
  expect_room(&world, job);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_PULL);
  EXPECT_EQ(world_step(&world, world.decision.lane, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_REST);
  expect_free(&world, semaphore, 1); /* nobody will use it */
  world_fini(&world);
}

/* As long as nobody else wants it, the next item has the permit of the last. */
void test_permits_stay_with_a_lane_that_nobody_waits_for(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 0);
  struct sluice_policy policy = held_policy(semaphore, 3, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  for (uint64_t item = 1; item < 3; item++) {
    world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
    EXPECT_START(&world, item, 1);
    expect_free(&world, semaphore, 0);
  }
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  expect_free(&world, semaphore, 1);
  world_fini(&world);
}

void test_permits_go_to_who_waits_between_items(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 0);
  struct sluice_policy policy = held_policy(semaphore, 9, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  struct sluice_handle waiter = world_await_permits(&world, semaphore, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
  EXPECT_EQ(world.decision.item, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiter);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK); /* behind the waiter */
  EXPECT_NOTHING_HANDED(&world);
  world_give(&world, semaphore, 1);
  expect_handed_lane(&world, lane, 1);
  world_fini(&world);
}

/* For a heavy waiter the permits of all items come together. */
void test_permits_of_items_add_up_for_a_heavy_waiter(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 0);
  struct sluice_policy policy = held_policy(semaphore, 9, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0), second = world_start(&world, job, 1);
  struct sluice_handle heavy = world_await_permits(&world, semaphore, 2);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST); /* the job waits for it */
  EXPECT_NOTHING_HANDED(&world);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL); /* the last one */
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, heavy);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  expect_waiting(&world, semaphore, 1);
  EXPECT_NOTHING_HANDED(&world);
  world_give(&world, semaphore, 2);
  expect_handed_lane(&world, second, 2);
  world_start(&world, job, 3); /* the lane that rested comes back when it is asked for */
  world_fini(&world);
}

void test_permits_two_jobs_take_turns(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 0);
  struct sluice_policy policy = held_policy(semaphore, 5, 3);
  struct sluice_handle jobs[2] = {world_open(&world, &policy), world_open(&world, &policy)};
  struct sluice_handle lanes[2];
  lanes[0] = world_start(&world, jobs[0], 0);
  lanes[1] = pull_and_wait(&world, jobs[1], 0);
  EXPECT_EQ(world_semaphore_level(&world, semaphore).jobs, 2);
  for (uint64_t turn = 0; turn < 7; turn++) {
    int has = (int)(turn % 2), waits = !has;
    EXPECT_EQ(world_step(&world, lanes[has], SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
    expect_handed_lane(&world, lanes[waits], (turn + 1) / 2);
    EXPECT_EQ(world_step(&world, lanes[has], SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
    EXPECT_EQ(world_join(&world, jobs[has]), SLUICE_ACTION_REST); /* one lane of a job waits, not three */
    expect_waiting(&world, semaphore, 1);
  }
  world_fini(&world);
}

void test_permits_are_held_through_retries(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 0);
  struct sluice_policy policy = held_policy(semaphore, 1, 1);
  policy.retries = 3;
  policy.flags = SLUICE_FLAG_REVIEW;
  policy.timeout = SECOND;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  struct sluice_handle waiter = world_await_permits(&world, semaphore, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 0, 2);
  world_pass(&world, SECOND); /* a timeout, too */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_REVIEW);
  lane = world.decision.lane;
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_RETRY), SLUICE_ACTION_PARK);
  world_pass(&world, 200 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 0, 3);
  EXPECT_NOTHING_HANDED(&world);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiter);
  world_fini(&world);
}

/* Who waits for a token has his permit; who has no permit waits for no token. */
void test_permits_are_held_at_the_gate(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  struct sluice_policy policy = held_policy(semaphore, 9, 2);
  policy.limiter = world_limiter(&world, 10, SECOND, 1);
  EXPECT_EQ(world_draw(&world, policy.limiter, 1, 0), SLUICE_EVENT_GRANTED);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = pull_and_wait(&world, job, 0);
  expect_waiting(&world, semaphore, 1);
  EXPECT_EQ(world_limiter_level(&world, policy.limiter).waiting, 0);
  EXPECT(!sluice_is_referenced(world.engine));
  world_give(&world, semaphore, 1);
  EXPECT_NOTHING_HANDED(&world); /* it has it, and waits for its token */
  EXPECT_EQ(world_limiter_level(&world, policy.limiter).waiting, 1);
  EXPECT(sluice_is_referenced(world.engine));
  expect_free(&world, semaphore, 0);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_SAME(world.decision.lane, lane);
  EXPECT_START(&world, 0, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PULL);
  expect_free(&world, semaphore, 1); /* a pull holds none */
  world_fini(&world);
}

/* An item that failed for good gives back what it held, though its abandoned attempt may still run. */
void test_permits_of_an_abandoned_attempt_are_given_back_with_its_item(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 0);
  struct sluice_policy policy = held_policy(semaphore, 1, 1);
  policy.timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  world_start(&world, world_open(&world, &policy), 0);
  struct sluice_handle waiter = world_await_permits(&world, semaphore, 1);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiter);
  world_fini(&world);
}

/* Sources that are pulled are pulled without a permit; the end of one is known without a permit. */
void test_permits_of_each_source(void) {
  struct world world;
  world_init(&world);
  for (int source = SLUICE_SOURCE_INDEXED; source <= SLUICE_SOURCE_ASYNC; source++) {
    struct sluice_handle semaphore = world_semaphore(&world, 2, 2);
    struct sluice_policy policy = held_policy(semaphore, source == SLUICE_SOURCE_INDEXED ? 2 : SLUICE_UNKNOWN, 3);
    policy.source = (enum sluice_source)source;
    struct sluice_handle job = world_open(&world, &policy);
    struct sluice_handle first = pull_and_wait(&world, job, 0); /* the only lane has its item */
    EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST);
    world_give(&world, semaphore, 1);
    expect_handed_lane(&world, first, 0);
    expect_no_room(&world, job);
    world_give(&world, semaphore, 1);
    expect_room(&world, job);
    struct sluice_handle second;
    if (source == SLUICE_SOURCE_ASYNC) second = world_pull(&world, job);
    else second = world_start(&world, job, 1);
    EXPECT_START(&world, 1, 1);
    expect_no_room(&world, job);
    enum sluice_action next = world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
    if (source == SLUICE_SOURCE_ASYNC) EXPECT_EQ(next, SLUICE_ACTION_PULL);
    if (source == SLUICE_SOURCE_SYNC) EXPECT_START(&world, 2, 1);
    if (source != SLUICE_SOURCE_INDEXED) /* it turns out that there is no third */
      EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_REST);
    EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
    EXPECT_NOTHING_HANDED(&world);
    expect_free(&world, semaphore, 2);
  }
  /* A SYNC source that has nothing for the START just answered. */
  struct sluice_handle semaphore = world_semaphore(&world, 1, 0);
  struct sluice_policy policy = held_policy(semaphore, SLUICE_UNKNOWN, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.started, 0);
  expect_free(&world, semaphore, 1);
  world_fini(&world);
}

/* The first items start in the call that opened the job, whatever the time; not where they need permits. */
void test_permits_are_not_held_by_a_lane_that_gives_way(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 0);
  struct sluice_policy policy = held_policy(semaphore, 3, 3);
  policy.yield_after = 10 * MS;
  policy.retries = 1;
  policy.backoff.delay = 0;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_observe(&world, world.now);
  world_observe(&world, world.now + 10 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK); /* holds it: its item goes on */
  EXPECT_EQ(world.decision.attempt, 2);
  expect_free(&world, semaphore, 0);
  world_pass(&world, 10 * MS);
  world_begin_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 0, 2);
  world_observe(&world, world.now);
  world_observe(&world, world.now + 10 * MS);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world.decision.attempt, 0);
  expect_free(&world, semaphore, 1);
  EXPECT_EQ(world_join(&world, job), SLUICE_ACTION_REST); /* one sees to the next item */
  EXPECT_EQ(world_acquire(&world, semaphore, 1, 0), SLUICE_EVENT_GRANTED);
  world_pass(&world, 10 * MS);
  world_begin_turn(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PULL); /* it would have to wait */
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  world_give(&world, semaphore, 1);
  expect_handed_lane(&world, lane, 1);
  world_fini(&world);
}

void test_permits_one_too_many_is_given_back_between_items(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 2, 0);
  struct sluice_policy policy = held_policy(semaphore, 9, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0), second = world_start(&world, job, 1);
  world_resize(&world, semaphore, 1);
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_REST);
  EXPECT_NOTHING_HANDED(&world);
  world_resize(&world, semaphore, 2);
  expect_room(&world, job);
  world_start(&world, job, 2);
  world_step(&world, second, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 3, 1);
  world_fini(&world);
}

void test_permits_a_semaphore_is_not_closed_under_a_job_and_shuts_out_none(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  struct sluice_policy policy = held_policy(semaphore, 1, 1);
  struct sluice_handle job = world_open(&world, &policy);
  uint64_t in_use;
  EXPECT_EQ(sluice_semaphore_close(world.engine, semaphore, &in_use), SLUICE_ESTATE);
  struct sluice_handle lane = pull_and_wait(&world, job, 0);
  EXPECT_EQ(sluice_semaphore_shut(world.engine, semaphore), SLUICE_OK);
  EXPECT_NOTHING_HANDED(&world);
  world_give(&world, semaphore, 1);
  expect_handed_lane(&world, lane, 0);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(sluice_semaphore_close(world.engine, semaphore, &in_use), SLUICE_OK);
  EXPECT_EQ(in_use, 0);
  world_fini(&world);
}

/* What the job has when it ends. */
enum ending { ABORT, TOTAL, STOP, DRAIN, ENDINGS };
enum holding { WAITS_WITH_ITEM, HANDED_WITH_ITEM, WAITS_FOR_ONE_MORE, HANDED_ONE_MORE, TOLD_OF_ONE_MORE, HOLDINGS };

/* Two permits: the caller's, and another that is the caller's or item 0's. Somebody waits behind the job. */
static void play_ending(enum ending ending, enum holding holding) {
  struct world world;
  world_init(&world);
  int has_item = holding <= HANDED_WITH_ITEM;
  struct sluice_handle semaphore = world_semaphore(&world, 2, has_item ? 2 : 1);
  struct sluice_policy policy = held_policy(semaphore, 9, 2);
  if (ending == TOTAL) policy.total_timeout = 100 * MS;
  if (ending == DRAIN) policy.flags = SLUICE_FLAG_DRAIN;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = has_item ? pull_and_wait(&world, job, 0) : world_start(&world, job, 0);
  if (!has_item) expect_no_room(&world, job);
  struct sluice_handle behind = world_await_permits(&world, semaphore, 1);
  world_pass(&world, 100 * MS);
  int is_given = holding != WAITS_WITH_ITEM && holding != WAITS_FOR_ONE_MORE;
  if (is_given) world_give(&world, semaphore, 1);
  if (holding == TOLD_OF_ONE_MORE) expect_room(&world, job);
  switch (ending) {
    case ABORT:
      EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
      break;
    case TOTAL:
      if (holding == HANDED_WITH_ITEM) expect_handed_lane(&world, lane, 0); /* before what time has brought */
      if (holding == HANDED_ONE_MORE) expect_room(&world, job);
      EXPECT_EQ(world_next(&world), SLUICE_EVENT_TOTAL);
      EXPECT_EQ(world.decision.action, SLUICE_ACTION_FAIL);
      break;
    case STOP:
      EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_STOPPED), SLUICE_ACTION_DONE);
      break;
    default:
      EXPECT_EQ(world_abort(&world, job), has_item ? SLUICE_ACTION_FAIL : SLUICE_ACTION_DRAIN);
      EXPECT_EQ(sluice_has_handed(world.engine), is_given); /* what it will not use is not kept for it */
      expect_waiting(&world, semaphore, !is_given && !has_item ? 1 : has_item && !is_given);
      if (!has_item) EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  }
  EXPECT_EQ(sluice_step(world.engine, lane, SLUICE_OUTCOME_FULFILLED, &world.decision), SLUICE_ESTALE);
  if (holding == WAITS_WITH_ITEM) world_give(&world, semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, behind);
  EXPECT_NOTHING_HANDED(&world);
  EXPECT_EQ(world_semaphore_level(&world, semaphore).jobs, 0);
  world_give(&world, semaphore, has_item || !is_given ? 2 : 1);
  expect_free(&world, semaphore, 2); /* none is lost, none is made */
  EXPECT(!sluice_has_deadlines(world.engine));
  world_fini(&world);
}

void test_permits_are_kept_count_of_however_a_job_ends(void) {
  for (int ending = ABORT; ending < ENDINGS; ending++) {
    for (int holding = WAITS_WITH_ITEM; holding < HOLDINGS; holding++) {
      if (ending == STOP && holding <= HANDED_WITH_ITEM) continue; /* nothing runs that could say so */
      play_ending((enum ending)ending, (enum holding)holding);
    }
  }
}

/* The item's time is over while it waits for its permit: it leaves the line, and lets others pass. */
void test_permits_an_item_may_run_out_of_time_in_the_line(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  struct sluice_policy policy = held_policy(semaphore, 2, 2);
  policy.item_timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = pull_and_wait(&world, job, 0);
  struct sluice_handle behind = world_await_permits(&world, semaphore, 1);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
  EXPECT_EQ(world.decision.lane.slot, lane.slot);
  EXPECT_EQ(world.decision.action, SLUICE_ACTION_PULL); /* the next one, behind the waiter */
  lane = world.decision.lane;
  EXPECT_EQ(world_count(&world, job).timed_out, 0); /* nothing ran */
  EXPECT_EQ(world_count(&world, job).failed, 1);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_PULLED), SLUICE_ACTION_PARK);
  expect_waiting(&world, semaphore, 2);
  world_give(&world, semaphore, 1);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, behind);
  world_give(&world, semaphore, 1);
  expect_handed_lane(&world, lane, 1);
  world_fini(&world);
}

/* Its time is over when it has just been handed a permit, or waits for a token with one: it gives it back. */
void test_permits_an_item_may_run_out_of_time_with_a_permit_in_hand(void) {
  struct world world;
  world_init(&world);
  for (int is_at_gate = 0; is_at_gate < 2; is_at_gate++) {
    struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
    struct sluice_policy policy = held_policy(semaphore, 1, 2);
    policy.item_timeout = 100 * MS;
    policy.flags = SLUICE_FLAG_COLLECT;
    if (is_at_gate) {
      policy.limiter = world_limiter(&world, 1, 3600 * SECOND, 1);
      EXPECT_EQ(world_draw(&world, policy.limiter, 1, 0), SLUICE_EVENT_GRANTED);
    }
    struct sluice_handle job = world_open(&world, &policy);
    struct sluice_handle lane = pull_and_wait(&world, job, 0);
    world_end_turn(&world);
    if (is_at_gate) world_give(&world, semaphore, 1);
    EXPECT_NOTHING_HANDED(&world);
    world_pass(&world, 100 * MS);
    if (!is_at_gate) { /* what was handed comes first: it starts, and is over */
      world_give(&world, semaphore, 1);
      EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
      EXPECT_START(&world, 0, 1);
    }
    struct sluice_handle waiter = world_await_permits(&world, semaphore, 1);
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_ITEM);
    EXPECT_EQ(world.decision.lane.slot, lane.slot);
    EXPECT_EQ(world.decision.action, SLUICE_ACTION_DONE);
    EXPECT_EQ(world.decision.counts.timed_out, !is_at_gate);
    EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, waiter);
    world_give(&world, semaphore, 1);
    expect_free(&world, semaphore, 1);
  }
  world_fini(&world);
}

/* Nothing of what it waits for is a time: neither the wait for a permit nor the lane keeps the loop alive. */
void test_permits_are_no_reason_to_stay_alive(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 1, 1);
  struct sluice_policy policy = held_policy(semaphore, 2, 1);
  policy.flags = SLUICE_FLAG_UNREF;
  struct sluice_handle job = world_open(&world, &policy);
  pull_and_wait(&world, job, 0);
  world_end_turn(&world);
  EXPECT(!sluice_is_referenced(world.engine));
  EXPECT(!sluice_has_deadlines(world.engine));
  EXPECT(!sluice_wants_clock(world.engine));
  world_give(&world, semaphore, 1);
  EXPECT(sluice_is_referenced(world.engine)); /* what was handed is told */
  EXPECT_EQ(world_hand(&world), SLUICE_EVENT_RESUMED);
  EXPECT(!sluice_is_referenced(world.engine));
  world_fini(&world);
}

/* A job that ends hands its permits to its own lanes last of all: to nobody. */
void test_permits_of_a_job_that_ends_go_to_others(void) {
  struct world world;
  world_init(&world);
  struct sluice_handle semaphore = world_semaphore(&world, 3, 0);
  struct sluice_policy policy = held_policy(semaphore, 9, 9);
  struct sluice_handle job = world_open(&world, &policy), other = world_open(&world, &policy);
  for (uint64_t item = 0; item < 3; item++) world_start(&world, job, item);
  expect_no_room(&world, job);
  struct sluice_handle lane = pull_and_wait(&world, other, 0);
  struct sluice_handle heavy = world_await_permits(&world, semaphore, 2);
  EXPECT_EQ(world_abort(&world, job), SLUICE_ACTION_FAIL);
  expect_handed_lane(&world, lane, 0);
  EXPECT_HANDED(&world, SLUICE_EVENT_GRANTED, heavy);
  EXPECT_NOTHING_HANDED(&world);
  expect_free(&world, semaphore, 0);
  world_fini(&world);
}

/* Nobody grants a run of items whose permits are to be counted. */
void test_permits_are_never_granted_in_runs(void) {
  struct world world;
  world_init(&world);
  world_share_grants(&world);
  for (int i = 0; i < 10; i++) world_observe(&world, world.now);
  struct sluice_policy policy = held_policy(world_semaphore(&world, 9, 0), 1000, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1);
  EXPECT_EQ(world.decision.granted, 0);
  world_fini(&world);
}
