#include "mailbox.h"

#include <math.h>
#include <string.h>

#include "box.h"
#include "fuzz.h"
#include "internal.h"
#include "rng.h"
#include "tests.h"

void test_mailbox_milliseconds_are_rounded_up_to_nanoseconds(void) {
  EXPECT_EQ(sluice_ms_to_ns(0), 0);
  EXPECT_EQ(sluice_ms_to_ns(-0.0), 0);
  EXPECT_EQ(sluice_ms_to_ns(-1), 0);
  EXPECT_EQ(sluice_ms_to_ns(-INFINITY), 0);
  EXPECT_EQ(sluice_ms_to_ns(1), MS);
  EXPECT_EQ(sluice_ms_to_ns(1.5), MS + MS / 2);
  EXPECT_EQ(sluice_ms_to_ns(1e-6), 1);
  EXPECT_EQ(sluice_ms_to_ns(1e-9), 1);
  EXPECT_EQ(sluice_ms_to_ns(4.9e-324), 1);
  EXPECT_EQ(sluice_ms_to_ns(1.0000001), MS + 1);
  EXPECT_EQ(sluice_ms_to_ns(2147483648.0), 2147483648 * MS);
}

void test_mailbox_milliseconds_saturate_at_never(void) {
  EXPECT_EQ(sluice_ms_to_ns(INFINITY), SLUICE_NEVER);
  EXPECT_EQ(sluice_ms_to_ns(1.7e308), SLUICE_NEVER);
  EXPECT_EQ(sluice_ms_to_ns(9223372036854.776), SLUICE_NEVER);
  EXPECT(sluice_ms_to_ns(9223372036854.7) < SLUICE_NEVER);
}

void test_mailbox_words_stand_apart(void) {
  uint64_t bytes[SLUICE_MAILBOX_WORD_BYTES / 8] = {0}; /* a bit per byte taken, in 8s */
#define TAKE(index, size) \
  for (int i = (index) * (size); i < ((index) + 1) * (size); i++) { \
    EXPECT(i < SLUICE_MAILBOX_WORD_BYTES); \
    EXPECT((bytes[i / 8] >> i % 8 & 1) == 0); \
    bytes[i / 8] |= (uint64_t)1 << i % 8; \
  }
#define TAKE_INT(name, index) TAKE(index, 4)
#define TAKE_DOUBLE(name, index) TAKE(index, 8)
  SLUICE_MAILBOX_INTS(TAKE_INT)
  SLUICE_MAILBOX_DOUBLES(TAKE_DOUBLE)
  EXPECT_EQ(sizeof(union sluice_words), SLUICE_MAILBOX_WORD_BYTES);
  EXPECT_EQ(offsetof(struct sluice_mailbox, grants) % 8, 0);
}

void test_mailbox_a_run_in_words(void) {
  struct box *box = box_new();
  box_write_policy(box);
  EXPECT_EQ(CALL(OPEN), 0);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_START);
  EXPECT_EQ(INT(ITEM), 0);
  EXPECT_EQ(INT(ATTEMPT), 1);
  EXPECT_EQ(INT(GRANTED), 0);
  int32_t lane = INT(LANE), generation = INT(LANE_GENERATION);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_START);
  EXPECT_EQ(INT(ITEM), 1);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_REST);
  INT(LANE) = lane;
  INT(LANE_GENERATION) = generation;
  INT(OUTCOME) = SLUICE_OUTCOME_REJECTED;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_PARK);
  EXPECT_EQ(INT(ATTEMPT), 2);
  box_tell(box, SLUICE_OPERATION_TURN_END, 1e9, 0);
  EXPECT(DOUBLE(NEXT_EXPIRY) == 1.05e9);
  EXPECT_EQ(INT(WAITING), 0);
  box_tell(box, SLUICE_OPERATION_EXPIRE, 1.05e9, 0);
  EXPECT_EQ(INT(WAITING), 1);
  EXPECT_EQ(CALL(NEXT), SLUICE_ACTION_START);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(INT(LANE), lane);
  EXPECT_EQ(INT(ITEM), 0);
  EXPECT_EQ(INT(ATTEMPT), 2);
  CALL(NEXT);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_NONE);
  box_tell(box, SLUICE_OPERATION_EXPIRE, 1.1e9, 0);
  EXPECT_EQ(INT(WAITING), 2);
  box_tell(box, SLUICE_OPERATION_JUDGE, 1.1e9, 0);
  EXPECT_EQ(INT(WAITING), 1);
  EXPECT_EQ(CALL(NEXT), SLUICE_ACTION_PARK);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_TIMED_OUT);
  EXPECT(DOUBLE(ELAPSED) == 100);
  EXPECT(DOUBLE(LOOP_BLOCKED) == 0);
  EXPECT_EQ(CALL(COUNT), 0);
  EXPECT(DOUBLE(STARTED) == 2 && DOUBLE(DONE) == 0 && DOUBLE(FAILED) == 0);
  EXPECT(DOUBLE(RETRIED) == 2 && DOUBLE(TIMED_OUT) == 1 && DOUBLE(ABANDONED) == 1);
  EXPECT_EQ(CALL(LATE), 0);
  EXPECT_EQ(CALL(LATE), SLUICE_ESTATE);
  EXPECT_EQ(CALL(ABORT), SLUICE_ACTION_FAIL);
  EXPECT(DOUBLE(ABANDONED) == 0);
  EXPECT_EQ(CALL(COUNT), SLUICE_ESTALE);
  box_tell(box, SLUICE_OPERATION_TURN_END, 1.1e9, 0);
  EXPECT(DOUBLE(NEXT_EXPIRY) == INFINITY);
  EXPECT_EQ(INT(WAITING), 0);
  box_free(box);
}

