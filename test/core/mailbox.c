#include "mailbox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "internal.h"
#include "rng.h"
#include "tests.h"
#include "world.h"

struct box {
  struct memory memory;
  struct sluice_engine *engine;
  struct sluice_mailbox mailbox;
};

#define INT(name) box->mailbox.words.ints[SLUICE_WORD_##name]
#define DOUBLE(name) box->mailbox.words.doubles[SLUICE_WORD_##name]
#define CALL(name) call(box, SLUICE_OPERATION_##name)

static struct box *box_new(void) {
  struct box *box = calloc(1, sizeof *box);
  if (box == NULL) FAIL("the test itself is out of memory");
  memset(&box->mailbox.words, 0x77, sizeof box->mailbox.words); /* words that nobody wrote are noise */
  memory_init(&box->memory);
  box->engine = sluice_engine_new(&box->memory.allocator, test_seed);
  sluice_share_grants(box->engine, &box->mailbox.grants);
  return box;
}

static void box_free(struct box *box) {
  sluice_engine_free(box->engine);
  EXPECT_EQ(box->memory.in_use, 0);
  free(box);
}

static int32_t call(struct box *box, enum sluice_operation operation) {
  sluice_mailbox_call(box->engine, &box->mailbox, operation);
  EXPECT(sluice_check(box->engine));
  return box->mailbox.words.ints[SLUICE_WORD_ACTION];
}

static void write_policy(struct box *box) {
  DOUBLE(ITEMS) = 3;
  DOUBLE(LIMIT) = 2;
  DOUBLE(RETRIES) = 1;
  DOUBLE(TIMEOUT) = 100;
  DOUBLE(TOTAL_TIMEOUT) = INFINITY;
  DOUBLE(YIELD_AFTER) = 10;
  DOUBLE(DELAY) = 50;
  DOUBLE(FACTOR) = 2;
  DOUBLE(MAX_DELAY) = INFINITY;
  INT(BACKOFF) = SLUICE_BACKOFF_EXPONENTIAL;
  INT(JITTER) = SLUICE_JITTER_NONE;
  INT(SOURCE) = SLUICE_SOURCE_INDEXED;
  INT(FLAGS) = SLUICE_FLAG_COLLECT;
}

static void tell(struct box *box, enum sluice_operation operation, double now, double span) {
  DOUBLE(NOW) = now;
  DOUBLE(SPAN) = span;
  EXPECT_EQ(call(box, operation), 0);
}

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

void test_mailbox_open_passes_on_each_word(void) {
  struct box *box = box_new();
  write_policy(box);
  DOUBLE(TOTAL_TIMEOUT) = 1e9;
  EXPECT_EQ(CALL(OPEN), 0);
  struct sluice_handle handle = {(uint32_t)INT(JOB), (uint32_t)INT(JOB_GENERATION)};
  const struct sluice_policy *policy = &sluice__job_find(box->engine, handle)->policy;
  EXPECT_EQ(policy->items, 3);
  EXPECT_EQ(policy->limit, 2);
  EXPECT_EQ(policy->retries, 1);
  EXPECT_EQ(policy->timeout, 100 * MS);
  EXPECT_EQ(policy->total_timeout, (uint64_t)1000000000 * MS);
  EXPECT_EQ(policy->yield_after, 10 * MS);
  EXPECT_EQ(policy->backoff.delay, 50 * MS);
  EXPECT_EQ(policy->backoff.max_delay, SLUICE_NEVER);
  EXPECT(policy->backoff.factor == 2);
  EXPECT_EQ(policy->backoff.kind, SLUICE_BACKOFF_EXPONENTIAL);
  EXPECT_EQ(policy->backoff.jitter, SLUICE_JITTER_NONE);
  EXPECT_EQ(policy->source, SLUICE_SOURCE_INDEXED);
  EXPECT_EQ(policy->flags, SLUICE_FLAG_COLLECT);
  box_free(box);
}

void test_mailbox_infinity_is_unlimited(void) {
  struct box *box = box_new();
  write_policy(box);
  DOUBLE(ITEMS) = DOUBLE(LIMIT) = DOUBLE(RETRIES) = INFINITY;
  INT(SOURCE) = SLUICE_SOURCE_SYNC;
  EXPECT_EQ(CALL(OPEN), 0);
  struct sluice_handle handle = {(uint32_t)INT(JOB), (uint32_t)INT(JOB_GENERATION)};
  const struct sluice_policy *policy = &sluice__job_find(box->engine, handle)->policy;
  EXPECT_EQ(policy->items, SLUICE_UNKNOWN);
  EXPECT_EQ(policy->limit, SLUICE_UNLIMITED);
  EXPECT_EQ(policy->retries, SLUICE_UNLIMITED);
  box_free(box);
}

