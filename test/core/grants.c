/* Granted runs of items, with a caller that does what sluice.h asks of one. */
#include "internal.h"
#include "tests.h"
#include "world.h"

enum { STRIDE = 32 };

/* Lets the engine believe that steps are fast: then runs are long. */
static void warm_up(struct world *world) {
  uint32_t stride = 0;
  for (int i = 0; i < 10; i++) stride = world_observe(world, world->now);
  EXPECT_EQ(stride, STRIDE);
}

static void world_init_granting(struct world *world) {
  world_init(world);
  world_share_grants(world);
  warm_up(world);
}

/* A fulfilled attempt inside a run: the lane goes on by itself. Returns the item. */
static int32_t take(struct world *world, struct sluice_handle job, struct sluice_handle lane) {
  int32_t item = world->grants.next_item[job.slot]++;
  world->grants.item[lane.slot] = item;
  return item;
}

void test_grants_a_start_grants_a_run(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  EXPECT_EQ(world.decision.granted, 0); /* join grants nothing */
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1);
  EXPECT_EQ(world.grants.next_item[job.slot], 2);
  EXPECT_EQ(world.decision.granted, 2 + STRIDE - 1); /* with this START, as many as need not read the clock */
  world_fini(&world);
}

void test_grants_what_was_taken_is_counted_when_it_is_next_asked(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  struct sluice_handle second = world_start(&world, job, 1);
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED); /* item 2 */
  EXPECT_EQ(take(&world, job, second), 3);
  EXPECT_EQ(take(&world, job, first), 4);
  struct sluice_counts counts = world_count(&world, job);
  EXPECT_EQ(counts.started, 5);
  EXPECT_EQ(counts.done, 3);
  world_step(&world, second, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 5, 1);
  EXPECT_EQ(world_count(&world, job).done, 4);
  world_fini(&world);
}

void test_grants_end_with_the_turn(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  take(&world, job, lane);
  world_end_turn(&world);
  EXPECT_EQ(world.grants.next_item[job.slot], SLUICE_GRANT_NONE);
  EXPECT_EQ(world_count(&world, job).started, 3);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 3, 1);
  EXPECT_EQ(world.grants.next_item[job.slot], 4);
  world_fini(&world);
}

void test_grants_never_reach_beyond_the_items(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(4, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EQ(world.decision.granted, 4);
  EXPECT_EQ(take(&world, job, lane), 2);
  EXPECT_EQ(take(&world, job, lane), 3);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.done, 4);
  EXPECT_EQ(world.grants.next_item[job.slot], SLUICE_GRANT_NONE);
  world_fini(&world);
}

void test_grants_a_slow_pace_grants_nothing(void) {
  struct world world;
  world_init(&world);
  world_share_grants(&world);
  struct sluice_policy policy = policy_of(1000, 1);
  struct sluice_handle lane = world_start(&world, world_open(&world, &policy), 0);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EQ(world.decision.granted, 0);
  world_fini(&world);
}

void test_grants_are_not_for_async_sources(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 1);
  policy.source = SLUICE_SOURCE_ASYNC;
  world_join(&world, world_open(&world, &policy));
  world_step(&world, world.decision.lane, SLUICE_OUTCOME_PULLED);
  EXPECT_START(&world, 0, 1);
  EXPECT_EQ(world.decision.granted, 0);
  world_fini(&world);
}

void test_grants_are_not_for_slots_without_a_word(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 1);
  struct sluice_handle job, lane;
  for (uint32_t i = 0; i <= SLUICE_GRANT_JOBS; i++) {
    job = world_open(&world, &policy);
    lane = world_start(&world, job, 0);
    world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
    EXPECT_EQ(world.decision.granted != 0, i < SLUICE_GRANT_JOBS);
  }
  world_fini(&world);
}

/* A lane without a word asks each time, while others of the same job need not. */
void test_grants_lanes_with_and_without_a_word_mix(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000000, SLUICE_GRANT_LANES + 1);
  policy.timeout = SECOND;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0), last = first;
  for (uint64_t item = 1; item <= SLUICE_GRANT_LANES; item++) last = world_start(&world, job, item);
  EXPECT_EQ(last.slot, SLUICE_GRANT_LANES);
  world_step(&world, last, SLUICE_OUTCOME_FULFILLED);
  EXPECT(world.decision.granted != 0);
  int32_t item = take(&world, job, first);
  world_step(&world, last, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, (uint64_t)item + 1, 1);
  world_end_turn(&world);
  world_fini(&world);
}