/* NEXT, with noise in the words that it is to write. */
static void expect_event(struct box *box, enum sluice_event event, int32_t lane, int32_t job) {
  enum { NOISE = 0x77777777 };
  INT(LANE) = INT(LANE_GENERATION) = INT(JOB) = INT(JOB_GENERATION) = NOISE;
  for (int i = SLUICE_WORD_ELAPSED; i <= SLUICE_WORD_ABANDONED; i++) box->mailbox.words.doubles[i] = -1;
  CALL(NEXT);
  EXPECT_EQ(INT(EVENT), event);
  EXPECT_EQ(INT(LANE), lane < 0 ? NOISE : lane);
  EXPECT_EQ(INT(LANE_GENERATION) != NOISE, lane >= 0);
  EXPECT_EQ(INT(JOB), job < 0 ? NOISE : job);
  EXPECT_EQ(INT(JOB_GENERATION) != NOISE, job >= 0);
}

void test_mailbox_each_event_names_its_lane_and_its_job(void) {
  struct box *box = box_new();
  box_write_policy(box);
  INT(FLAGS) = 0;
  for (int job = 0; job < 3; job++) { /* the slots' numbers tell them apart */
    CALL(OPEN);
    EXPECT_EQ(INT(JOB), job);
  }
  DOUBLE(YIELD_AFTER) = 0;
  DOUBLE(DELAY) = 0;
  INT(FLAGS) = SLUICE_FLAG_PROGRESS;
  CALL(OPEN);
  int32_t told = INT(JOB);
  CALL(JOIN);
  int32_t lane = INT(LANE);
  EXPECT(told == 3 && lane == 0);
  INT(OUTCOME) = SLUICE_OUTCOME_REJECTED;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_PARK); /* it gives way */
  box_tell(box, SLUICE_OPERATION_TURN_END, 0, 0);
  EXPECT_EQ(INT(WAITING), 2);
  box_tell(box, SLUICE_OPERATION_TURN_BEGIN, 0, 0);
  expect_event(box, SLUICE_EVENT_RESUMED, lane, told);
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_START);
  box_tell(box, SLUICE_OPERATION_TURN_END, 0, 0);
  box_tell(box, SLUICE_OPERATION_JUDGE, 0, 0);
  expect_event(box, SLUICE_EVENT_PROGRESS, -1, told);
  EXPECT(DOUBLE(STARTED) == 1 && DOUBLE(RETRIED) == 1 && DOUBLE(ELAPSED) == -1);
  box_tell(box, SLUICE_OPERATION_EXPIRE, 100e6, 0);
  box_tell(box, SLUICE_OPERATION_JUDGE, 100e6, 0);
  expect_event(box, SLUICE_EVENT_TIMED_OUT, lane, told); /* and no retry is left */
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_FAIL);
  EXPECT(DOUBLE(ELAPSED) == 100 && DOUBLE(LOOP_BLOCKED) == 0 && DOUBLE(FAILED) == 1);
  box_free(box);
}