void test_mailbox_open_refuses_each_forged_double(void) {
  static const enum sluice_word counts[] = {SLUICE_WORD_ITEMS, SLUICE_WORD_LIMIT, SLUICE_WORD_RETRIES};
  static const double bad_counts[] = {NAN, -1, -INFINITY, 0.5, 1e-300, 2.5, -1e300};
  static const enum sluice_word durations[] = {SLUICE_WORD_TIMEOUT, SLUICE_WORD_TOTAL_TIMEOUT, SLUICE_WORD_YIELD_AFTER,
                                               SLUICE_WORD_DELAY,   SLUICE_WORD_MAX_DELAY,     SLUICE_WORD_FACTOR};
  struct box *box = box_new();
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    for (size_t k = 0; k < sizeof bad_counts / sizeof *bad_counts; k++) {
      write_policy(box);
      box->mailbox.words.doubles[counts[i]] = bad_counts[k];
      EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
    }
  }
  for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
    write_policy(box);
    box->mailbox.words.doubles[durations[i]] = NAN;
    EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
  }
  static const double bad_factors[] = {0, 0.99, -1, INFINITY, -INFINITY, 1.1e300};
  for (size_t i = 0; i < sizeof bad_factors / sizeof *bad_factors; i++) {
    write_policy(box);
    DOUBLE(FACTOR) = bad_factors[i];
    EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
  }
  write_policy(box);
  DOUBLE(LIMIT) = 0;
  EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
  struct sluice_usage usage;
  sluice_measure(box->engine, &usage);
  EXPECT_EQ(usage.jobs, 0);
  box_free(box);
}

void test_mailbox_open_refuses_each_forged_int(void) {
  static const enum sluice_word words[] = {SLUICE_WORD_BACKOFF, SLUICE_WORD_JITTER, SLUICE_WORD_SOURCE,
                                           SLUICE_WORD_FLAGS};
  static const int32_t forged[] = {-1, 8, 255, 256, INT32_MIN, INT32_MAX, 1 << 16};
  struct box *box = box_new();
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    for (size_t k = 0; k < sizeof forged / sizeof *forged; k++) {
      write_policy(box);
      box->mailbox.words.ints[words[i]] = forged[k];
      EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
    }
  }
  box_free(box);
}

void test_mailbox_a_run_in_words(void) {
  struct box *box = box_new();
  write_policy(box);
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
  tell(box, SLUICE_OPERATION_TURN_END, 1e9, 0);
  EXPECT(DOUBLE(NEXT_EXPIRY) == 1.05e9);
  EXPECT_EQ(INT(WAITING), 0);
  tell(box, SLUICE_OPERATION_EXPIRE, 1.05e9, 0);
  EXPECT_EQ(INT(WAITING), 1);
  EXPECT_EQ(CALL(NEXT), SLUICE_ACTION_START);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_RESUMED);
  EXPECT_EQ(INT(LANE), lane);
  EXPECT_EQ(INT(ITEM), 0);
  EXPECT_EQ(INT(ATTEMPT), 2);
  CALL(NEXT);
  EXPECT_EQ(INT(EVENT), SLUICE_EVENT_NONE);
  tell(box, SLUICE_OPERATION_EXPIRE, 1.1e9, 0);
  EXPECT_EQ(INT(WAITING), 2);
  tell(box, SLUICE_OPERATION_JUDGE, 1.1e9, 0);
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
  EXPECT_EQ(CALL(ABORT), 0);
  EXPECT(DOUBLE(ABANDONED) == 0);
  EXPECT_EQ(CALL(COUNT), SLUICE_ESTALE);
  tell(box, SLUICE_OPERATION_TURN_END, 1.1e9, 0);
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
  write_policy(box);
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
  tell(box, SLUICE_OPERATION_TURN_END, 0, 0);
  EXPECT_EQ(INT(WAITING), 2);
  tell(box, SLUICE_OPERATION_TURN_BEGIN, 0, 0);
  expect_event(box, SLUICE_EVENT_RESUMED, lane, told);
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_START);
  tell(box, SLUICE_OPERATION_TURN_END, 0, 0);
  tell(box, SLUICE_OPERATION_JUDGE, 0, 0);
  expect_event(box, SLUICE_EVENT_PROGRESS, -1, told);
  EXPECT(DOUBLE(STARTED) == 1 && DOUBLE(RETRIED) == 1 && DOUBLE(ELAPSED) == -1);
  tell(box, SLUICE_OPERATION_EXPIRE, 100e6, 0);
  tell(box, SLUICE_OPERATION_JUDGE, 100e6, 0);
  expect_event(box, SLUICE_EVENT_TIMED_OUT, lane, told); /* and no retry is left */
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_FAIL);
  EXPECT(DOUBLE(ELAPSED) == 100 && DOUBLE(LOOP_BLOCKED) == 0 && DOUBLE(FAILED) == 1);
  box_free(box);
}

