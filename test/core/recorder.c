/* The flight recorder: what a ring keeps, and which events each decision of the engine is. */
#include "recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "tests.h"
#include "world.h"

struct flight {
  struct world world;
  struct sluice_recorder *recorder;
  uint64_t read; /* events that were looked at */
};

static void flight_init_with(struct flight *flight, uint64_t capacity) {
  memset(flight, 0, sizeof *flight);
  world_init(&flight->world);
  flight->recorder = sluice_recorder_new(&flight->world.memory.allocator, capacity);
  EXPECT(flight->recorder != NULL);
  sluice_record_to(flight->world.engine, flight->recorder);
}

static void flight_init(struct flight *flight) {
  flight_init_with(flight, 1000);
}

static void flight_fini(struct flight *flight) {
  sluice_record_to(flight->world.engine, NULL);
  sluice_recorder_free(flight->recorder);
  world_fini(&flight->world);
}

static const char *kind_of(enum sluice_record_kind kind) {
  static const char *const names[] = {
#define NAME(name, text) text,
      SLUICE_RECORD_KINDS(NAME)
#undef NAME
  };
  return names[kind];
}

static const char *reason_of(enum sluice_record_reason reason) {
  static const char *const names[] = {
#define NAME(name, text) text,
      SLUICE_RECORD_REASONS(NAME)
#undef NAME
  };
  return names[reason];
}

/* "start 0 3.1": attempt 1 of item 3 in lane 0; then the reason, and the milliseconds. */
static int print(char *text, size_t size, const struct sluice_record *record) {
  int length = snprintf(text, size, "%s", kind_of(record->kind));
  uint32_t lane = record->lane;
  if (lane >= SLUICE_RECORD_WAITERS && lane != SLUICE_RECORD_NO_LANE)
    length += snprintf(text + length, size - (size_t)length, " w%u", lane - SLUICE_RECORD_WAITERS);
  else if (lane != SLUICE_RECORD_NO_LANE) length += snprintf(text + length, size - (size_t)length, " %u", lane);
  if (record->item != SLUICE_RECORD_NO_ITEM)
    length += snprintf(text + length, size - (size_t)length, " %u.%u", (unsigned)record->item, record->attempt);
  if (record->reason != SLUICE_REASON_NONE)
    length += snprintf(text + length, size - (size_t)length, " %s", reason_of(record->reason));
  if (sluice_record_has_value(record->kind, record->reason))
    length += snprintf(text + length, size - (size_t)length, " %u", (unsigned)(record->value / MS));
  return length;
}

/* What has been recorded since the last time is this, in so many words. */
static void expect_events(const char *file, int line, struct flight *flight, const char *expected) {
  static char text[16384];
  struct sluice_record record;
  size_t length = 0;
  text[0] = '\0';
  while (sluice_recorder_read(flight->recorder, &flight->read, &record, 1) == 1) {
    flight->read++;
    if (record.kind == SLUICE_RECORD_VOID) continue;
    if (length > 0) length += (size_t)snprintf(text + length, sizeof text - length, ", ");
    length += (size_t)print(text + length, sizeof text - length, &record);
  }
  if (strcmp(text, expected) != 0) test_fail(file, line, "recorded:\n  %s\nexpected:\n  %s", text, expected);
}

#define EXPECT_EVENTS(flight, expected) expect_events(__FILE__, __LINE__, flight, expected)

/* The ring. */

static void write_blocks(struct sluice_recorder *recorder, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i < to; i++) {
    sluice_recorder_tell_time(recorder, i);
    sluice_recorder_tell_block(recorder, i);
  }
}

void test_recorder_keeps_the_latest_and_says_which_those_are(void) {
  struct flight flight;
  struct sluice_record records[20];
  flight_init_with(&flight, 8);
  for (uint64_t written = 1; written < 50; written++) {
    write_blocks(flight.recorder, written - 1, written);
    uint64_t from = 0, kept = written < 8 ? written : 8;
    EXPECT_EQ(sluice_recorder_count(flight.recorder), written);
    EXPECT_EQ(sluice_recorder_read(flight.recorder, &from, records, 20), kept);
    EXPECT_EQ(from, written - kept);
    for (uint64_t i = 0; i < kept; i++) {
      EXPECT_EQ(records[i].value, from + i);
      EXPECT_EQ(records[i].time, from + i);
      EXPECT_EQ(records[i].kind, SLUICE_RECORD_BLOCK);
    }
  }
  flight_fini(&flight);
}