void test_mailbox_the_total_timeout_in_words(void) {
  struct box *box = box_new();
  box_write_policy(box);
  DOUBLE(TOTAL_TIMEOUT) = 40; /* shorter than the backoff */
  INT(FLAGS) = 0;
  for (int job = 0; job < 2; job++) {
    CALL(OPEN);
    CALL(JOIN);
  }
  int32_t outlived = INT(LANE);
  INT(OUTCOME) = SLUICE_OUTCOME_REJECTED;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_PARK);
  box_tell(box, SLUICE_OPERATION_TURN_END, 0, 0);
  expect_event(box, SLUICE_EVENT_OUTLIVED, outlived, 1);
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_FAIL);
  EXPECT(DOUBLE(ELAPSED) == 0 && DOUBLE(FAILED) == 1);
  box_tell(box, SLUICE_OPERATION_EXPIRE, 50e6, 0);
  box_tell(box, SLUICE_OPERATION_JUDGE, 50e6, 0);
  expect_event(box, SLUICE_EVENT_TOTAL, -1, 0);
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_FAIL);
  EXPECT(DOUBLE(ELAPSED) == 50 && DOUBLE(STARTED) == 1 && DOUBLE(FAILED) == 0);
  box_free(box);
}

void test_mailbox_a_review_in_words(void) {
  struct box *box = box_new();
  box_write_policy(box);
  DOUBLE(MAX_DELAY) = 400;
  DOUBLE(RETRIES) = INFINITY;
  DOUBLE(ITEM_TIMEOUT) = 1000;
  INT(FLAGS) = SLUICE_FLAG_REVIEW;
  CALL(OPEN);
  CALL(JOIN);
  box_tell(box, SLUICE_OPERATION_TURN_END, 1e9, 0);
  box_tell(box, SLUICE_OPERATION_OBSERVE, 1.02e9, 0);
  INT(OUTCOME) = SLUICE_OUTCOME_REJECTED;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_REVIEW);
  EXPECT_EQ(INT(ATTEMPT), 2);
  EXPECT(DOUBLE(RETRIES_LEFT) == INFINITY && DOUBLE(DELAY) == 50 && DOUBLE(ITEM_ELAPSED) == 20);
  INT(OUTCOME) = SLUICE_OUTCOME_WAIT;
  DOUBLE(DELAY) = 1e6;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_REVIEW);
  EXPECT(DOUBLE(DELAY) == 400);
  static const enum sluice_outcome planning[] = {SLUICE_OUTCOME_WAIT, SLUICE_OUTCOME_WISH};
  for (int i = 0; i < 2; i++) {
    INT(OUTCOME) = planning[i];
    DOUBLE(DELAY) = NAN;
    EXPECT_EQ(CALL(STEP), SLUICE_EINVAL);
  }
  DOUBLE(DELAY) = 70;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_REVIEW);
  EXPECT(DOUBLE(DELAY) == 70);
  DOUBLE(NOW) = 1.1e9;
  EXPECT_EQ(CALL(REMAINING), 0);
  EXPECT(DOUBLE(REMAINING) == 900);
  INT(OUTCOME) = SLUICE_OUTCOME_RETRY;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_PARK);
  EXPECT(INT(ITEM) == 0 && INT(ATTEMPT) == 2);
  EXPECT_EQ(CALL(REMAINING), SLUICE_ESTATE);
  EXPECT_EQ(CALL(CLOCK), 0);
  box_tell(box, SLUICE_OPERATION_TURN_END, 1.1e9, 0);
  box_tell(box, SLUICE_OPERATION_EXPIRE, 1.17e9, 0);
  EXPECT_EQ(CALL(NEXT), SLUICE_ACTION_START);
  INT(OUTCOME) = SLUICE_OUTCOME_REJECTED;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_REVIEW);
  INT(OUTCOME) = SLUICE_OUTCOME_WISH;
  DOUBLE(DELAY) = 400.001;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_FAIL);
  EXPECT(DOUBLE(FAILED) == 1 && DOUBLE(RETRIED) == 1);
  box_free(box);
}

void test_mailbox_remaining_in_words(void) {
  struct box *box = box_new();
  box_write_policy(box);
  CALL(OPEN);
  CALL(JOIN);
  EXPECT_EQ(CALL(REMAINING), SLUICE_EINVAL); /* the time is noise */
  DOUBLE(NOW) = 5;
  EXPECT_EQ(CALL(REMAINING), 0);
  EXPECT(DOUBLE(REMAINING) == 100);
  box_write_policy(box);
  DOUBLE(TIMEOUT) = INFINITY;
  CALL(OPEN);
  CALL(JOIN);
  EXPECT_EQ(CALL(REMAINING), 0);
  EXPECT(DOUBLE(REMAINING) == INFINITY);
  INT(LANE_GENERATION) += 2;
  EXPECT_EQ(CALL(REMAINING), SLUICE_ESTALE);
  box_free(box);
}