void test_mailbox_the_total_timeout_in_words(void) {
  struct box *box = box_new();
  write_policy(box);
  DOUBLE(TOTAL_TIMEOUT) = 40; /* shorter than the backoff */
  for (int job = 0; job < 2; job++) {
    CALL(OPEN);
    CALL(JOIN);
  }
  int32_t outlived = INT(LANE);
  INT(OUTCOME) = SLUICE_OUTCOME_REJECTED;
  EXPECT_EQ(CALL(STEP), SLUICE_ACTION_PARK);
  tell(box, SLUICE_OPERATION_TURN_END, 0, 0);
  expect_event(box, SLUICE_EVENT_OUTLIVED, outlived, 1);
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_FAIL);
  EXPECT(DOUBLE(ELAPSED) == 0 && DOUBLE(FAILED) == 1);
  tell(box, SLUICE_OPERATION_EXPIRE, 50e6, 0);
  tell(box, SLUICE_OPERATION_JUDGE, 50e6, 0);
  expect_event(box, SLUICE_EVENT_TOTAL, -1, 0);
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_FAIL);
  EXPECT(DOUBLE(ELAPSED) == 50 && DOUBLE(STARTED) == 1 && DOUBLE(FAILED) == 0);
  box_free(box);
}

void test_mailbox_the_end_brings_the_counts(void) {
  struct box *box = box_new();
  write_policy(box);
  DOUBLE(ITEMS) = DOUBLE(LIMIT) = 1;
  CALL(OPEN);
  CALL(JOIN);
  INT(OUTCOME) = SLUICE_OUTCOME_FULFILLED;
  sluice_mailbox_step(box->engine, &box->mailbox);
  EXPECT_EQ(INT(ACTION), SLUICE_ACTION_DONE);
  EXPECT(DOUBLE(STARTED) == 1 && DOUBLE(DONE) == 1 && DOUBLE(FAILED) == 0);
  write_policy(box);
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
  tell(box, SLUICE_OPERATION_TURN_END, 0, 0);
  tell(box, SLUICE_OPERATION_EXPIRE, 1e6, 0);
  tell(box, SLUICE_OPERATION_JUDGE, 1e6, 0);
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
  write_policy(box);
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
      EXPECT_EQ(call(box, (enum sluice_operation)operation), SLUICE_EINVAL);
      DOUBLE(NOW) = 0;
      DOUBLE(SPAN) = forged[i];
      EXPECT_EQ(call(box, (enum sluice_operation)operation), SLUICE_EINVAL);
    }
    DOUBLE(SPAN) = 0;
    EXPECT_EQ(call(box, (enum sluice_operation)operation), 0);
  }
  EXPECT_EQ(INT(STRIDE), 1);
  box_free(box);
}

void test_mailbox_an_unknown_operation_is_an_error(void) {
  static const int32_t operations[] = {0, 16, -1, 255, INT32_MIN, INT32_MAX};
  struct box *box = box_new();
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    EXPECT_EQ(call(box, (enum sluice_operation)operations[i]), SLUICE_EINVAL);
  box_free(box);
}

void test_mailbox_an_error_writes_no_other_word(void) {
  struct box *box = box_new();
  for (int operation = 0; operation <= SLUICE_OPERATION_JUDGE + 1; operation++) {
    if (operation == SLUICE_OPERATION_NEXT) continue;             /* never fails */
    memset(&box->mailbox.words, 0xff, sizeof box->mailbox.words); /* -1 and NaN */
    union sluice_words before = box->mailbox.words;
    EXPECT(call(box, (enum sluice_operation)operation) < 0);
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
    fuzz_mailbox_traffic(bytes, SIZE);
  }
}