void test_grants_who_moved_on_has_a_new_deadline(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 1);
  policy.timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_pass(&world, 60 * MS);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  world_pass(&world, 60 * MS); /* item 1 is armed at 60 ms */
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  int32_t item = take(&world, job, lane);
  world_pass(&world, 99 * MS); /* the taken one at 120 ms */
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world.decision.elapsed, 100 * MS);
  EXPECT_START(&world, (uint64_t)item + 1, 1);
  world_fini(&world);
}

/* Its deadline is being judged while the lane has gone on in the poll before: that attempt was in time. */
void test_grants_who_moved_on_in_time_has_not_timed_out(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 2);
  policy.timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  struct sluice_handle second = world_start(&world, job, 1);
  world_end_turn(&world);
  world.now += 100 * MS;
  world_expire(&world, 0);
  world_step(&world, second, SLUICE_OUTCOME_FULFILLED);
  take(&world, job, first);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 99 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_pass(&world, 1 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

/* What a lane was granted it retries, not what it had before. */
void test_grants_a_taken_item_is_retried_as_any(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 1);
  policy.retries = 1;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_REJECTED);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  warm_up(&world);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 1, 1);
  EXPECT_EQ(take(&world, job, lane), 2);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  EXPECT_EQ(world.decision.attempt, 2);
  world_pass(&world, 100 * MS);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_RESUMED);
  EXPECT_START(&world, 2, 2);
  EXPECT_EQ(world_step(&world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_FAIL);
  EXPECT_EQ(world.decision.counts.done, 2);
  EXPECT_EQ(world.decision.counts.retried, 2);
  world_fini(&world);
}

void test_grants_a_sync_source_may_end_inside_a_run(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  struct sluice_handle second = world_start(&world, job, 1);
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EQ(take(&world, job, second), 3);
  EXPECT_EQ(take(&world, job, first), 4); /* and there is none */
  EXPECT_EQ(world_step(&world, first, SLUICE_OUTCOME_EXHAUSTED), SLUICE_ACTION_REST);
  EXPECT_EQ(world.grants.next_item[job.slot], SLUICE_GRANT_NONE);
  EXPECT_EQ(world_count(&world, job).started, 4);
  EXPECT_EQ(world_step(&world, second, SLUICE_OUTCOME_FULFILLED), SLUICE_ACTION_DONE);
  EXPECT_EQ(world.decision.counts.done, 4);
  world_fini(&world);
}

/* A START that comes from elsewhere ends the run: no item is taken twice. */
void test_grants_a_join_inside_a_run_takes_the_next_item(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 2);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle first = world_start(&world, job, 0);
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EQ(take(&world, job, first), 2);
  world_start(&world, job, 3);
  EXPECT_EQ(world.decision.granted, 0);
  world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT_START(&world, 4, 1);
  EXPECT_EQ(world.grants.next_item[job.slot], 5);
  world_fini(&world);
}

void test_grants_an_abort_counts_what_was_taken(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 1);
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  take(&world, job, lane);
  take(&world, job, lane);
  world_abort(&world, job);
  EXPECT_EQ(world.decision.counts.started, 4);
  EXPECT_EQ(world.decision.counts.done, 3);
  EXPECT_EQ(world.grants.next_item[job.slot], SLUICE_GRANT_NONE);
  world_fini(&world);
}

void test_grants_progress_tells_each_change_once(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 1);
  policy.flags = SLUICE_FLAG_PROGRESS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_end_turn(&world);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED); /* in the poll */
  take(&world, job, lane);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_PROGRESS);
  EXPECT_EQ(world.decision.counts.done, 2);
  EXPECT(!sluice_is_referenced(world.engine));
  world_end_turn(&world);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE);
  world_fini(&world);
}

void test_grants_progress_tells_of_what_was_only_taken(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 1);
  policy.flags = SLUICE_FLAG_PROGRESS;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lane = world_start(&world, job, 0);
  world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_PROGRESS);
  take(&world, job, lane);
  world_end_turn(&world);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_PROGRESS);
  EXPECT_EQ(world.decision.counts.done, 2);
  world_fini(&world);
}

/* First attempts in a run are tied in the order of their items, however they were started. */
static void check_ties(uint64_t timeout) {
  enum { LANES = 8 };
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, LANES);
  policy.timeout = timeout;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle lanes[LANES], by_item[1000];
  for (uint64_t item = 0; item < LANES; item++) lanes[item] = world_start(&world, job, item);
  static const int order[LANES] = {3, 1, 6, 0, 7, 2, 5, 4};
  for (int i = 0; i < LANES; i++) {
    if (i == 0 || i == 4) {
      world_step(&world, lanes[order[i]], SLUICE_OUTCOME_FULFILLED);
      by_item[world.decision.item] = lanes[order[i]];
    } else {
      by_item[take(&world, job, lanes[order[i]])] = lanes[order[i]];
    }
  }
  world_pass(&world, timeout);
  for (uint64_t item = LANES; item < 2 * LANES; item++) {
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
    EXPECT_EQ(world.decision.lane.slot, by_item[item].slot);
  }
  world_fini(&world);
}