void test_mailbox_a_drain_in_words(void) {
  struct box *box = box_new();
  box_write_policy(box);
  INT(FLAGS) = SLUICE_FLAG_DRAIN;
  DOUBLE(ITEM_TIMEOUT) = 40;
  CALL(OPEN);
  CALL(JOIN);
  int32_t failing = INT(LANE), job = INT(JOB);
  CALL(JOIN);
  int32_t running = INT(LANE);
  box_tell(box, SLUICE_OPERATION_TURN_END, 0, 0);
  box_tell(box, SLUICE_OPERATION_EXPIRE, 40e6, 0);
  box_tell(box, SLUICE_OPERATION_JUDGE, 40e6, 0);
  expect_event(box, SLUICE_EVENT_ITEM, failing, job);
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_DRAIN);
  EXPECT(DOUBLE(ELAPSED) == 40 && DOUBLE(LOOP_BLOCKED) == 0 && DOUBLE(FAILED) == 1);
  INT(LANE) = running;
  INT(LANE_GENERATION) = 1;
  INT(OUTCOME) = SLUICE_OUTCOME_FULFILLED;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_DONE);
  EXPECT(DOUBLE(DONE) == 1 && DOUBLE(TIMED_OUT) == 1);
  box_free(box);
}

/* What nobody set is not told: the same calls answer the same words. */
void test_mailbox_parks_without_an_item_tell_of_none(void) {
  struct box *box = box_new();
  box_write_policy(box);
  INT(SOURCE) = SLUICE_SOURCE_ASYNC;
  DOUBLE(YIELD_AFTER) = 0;
  CALL(OPEN);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_PARK);
  EXPECT_EQ(INT(ATTEMPT), 0);
  EXPECT_EQ(INT(ITEM), 0);
  box_free(box);
}

void test_mailbox_the_end_brings_the_counts(void) {
  struct box *box = box_new();
  box_write_policy(box);
  DOUBLE(ITEMS) = DOUBLE(LIMIT) = 1;
  CALL(OPEN);
  CALL(JOIN);
  INT(OUTCOME) = SLUICE_OUTCOME_FULFILLED;
  sluice_mailbox_step(box->engine, &box->mailbox);
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_DONE);
  EXPECT(DOUBLE(STARTED) == 1 && DOUBLE(DONE) == 1 && DOUBLE(FAILED) == 0);
  box_write_policy(box);
  DOUBLE(TOTAL_TIMEOUT) = -5;
  EXPECT_EQ(CALL(OPEN), SLUICE_ACTION_FAIL);
  EXPECT(DOUBLE(STARTED) == 0 && DOUBLE(DONE) == 0);
  box_free(box);
}

void test_mailbox_guards_and_sleeps_in_words(void) {
  struct box *box = box_new();
  INT(FLAGS) = 0;
  DOUBLE(TIMEOUT) = 0.25;
  EXPECT_EQ(CALL(GUARD), 0);
  int32_t guard = INT(LANE), guard_generation = INT(LANE_GENERATION);
  DOUBLE(TIMEOUT) = 0.5;
  EXPECT_EQ(CALL(SLEEP), 0);
  int32_t sleep = INT(LANE);
  box_tell(box, SLUICE_OPERATION_TURN_END, 0, 0);
  box_tell(box, SLUICE_OPERATION_EXPIRE, 1e6, 0);
  box_tell(box, SLUICE_OPERATION_JUDGE, 1e6, 0);
  CALL(NEXT);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_SLEPT);
  EXPECT_EQ(INT(LANE), sleep);
  EXPECT_EQ(INT(ACTION), 0);
  CALL(NEXT);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_EXPIRED);
  EXPECT_EQ(INT(LANE), guard);
  EXPECT_EQ(INT(LANE_GENERATION), guard_generation);
  EXPECT(DOUBLE(ELAPSED) == 1);
  EXPECT_EQ(CALL(RELEASE), SLUICE_ESTALE);
  DOUBLE(TIMEOUT) = INFINITY;
  EXPECT_EQ(CALL(GUARD), 0);
  EXPECT_EQ(CALL(RELEASE), 0);
  DOUBLE(TIMEOUT) = NAN;
  EXPECT_EQ(CALL(GUARD), SLUICE_EINVAL);
  EXPECT_EQ(CALL(SLEEP), SLUICE_EINVAL);
  DOUBLE(TIMEOUT) = 1;
  INT(FLAGS) = 2;
  EXPECT_EQ(CALL(SLEEP), SLUICE_EINVAL);
  box_free(box);
}