void test_recorder_of_one_event_keeps_the_last(void) {
  struct flight flight;
  struct sluice_record record;
  flight_init_with(&flight, 1);
  write_blocks(flight.recorder, 0, 5);
  uint64_t from = 0;
  EXPECT_EQ(sluice_recorder_read(flight.recorder, &from, &record, 1), 1);
  EXPECT_EQ(from, 4);
  EXPECT_EQ(record.value, 4);
  from = 5;
  EXPECT_EQ(sluice_recorder_read(flight.recorder, &from, &record, 1), 0);
  flight_fini(&flight);
}

void test_recorder_is_read_in_pieces(void) {
  struct flight flight;
  struct sluice_record records[3];
  flight_init_with(&flight, 10);
  write_blocks(flight.recorder, 0, 25);
  uint64_t next = 0, expected = 15;
  for (size_t count; (count = sluice_recorder_read(flight.recorder, &next, records, 3)) > 0; next += count)
    for (size_t i = 0; i < count; i++) EXPECT_EQ(records[i].value, expected++);
  EXPECT_EQ(expected, 25);
  flight_fini(&flight);
}

void test_recorder_does_not_believe_a_time_before_the_last(void) {
  struct flight flight;
  struct sluice_record records[2];
  flight_init(&flight);
  sluice_recorder_tell_time(flight.recorder, 100);
  sluice_recorder_tell_block(flight.recorder, 0);
  sluice_recorder_tell_time(flight.recorder, 90);
  sluice_recorder_tell_block(flight.recorder, 0);
  uint64_t from = 0;
  EXPECT_EQ(sluice_recorder_read(flight.recorder, &from, records, 2), 2);
  EXPECT_EQ(records[1].time, 100);
  flight_fini(&flight);
}

void test_recorder_without_memory_is_none(void) {
  struct memory memory;
  memory_init(&memory);
  memory.fails_from = 0;
  memory.fails_for = 1;
  EXPECT(sluice_recorder_new(&memory.allocator, 10) == NULL);
  EXPECT(sluice_recorder_new(&memory.allocator, UINT64_MAX / 8) == NULL);
  sluice_recorder_free(NULL);
}