void test_grants_ties_go_by_the_items(void) {
  check_ties(100 * MS);
}

void test_grants_ties_without_time_go_by_the_items(void) {
  check_ties(0);
}

/* The same where next() was the first to notice that a lane had moved on. */
void test_grants_ties_go_by_the_items_whoever_notices(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(1000, 3);
  policy.timeout = 100 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&world, &policy);
  struct sluice_handle due = world_start(&world, job, 0);
  world_pass(&world, 50 * MS);
  struct sluice_handle open = world_start(&world, job, 1);
  struct sluice_handle stepping = world_start(&world, job, 2);
  world_end_turn(&world);
  world.now += 50 * MS;
  world_expire(&world, 0);
  warm_up(&world);
  world_step(&world, stepping, SLUICE_OUTCOME_FULFILLED);
  take(&world, job, due);
  take(&world, job, open);
  world_judge(&world);
  EXPECT_EQ(world_next(&world), SLUICE_EVENT_NONE); /* `due` has moved on */
  world_pass(&world, 100 * MS);
  struct sluice_handle order[] = {stepping, due, open};
  for (int i = 0; i < 3; i++) {
    EXPECT_EQ(world_next(&world), SLUICE_EVENT_TIMED_OUT);
    EXPECT_EQ(world.decision.lane.slot, order[i].slot);
  }
  world_fini(&world);
}

void test_grants_stop_where_items_need_more_than_31_bits(void) {
  struct world world;
  world_init_granting(&world);
  struct sluice_policy policy = policy_of(SLUICE_ITEM_MAX, 1);
  struct sluice_handle handle = world_open(&world, &policy);
  struct sluice__job *job = sluice__job_at(world.engine, handle.slot);
  job->next_item = job->counts.started = job->counts.done = SLUICE_GRANT_NONE - 100; /* nobody waits for so many */
  struct sluice_handle lane = world_start(&world, handle, SLUICE_GRANT_NONE - 100);
  int was_granted = 0;
  for (uint64_t item = SLUICE_GRANT_NONE - 99; item < (uint64_t)SLUICE_GRANT_NONE + 100; item++) {
    world_step(&world, lane, SLUICE_OUTCOME_FULFILLED);
    EXPECT_START(&world, item, 1);
    EXPECT(world.decision.granted < SLUICE_GRANT_NONE);
    was_granted |= world.decision.granted != 0;
  }
  EXPECT(was_granted);
  EXPECT_EQ(world.grants.next_item[handle.slot], SLUICE_GRANT_NONE);
  world_end_turn(&world);
  world_fini(&world);
}

void test_grants_words_that_make_no_sense_grant_nothing(void) {
  static const int32_t forged[] = {INT32_MIN,        -1, 0, 1, 2, 33, 34, 1000, 1001, SLUICE_GRANT_NONE - 1,
                                   SLUICE_GRANT_NONE};
  enum { FORGED = sizeof forged / sizeof *forged };
  for (int i = 0; i < FORGED; i++) {
    for (int k = 0; k < FORGED; k++) {
      struct world world;
      world_init_granting(&world);
      struct sluice_policy policy = policy_of(1000, 2);
      policy.timeout = 100 * MS;
      struct sluice_handle job = world_open(&world, &policy);
      struct sluice_handle first = world_start(&world, job, 0);
      world_start(&world, job, 1);
      world_step(&world, first, SLUICE_OUTCOME_FULFILLED);
      uint64_t end = world.decision.granted;
      for (int slot = 0; slot < SLUICE_GRANT_JOBS; slot++) world.grants.next_item[slot] = forged[i];
      for (int slot = 0; slot < SLUICE_GRANT_LANES; slot++) world.grants.item[slot] = forged[k];
      uint64_t started = world_count(&world, job).started;
      EXPECT(started >= 3 && started <= end);
      if (forged[i] < 3 || (uint64_t)forged[i] > end) EXPECT_EQ(started, 3);
      world_step(&world, first, i % 2 == 0 ? SLUICE_OUTCOME_FULFILLED : SLUICE_OUTCOME_REJECTED);
      world_pass(&world, 200 * MS);
      while (world_next(&world) != SLUICE_EVENT_NONE) continue;
      world_fini(&world);
    }
  }
}