void test_mailbox_a_wide_item_is_a_double(void) {
  struct box *box = box_new();
  box_write_policy(box);
  DOUBLE(ITEMS) = (double)SLUICE_ITEM_MAX;
  CALL(OPEN);
  struct sluice__job *job = sluice__job_at(box->engine, 0);
  job->next_item = job->counts.started = job->counts.done = INT32_MAX;
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_START);
  EXPECT_EQ(INT(ITEM), INT32_MAX);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_START);
  EXPECT_EQ(INT(ITEM), -1);
  EXPECT(DOUBLE(ITEM_WIDE) == 2147483648.0);
  box_free(box);
}

void test_mailbox_time_refuses_forged_numbers(void) {
  static const double forged[] = {NAN, -1, -1e-300, INFINITY, -INFINITY, 1e19, 4611686018427387904.0};
  struct box *box = box_new();
  for (int operation = SLUICE_OPERATION_OBSERVE; operation <= SLUICE_OPERATION_JUDGE; operation++) {
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
      DOUBLE(NOW) = forged[i];
      DOUBLE(SPAN) = 0;
      EXPECT_EQ(box_call(box, (enum sluice_operation)operation), SLUICE_EINVAL);
      DOUBLE(NOW) = 0;
      DOUBLE(SPAN) = forged[i];
      EXPECT_EQ(box_call(box, (enum sluice_operation)operation), SLUICE_EINVAL);
    }
    DOUBLE(SPAN) = 0;
    EXPECT_EQ(box_call(box, (enum sluice_operation)operation), 0);
  }
  EXPECT_EQ(INT(STRIDE), 1);
  box_free(box);
}

void test_mailbox_an_unknown_operation_is_an_error(void) {
  static const int32_t operations[] = {0, SLUICE_OPERATION_JUDGE + 1, -1, 255, INT32_MIN, INT32_MAX};
  struct box *box = box_new();
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    EXPECT_EQ(box_call(box, (enum sluice_operation)operations[i]), SLUICE_EINVAL);
  box_free(box);
}

void test_mailbox_an_error_writes_no_other_word(void) {
  struct box *box = box_new();
  for (int operation = 0; operation <= SLUICE_OPERATION_JUDGE + 1; operation++) {
    if (operation == SLUICE_OPERATION_NEXT || operation == SLUICE_OPERATION_CLOCK) continue;
    if (operation == SLUICE_OPERATION_HAND) continue;             /* these never fail */
    memset(&box->mailbox.words, 0xff, sizeof box->mailbox.words); /* -1 and NaN */
    union sluice_words before = box->mailbox.words;
    EXPECT(box_call(box, (enum sluice_operation)operation) < 0);
    before.ints[SLUICE_WORD_ACTION] = INT(ACTION);
    EXPECT(memcmp(&before, &box->mailbox.words, sizeof before) == 0);
  }
  box_free(box);
}

void test_mailbox_forged_words_are_errors_and_never_crash(void) {
  enum { SIZE = 4096 };
  static uint8_t bytes[SIZE];
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (uint64_t round = 0; round < 60 * test_rounds; round++) {
    for (size_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)sluice__rng_next(&rng);
    uint64_t answers = fuzz_mailbox_traffic(bytes, SIZE, 0xa5);
    if (round % 8 == 0) EXPECT_EQ(fuzz_mailbox_traffic(bytes, SIZE, 0), answers); /* whatever memory held before */
  }
}