void test_recorder_off_is_told_nothing(void) {
  struct flight flight;
  flight_init(&flight);
  sluice_record_to(flight.world.engine, NULL);
  struct sluice_policy policy = policy_of(2, 1);
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  world_step(&flight.world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EQ(sluice_recorder_count(flight.recorder), 0);
  sluice_record_to(flight.world.engine, flight.recorder); /* in the middle */
  world_step(&flight.world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EVENTS(&flight, "settle 0 1.1, close done");
  flight_fini(&flight);
}

/* The events. */

void test_recorder_tells_of_items_that_are_fulfilled(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(3, 2);
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle first = world_start(&flight.world, job, 0);
  struct sluice_handle second = world_start(&flight.world, job, 1);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, start 1 1.1");
  world_step(&flight.world, second, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EVENTS(&flight, "settle 1 1.1, start 1 2.1");
  world_step(&flight.world, second, SLUICE_OUTCOME_FULFILLED);
  world_step(&flight.world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EVENTS(&flight, "settle 1 2.1, settle 0 0.1, close done");
  flight_fini(&flight);
}

void test_recorder_tells_of_retries_and_their_waits(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 2;
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  world_step(&flight.world, lane, SLUICE_OUTCOME_REJECTED);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, retry 0 0.1 100, park 0 0.2 backoff 100");
  world_pass(&flight.world, 100 * MS);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_RESUMED);
  EXPECT_EVENTS(&flight, "wake 0 0.2 backoff, start 0 0.2");
  world_step(&flight.world, lane, SLUICE_OUTCOME_REFUSED);
  EXPECT_EVENTS(&flight, "fail 0 0.2, close fail");
  flight_fini(&flight);
}

void test_recorder_tells_of_a_retry_without_a_wait(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 1;
  policy.backoff.delay = 0;
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  world_step(&flight.world, lane, SLUICE_OUTCOME_REJECTED);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, retry 0 0.1 0, start 0 0.2");
  flight_fini(&flight);
}

void test_recorder_tells_how_an_attempt_under_review_ended_once(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(1, 1);
  policy.retries = 5;
  policy.timeout = 50 * MS;
  policy.flags = SLUICE_FLAG_REVIEW;
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  EXPECT_EQ(world_step(&flight.world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  EXPECT_EVENTS(&flight, "open, start 0 0.1"); /* nobody knows yet */
  world_plan(&flight.world, lane, SLUICE_OUTCOME_WISH, 0);
  world_step(&flight.world, lane, SLUICE_OUTCOME_RETRY);
  EXPECT_EVENTS(&flight, "retry 0 0.1 0, start 0 0.2");
  world_pass(&flight.world, 50 * MS);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(flight.world.decision.action, SLUICE_ACTION_REVIEW);
  lane = flight.world.decision.lane;
  world_plan(&flight.world, lane, SLUICE_OUTCOME_WISH, 0);
  world_step(&flight.world, lane, SLUICE_OUTCOME_RETRY);
  EXPECT_EVENTS(&flight, "timeout 0 0.2 attempt, abandon 0 0.2, retry 0 0.2 0, start 0 0.3");
  world_step(&flight.world, lane, SLUICE_OUTCOME_REJECTED);
  world_step(&flight.world, lane, SLUICE_OUTCOME_REFUSED);
  EXPECT_EVENTS(&flight, "fail 0 0.3, close fail");
  flight_fini(&flight);
}

void test_recorder_tells_of_a_failed_item_once_where_there_is_a_verdict(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(2, 1);
  policy.flags = SLUICE_FLAG_VERDICT | SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  EXPECT_EQ(world_step(&flight.world, lane, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_REVIEW);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, fail 0 0.1");
  world_step(&flight.world, lane, SLUICE_OUTCOME_REFUSED);
  EXPECT_EVENTS(&flight, "start 0 1.1");
  flight_fini(&flight);
}

void test_recorder_tells_of_timeouts_and_what_is_left_of_them(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(2, 1);
  policy.timeout = 50 * MS;
  policy.retries = 1;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&flight.world, &policy);
  world_start(&flight.world, job, 0);
  world_pass(&flight.world, 50 * MS);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EVENTS(&flight,
                "open, start 0 0.1, timeout 0 0.1 attempt, abandon 0 0.1, retry 0 0.1 100, park 0 0.2 backoff 100");
  world_late(&flight.world, job);
  EXPECT_EVENTS(&flight, "late");
  world_pass(&flight.world, 100 * MS);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_RESUMED);
  world_pass(&flight.world, 50 * MS);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EVENTS(&flight, "wake 0 0.2 backoff, start 0 0.2, timeout 0 0.2 attempt, abandon 0 0.2, start 0 1.1");
  flight_fini(&flight);
}

void test_recorder_tells_of_an_items_time_in_an_attempt_and_in_a_backoff(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(3, 1);
  policy.item_timeout = 50 * MS;
  policy.retries = 1;
  policy.backoff.delay = 20 * MS;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  world_pass(&flight.world, 50 * MS);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_ITEM);
  lane = flight.world.decision.lane;
  EXPECT_EVENTS(&flight, "open, start 0 0.1, timeout 0 0.1 item, abandon 0 0.1, start 0 1.1");
  world_pass(&flight.world, 40 * MS);
  world_step(&flight.world, lane, SLUICE_OUTCOME_REJECTED);
  world_end_turn(&flight.world); /* the wait would end after the item's time */
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_ITEM_OUTLIVED);
  EXPECT_EVENTS(&flight, "retry 0 1.1 20, park 0 1.2 backoff 20, timeout 0 1.2 item, start 0 2.1");
  flight_fini(&flight);
}

void test_recorder_tells_of_the_total_time(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(2, 2);
  policy.total_timeout = 50 * MS;
  struct sluice_handle job = world_open(&flight.world, &policy);
  world_start(&flight.world, job, 0);
  world_pass(&flight.world, 50 * MS);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_TOTAL);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, timeout total, close fail");
  flight_fini(&flight);
}

void test_recorder_tells_of_an_abort_and_of_a_drain(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(9, 2);
  policy.flags = SLUICE_FLAG_DRAIN;
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  EXPECT_EQ(world_abort(&flight.world, job), SLUICE_ACTION_DRAIN);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, abort");
  world_step(&flight.world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EVENTS(&flight, "settle 0 0.1, close drain");
  job = world_open(&flight.world, &policy);
  EXPECT_EQ(world_abort(&flight.world, job), SLUICE_ACTION_FAIL);
  EXPECT_EVENTS(&flight, "open, abort, close fail");
  flight_fini(&flight);
}

void test_recorder_tells_who_waits_for_a_token(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(2, 2);
  policy.rate = (struct sluice_rate){.max = 10, .per = SECOND, .burst = 1};
  struct sluice_handle job = world_open(&flight.world, &policy);
  world_observe(&flight.world, flight.world.now);
  world_pull(&flight.world, job);
  world_pull(&flight.world, job);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, park 1 1.1 rate");
  world_pass(&flight.world, 100 * MS);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_RESUMED);
  EXPECT_EVENTS(&flight, "wake 1 1.1 rate, start 1 1.1");
  flight_fini(&flight);
}

void test_recorder_tells_who_waits_for_abandoned_attempts(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(2, 1);
  policy.timeout = 50 * MS;
  policy.max_abandoned = 0;
  policy.flags = SLUICE_FLAG_COLLECT;
  struct sluice_handle job = world_open(&flight.world, &policy);
  world_pull(&flight.world, job);
  world_pass(&flight.world, 50 * MS);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_TIMED_OUT);
  EXPECT_EQ(flight.world.decision.action, SLUICE_ACTION_PULL);
  world_step(&flight.world, flight.world.decision.lane, SLUICE_OUTCOME_PULLED);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, timeout 0 0.1 attempt, abandon 0 0.1, park 0 1.1 abandoned");
  world_late(&flight.world, job);
  world_pass(&flight.world, 0);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_RESUMED);
  EXPECT_EVENTS(&flight, "late, wake 0 1.1 abandoned, start 0 1.1");
  flight_fini(&flight);
}