/* The words of a semaphore's and a limiter's operations, and what each of them answers. */
void test_mailbox_a_semaphore_in_words(void) {
  struct box *box = box_new();
  DOUBLE(PERMITS) = 2;
  DOUBLE(IN_USE) = 1;
  EXPECT_EQ(CALL(SEMAPHORE), 0);
  EXPECT_EQ(INT(HANDED), 0);
  int32_t semaphore = INT(SEMAPHORE), generation = INT(SEMAPHORE_GENERATION);
  EXPECT(semaphore == 0 && generation == 1);
  DOUBLE(WEIGHT) = 1;
  DOUBLE(TIMEOUT) = INFINITY;
  DOUBLE(MAX_WAITING) = 1;
  INT(FLAGS) = 0;
  EXPECT_EQ(CALL(ACQUIRE), 0);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(CALL(ACQUIRE), 0);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_NONE);
  int32_t waiter = INT(LANE), waiter_generation = INT(LANE_GENERATION);
  EXPECT_EQ(CALL(ACQUIRE), SLUICE_ECROWDED);
  EXPECT_EQ(CALL(SEMAPHORE_LEVEL), 0);
  EXPECT(DOUBLE(AVAILABLE) == 0 && DOUBLE(CAPACITY) == 2 && DOUBLE(WAITERS) == 1 && DOUBLE(USERS) == 0);
  EXPECT_EQ(CALL(SEMAPHORE_CLOSE), SLUICE_ESTATE);
  INT(LANE) = INT(LANE_GENERATION) = -1;
  EXPECT_EQ(CALL(GIVE), 0); /* with the first decision that it brings */
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(INT(HANDED), 0);
  EXPECT(INT(LANE) == waiter && INT(LANE_GENERATION) == waiter_generation);
  DOUBLE(WEIGHT) = 3;
  EXPECT_EQ(CALL(GIVE), SLUICE_EINVAL);
  DOUBLE(MAX_WAITING) = INFINITY;
  DOUBLE(WEIGHT) = 2;
  for (int i = 0; i < 2; i++) EXPECT_EQ(CALL(ACQUIRE), 0);
  DOUBLE(PERMITS) = 1;
  EXPECT_EQ(CALL(RESIZE), 0); /* both are refused */
  EXPECT_EQ(INT(HANDED), 1);
  EXPECT_EQ(CALL(HAND), 0);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_REFUSED);
  EXPECT_EQ(INT(HANDED), 1);
  CALL(HAND);
  EXPECT_EQ(INT(HANDED), 0);
  CALL(HAND);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_NONE);
  DOUBLE(WEIGHT) = 1;
  EXPECT_EQ(CALL(ACQUIRE), 0);
  EXPECT_EQ(CALL(WITHDRAW), 0);
  EXPECT_EQ(CALL(WITHDRAW), SLUICE_ESTALE);
  EXPECT_EQ(CALL(ACQUIRE), 0);
  EXPECT_EQ(CALL(SEMAPHORE_SHUT), 0);
  EXPECT_EQ(INT(HANDED), 1);
  CALL(HAND);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_SHUT);
  DOUBLE(IN_USE) = -1;
  EXPECT_EQ(CALL(SEMAPHORE_CLOSE), 0);
  EXPECT(DOUBLE(IN_USE) == 2);
  EXPECT_EQ(CALL(SEMAPHORE_CLOSE), SLUICE_ESTALE);
  DOUBLE(PERMITS) = INFINITY; /* as good as no limit */
  DOUBLE(IN_USE) = 0;
  EXPECT_EQ(CALL(SEMAPHORE), 0);
  EXPECT_EQ(CALL(SEMAPHORE_LEVEL), 0);
  EXPECT(DOUBLE(AVAILABLE) == 9007199254740991.0);
  box_free(box);
}