void test_recorder_tells_who_waits_for_a_permit(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_handle semaphore = world_semaphore(&flight.world, 1, 1);
  struct sluice_policy policy = policy_of(1, SLUICE_UNLIMITED);
  policy.semaphore = semaphore;
  struct sluice_handle job = world_open(&flight.world, &policy);
  world_pull(&flight.world, job);
  EXPECT_EVENTS(&flight, "open, park 0 0.1 limit");
  world_give(&flight.world, semaphore, 1);
  EXPECT_EQ(world_hand(&flight.world), SLUICE_EVENT_RESUMED);
  EXPECT_EVENTS(&flight, "wake 0 0.1 limit, start 0 0.1");
  flight_fini(&flight);
}

void test_recorder_tells_who_waits_for_the_reader(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(9, 1);
  policy.window = 1;
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  world_step(&flight.world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, settle 0 0.1, park 0 room");
  world_read(&flight.world, job, 1);
  EXPECT_EQ(world_hand(&flight.world), SLUICE_EVENT_RESUMED);
  EXPECT_EVENTS(&flight, "wake 0 room, start 0 1.1");
  flight_fini(&flight);
}

void test_recorder_tells_who_gives_way_to_the_loop(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(9, 1);
  policy.yield_after = 10 * MS;
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  world_observe(&flight.world, flight.world.now);
  world_observe(&flight.world, flight.world.now + 10 * MS);
  world_step(&flight.world, lane, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, settle 0 0.1, yield 0");
  world_end_turn(&flight.world);
  world_begin_turn(&flight.world);
  EXPECT_EQ(world_next(&flight.world), SLUICE_EVENT_RESUMED);
  EXPECT_EVENTS(&flight, "wake 0 yield, start 0 1.1");
  flight_fini(&flight);
}

void test_recorder_takes_back_the_start_of_an_item_that_never_was(void) {
  struct flight flight;
  flight_init(&flight);
  struct sluice_policy policy = policy_of(SLUICE_UNKNOWN, 2);
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle first = world_start(&flight.world, job, 0);
  world_step(&flight.world, first, SLUICE_OUTCOME_FULFILLED); /* START item 1 */
  struct sluice_policy other = policy_of(1, 1);
  world_open(&flight.world, &other); /* next() is user code */
  world_step(&flight.world, first, SLUICE_OUTCOME_EXHAUSTED);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, settle 0 0.1, open, close done");
  flight_fini(&flight);
}

void test_recorder_tells_of_guards_but_not_of_sleeps(void) {
  struct flight flight;
  flight_init(&flight);
  world_sleep(&flight.world, 10 * MS, 0);
  world_guard(&flight.world, SLUICE_NEVER, 0);
  world_release(&flight.world, world_guard(&flight.world, 10 * MS, 0));
  EXPECT_EVENTS(&flight, "start 2, settle 2");
  world_guard(&flight.world, 10 * MS, 0);
  world_pass(&flight.world, 10 * MS);
  while (world_next(&flight.world) != SLUICE_EVENT_NONE) continue;
  EXPECT_EVENTS(&flight, "start 2, timeout 2 attempt, abandon 2");
  flight_fini(&flight);
}

void test_recorder_tells_of_waiters_under_numbers_of_their_own(void) {
  struct flight flight;
  flight_init(&flight);
  struct world *world = &flight.world;
  struct sluice_handle semaphore = world_semaphore(world, 1, 1);
  struct sluice_handle limiter = world_limiter(world, 1, SECOND, 1);
  EXPECT_EQ(world_draw(world, limiter, 1, SLUICE_NEVER), SLUICE_EVENT_GRANTED);
  EXPECT_EVENTS(&flight, "");
  world_await_permits(world, semaphore, 1);
  EXPECT_EQ(world_acquire(world, semaphore, 1, 10 * MS), SLUICE_EVENT_NONE);
  struct sluice_handle gone = world_await_permits(world, semaphore, 1);
  world_await_tokens(world, limiter, 1);
  EXPECT_EVENTS(&flight, "park w0 limit, park w1 limit, park w2 limit, park w3 rate");
  world_withdraw(world, gone);
  world_give(world, semaphore, 1);
  EXPECT_EQ(world_hand(world), SLUICE_EVENT_GRANTED);
  EXPECT_EVENTS(&flight, "abort w2, wake w0 limit");
  world_pass(world, 10 * MS);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_OVERTIME);
  world_pass(world, SECOND);
  world_observe(world, world->now);
  EXPECT_EQ(world_next(world), SLUICE_EVENT_GRANTED);
  EXPECT_EVENTS(&flight, "timeout w1 wait, wake w3 rate");
  world_await_permits(world, semaphore, 1);
  EXPECT_EQ(sluice_semaphore_shut(world->engine, semaphore), SLUICE_OK);
  EXPECT_EQ(world_hand(world), SLUICE_EVENT_SHUT);
  EXPECT_EVENTS(&flight, "park w3 limit, abort w3");
  flight_fini(&flight);
}

/* Granted runs. */

static void flight_init_granting(struct flight *flight, uint64_t capacity) {
  flight_init_with(flight, capacity);
  world_share_grants(&flight->world);
  for (int i = 0; i < 10; i++) world_observe(&flight->world, flight->world.now);
}

/* A lane takes the next item of the run by itself. */
static void take(struct flight *flight, struct sluice_handle job, struct sluice_handle lane) {
  flight->world.grants.item[lane.slot] = flight->world.grants.next_item[job.slot]++;
}

/* And notes that. */
static void note(struct flight *flight, struct sluice_handle job, struct sluice_handle lane) {
  take(flight, job, lane);
  sluice_note(flight->world.engine, lane.slot);
}

void test_recorder_is_told_who_takes_what_of_a_granted_run(void) {
  struct flight flight;
  flight_init_granting(&flight, 1000);
  struct sluice_policy policy = policy_of(1000, 2);
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle first = world_start(&flight.world, job, 0);
  struct sluice_handle second = world_start(&flight.world, job, 1);
  world_step(&flight.world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, start 1 1.1, settle 0 0.1, start 0 2.1");
  note(&flight, job, second);
  EXPECT_EVENTS(&flight, "settle 1 1.1, start 1 3.1");
  note(&flight, job, second);
  note(&flight, job, first);
  EXPECT_EVENTS(&flight, "settle 1 3.1, start 1 4.1, settle 0 2.1, start 0 5.1");
  world_count(&flight.world, job); /* the engine reads what was taken */
  EXPECT_EVENTS(&flight, "");
  note(&flight, job, first);
  EXPECT_EVENTS(&flight, "settle 0 5.1, start 0 6.1");
  world_step(&flight.world, first, SLUICE_OUTCOME_FULFILLED);
  EXPECT_EVENTS(&flight, "settle 0 6.1, start 0 7.1");
  flight_fini(&flight);
}

void test_recorder_gives_granted_items_the_time_told(void) {
  struct flight flight;
  struct sluice_record records[16];
  flight_init_granting(&flight, 1000);
  struct sluice_policy policy = policy_of(1000, 1);
  sluice_recorder_tell_time(flight.recorder, 1000);
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle lane = world_start(&flight.world, job, 0);
  world_step(&flight.world, lane, SLUICE_OUTCOME_FULFILLED);
  sluice_recorder_tell_time(flight.recorder, 1001);
  note(&flight, job, lane);
  sluice_recorder_tell_time(flight.recorder, 8000);
  note(&flight, job, lane);
  sluice_recorder_tell_time(flight.recorder, 9000);
  world_step(&flight.world, lane, SLUICE_OUTCOME_FULFILLED);
  const uint64_t times[] = {1000, 1000, 1000, 1000, 1001, 1001, 8000, 8000, 9000, 9000};
  uint64_t from = 0;
  EXPECT_EQ(sluice_recorder_read(flight.recorder, &from, records, 16), sizeof times / sizeof *times);
  for (size_t i = 0; i < sizeof times / sizeof *times; i++) EXPECT_EQ(records[i].time, times[i]);
  flight_fini(&flight);
}

void test_recorder_that_comes_into_a_granted_run_records_from_there(void) {
  struct flight flight;
  flight_init_granting(&flight, 1000);
  sluice_record_to(flight.world.engine, NULL);
  struct sluice_policy policy = policy_of(1000, 2);
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle first = world_start(&flight.world, job, 0);
  struct sluice_handle second = world_start(&flight.world, job, 1);
  world_step(&flight.world, first, SLUICE_OUTCOME_FULFILLED);
  take(&flight, job, first);
  sluice_record_to(flight.world.engine, flight.recorder);
  note(&flight, job, second); /* what it has run until now nobody knows */
  note(&flight, job, second);
  EXPECT_EVENTS(&flight, "start 1 4.1, settle 1 4.1, start 1 5.1");
  flight_fini(&flight);
}

void test_recorder_leaves_forged_and_repeated_notes_alone(void) {
  struct flight flight;
  flight_init_granting(&flight, 1000);
  struct sluice_engine *engine = flight.world.engine;
  const uint32_t numbers[] = {2, 3, 255, 1023, 1024, INT32_MAX, (uint32_t)1 << 31, UINT32_MAX};
  const int32_t words[] = {INT32_MIN, -1, 0, 1, 2, 3, 1000, INT32_MAX};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sluice_note(engine, numbers[i]); /* nothing is open */
  struct sluice_policy policy = policy_of(1000, 2);
  struct sluice_handle job = world_open(&flight.world, &policy);
  struct sluice_handle first = world_start(&flight.world, job, 0);
  struct sluice_handle second = world_start(&flight.world, job, 1);
  EXPECT_EVENTS(&flight, "open, start 0 0.1, start 1 1.1");
  sluice_note(engine, first.slot); /* nothing is granted */
  EXPECT_EVENTS(&flight, "");
  world_step(&flight.world, first, SLUICE_OUTCOME_FULFILLED);
  note(&flight, job, second);
  EXPECT_EVENTS(&flight, "settle 0 0.1, start 0 2.1, settle 1 1.1, start 1 3.1");
  sluice_note(engine, second.slot);
  sluice_note(engine, first.slot); /* the engine has started it */
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sluice_note(engine, numbers[i]);
  int32_t item = flight.world.grants.item[first.slot];
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    flight.world.grants.item[first.slot] = words[i];
    sluice_note(engine, first.slot);
  }
  flight.world.grants.item[first.slot] = item;
  EXPECT_EVENTS(&flight, "");
  note(&flight, job, first);
  EXPECT_EVENTS(&flight, "settle 0 2.1, start 0 4.1");
  world_step(&flight.world, second, SLUICE_OUTCOME_REJECTED);
  EXPECT_EVENTS(&flight, "fail 1 3.1, close fail");
  sluice_note(engine, first.slot);
  sluice_note(engine, second.slot);
  EXPECT_EVENTS(&flight, "");
  flight_fini(&flight);
}