void test_mailbox_a_limiter_in_words(void) {
  struct box *box = box_new();
  box_tell(box, SLUICE_OPERATION_OBSERVE, 1e9, 0);
  DOUBLE(RATE_MAX) = 10;
  DOUBLE(RATE_PER) = 1000;
  DOUBLE(RATE_BURST) = 1;
  EXPECT_EQ(CALL(LIMITER), 0);
  EXPECT(INT(LIMITER) == 0 && INT(LIMITER_GENERATION) == 1);
  DOUBLE(WEIGHT) = 1;
  DOUBLE(TIMEOUT) = INFINITY;
  DOUBLE(MAX_WAITING) = INFINITY;
  INT(FLAGS) = 0;
  EXPECT_EQ(CALL(DRAW), 0);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(CALL(DRAW), 0);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_NONE);
  int32_t waiter = INT(LANE);
  box_tell(box, SLUICE_OPERATION_TURN_END, 1.05e9, 0);
  EXPECT(DOUBLE(NEXT_EXPIRY) == 1.1e9);
  box_tell(box, SLUICE_OPERATION_EXPIRE, 1.1e9, 0);
  INT(LANE) = -1;
  CALL(NEXT);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(INT(LANE), waiter);
  EXPECT(DOUBLE(ELAPSED) == 100); /* since DRAW, not since the end of its turn */
  DOUBLE(DELAY) = 500;
  EXPECT_EQ(CALL(PENALIZE), 0);
  DOUBLE(TIMEOUT) = 200;
  EXPECT_EQ(CALL(DRAW), 0);
  box_tell(box, SLUICE_OPERATION_TURN_END, 1.1e9, 0);
  EXPECT(DOUBLE(NEXT_EXPIRY) == 1.3e9); /* its timeout comes first */
  box_tell(box, SLUICE_OPERATION_EXPIRE, 1.3e9, 0);
  box_tell(box, SLUICE_OPERATION_JUDGE, 1.3e9, 0);
  CALL(NEXT);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_OVERTIME);
  EXPECT(DOUBLE(ELAPSED) == 200 && DOUBLE(LOOP_BLOCKED) == 0);
  DOUBLE(RATE_BURST) = 7;
  EXPECT_EQ(CALL(RECONFIGURE), 0);
  EXPECT_EQ(CALL(LIMITER_LEVEL), 0);
  EXPECT(DOUBLE(AVAILABLE) == 0 && DOUBLE(CAPACITY) == 7 && DOUBLE(WAITERS) == 0 && DOUBLE(USERS) == 0);
  EXPECT_EQ(CALL(LIMITER_SHUT), 0);
  DOUBLE(RATE_MAX) = NAN;
  EXPECT_EQ(CALL(RECONFIGURE), SLUICE_EINVAL);
  DOUBLE(DELAY) = NAN;
  EXPECT_EQ(CALL(PENALIZE), SLUICE_EINVAL);
  EXPECT_EQ(CALL(LIMITER_CLOSE), 0);
  EXPECT_EQ(CALL(LIMITER_LEVEL), SLUICE_ESTALE);
  box_free(box);
}

void test_mailbox_a_window_and_a_verdict_in_words(void) {
  struct box *box = box_new();
  box_write_policy(box);
  DOUBLE(WINDOW) = 1;
  DOUBLE(RETRIES) = 0;
  INT(FLAGS) = SLUICE_FLAG_VERDICT | SLUICE_FLAG_COLLECT;
  CALL(OPEN);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_START);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_REST);
  INT(OUTCOME) = SLUICE_OUTCOME_REJECTED;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_REVIEW);
  EXPECT(INT(ATTEMPT) == 0 && DOUBLE(RETRIES_LEFT) == 0 && DOUBLE(DELAY) == 0 && DOUBLE(ITEM_ELAPSED) == 0);
  INT(OUTCOME) = SLUICE_OUTCOME_REFUSED;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_PARK);
  EXPECT_EQ(INT(ATTEMPT), 0);
  int32_t lane = INT(LANE), job = INT(JOB);
  DOUBLE(WEIGHT) = 1.5;
  EXPECT_EQ(CALL(READ), SLUICE_EINVAL);
  DOUBLE(WEIGHT) = 1;
  EXPECT_EQ(CALL(READ), 0);
  EXPECT_EQ(INT(HANDED), 1);
  INT(LANE) = INT(JOB) = -1;
  EXPECT_EQ(CALL(HAND), SLUICE_ACTION_START);
  EXPECT(INT(EVENT) == SLUICE_EVENT_RESUMED && INT(LANE) == lane && INT(JOB) == job && INT(ITEM) == 1);
  box_free(box);
}

/* A lane that gives its permit back hands it to another job, which is named. */
void test_mailbox_a_permit_for_one_more_lane_in_words(void) {
  struct box *box = box_new();
  DOUBLE(PERMITS) = 2;
  DOUBLE(IN_USE) = 1;
  EXPECT_EQ(CALL(SEMAPHORE), 0);
  box_write_policy(box);
  INT(SEMAPHORE_GENERATION) = 1;
  CALL(OPEN);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_START);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_REST);
  int32_t job = INT(JOB), generation = INT(JOB_GENERATION);
  DOUBLE(WEIGHT) = 1;
  INT(JOB) = INT(JOB_GENERATION) = -1;
  EXPECT_EQ(CALL(GIVE), 0);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_ROOM);
  EXPECT(INT(JOB) == job && INT(JOB_GENERATION) == generation);
  EXPECT_EQ(CALL(JOIN), SLUICE_ACTION_START);
  EXPECT_EQ(INT(ITEM), 1);
  box_free(box);
}

void test_mailbox_waits_refuse_each_forged_double(void) {
  static const double forged[] = {NAN, -1, 0.5, -INFINITY, -1e300, 1e-300};
  static const enum sluice_operation operations[] = {SLUICE_OPERATION_ACQUIRE, SLUICE_OPERATION_DRAW};
  struct box *box = box_new();
  DOUBLE(PERMITS) = DOUBLE(IN_USE) = 5;
  EXPECT_EQ(CALL(SEMAPHORE), 0);
  DOUBLE(RATE_MAX) = 1;
  DOUBLE(RATE_PER) = DOUBLE(RATE_BURST) = 1000;
  EXPECT_EQ(CALL(LIMITER), 0);
  INT(FLAGS) = 0;
  for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
    DOUBLE(PERMITS) = forged[i];
    DOUBLE(WEIGHT) = forged[i];
    EXPECT_EQ(CALL(SEMAPHORE), SLUICE_EINVAL);
    EXPECT_EQ(CALL(RESIZE), SLUICE_EINVAL);
    EXPECT_EQ(CALL(GIVE), SLUICE_EINVAL);
    EXPECT_EQ(CALL(READ), SLUICE_EINVAL);
    DOUBLE(PERMITS) = 1;
    DOUBLE(IN_USE) = forged[i];
    EXPECT_EQ(CALL(SEMAPHORE), SLUICE_EINVAL);
    for (int k = 0; k < 2; k++) {
      DOUBLE(TIMEOUT) = DOUBLE(MAX_WAITING) = 0;
      DOUBLE(WEIGHT) = forged[i];
      EXPECT_EQ(box_call(box, operations[k]), SLUICE_EINVAL);
      DOUBLE(WEIGHT) = 1;
      DOUBLE(MAX_WAITING) = forged[i];
      EXPECT_EQ(box_call(box, operations[k]), SLUICE_EINVAL);
      DOUBLE(MAX_WAITING) = 0;
      DOUBLE(TIMEOUT) = NAN;
      EXPECT_EQ(box_call(box, operations[k]), SLUICE_EINVAL);
    }
  }
  box_free(box);
}

void test_mailbox_tells_which_operations_want_the_clock(void) {
  static const enum sluice_operation always[] = {SLUICE_OPERATION_RECONFIGURE, SLUICE_OPERATION_PENALIZE,
                                                 SLUICE_OPERATION_LIMITER_LEVEL};
  static const enum sluice_operation rated[] = {SLUICE_OPERATION_NEXT, SLUICE_OPERATION_HAND, SLUICE_OPERATION_GIVE};
  struct box *box = box_new();
  const struct sluice_engine *engine = box->engine;
  const struct sluice_mailbox *mailbox = &box->mailbox;
  box_tell(box, SLUICE_OPERATION_OBSERVE, 1e9, 0);
  DOUBLE(RATE_MAX) = DOUBLE(RATE_BURST) = 1;
  DOUBLE(RATE_PER) = 1000;
  EXPECT_EQ(CALL(LIMITER), 0);
  DOUBLE(TIMEOUT) = DOUBLE(MAX_WAITING) = INFINITY;
  INT(FLAGS) = 0;
  for (int is_rated = 0; is_rated < 2; is_rated++) {
    for (int i = 0; i < 3; i++) {
      EXPECT(sluice_mailbox_wants_clock(engine, mailbox, always[i]));
      EXPECT_EQ(sluice_mailbox_wants_clock(engine, mailbox, rated[i]), is_rated);
    }
    DOUBLE(WEIGHT) = 1;
    EXPECT_EQ(sluice_mailbox_wants_clock(engine, mailbox, SLUICE_OPERATION_DRAW), is_rated);
    if (!is_rated) EXPECT_EQ(CALL(DRAW), 0);
    if (!is_rated) EXPECT_EQ(CALL(DRAW), 0); /* this one waits */
    EXPECT(!sluice_mailbox_wants_clock(engine, mailbox, SLUICE_OPERATION_COUNT));
  }
  DOUBLE(WEIGHT) = NAN;
  EXPECT(sluice_mailbox_wants_clock(engine, mailbox, SLUICE_OPERATION_DRAW));
  INT(LIMITER_GENERATION) += 2;
  DOUBLE(WEIGHT) = 1;
  EXPECT(sluice_mailbox_wants_clock(engine, mailbox, SLUICE_OPERATION_DRAW));
  box_free(box);
}
