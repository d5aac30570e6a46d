/* The recorder and the replay, against each other. */
#include "../../src/uv/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"
#include "rng.h"
#include "tests.h"
#include "world.h"

enum { SEED = 42, LANES = 4 };

#define INT(name) mailbox->words.ints[SLUICE_WORD_##name]
#define DOUBLE(name) mailbox->words.doubles[SLUICE_WORD_##name]

#define CALL(name) sluice__trace_call(trace, engine, mailbox, SLUICE_OPERATION_##name)

/* A job on a semaphore and a limiter, with a window and a say in what fails; and who waits beside it. */
static void record_lines(struct sluice_trace *trace, struct sluice_engine *engine, struct sluice_mailbox *mailbox,
                         double now) {
  DOUBLE(PERMITS) = 2;
  DOUBLE(IN_USE) = 1;
  CALL(SEMAPHORE);
  DOUBLE(RATE_MAX) = 100;
  DOUBLE(RATE_PER) = 1000;
  DOUBLE(RATE_BURST) = 2;
  CALL(LIMITER);
  DOUBLE(WINDOW) = 2;
  DOUBLE(RETRIES) = 0;
  INT(FLAGS) = SLUICE_FLAG_VERDICT | SLUICE_FLAG_COLLECT;
  CALL(OPEN);
  EXPECT_EQ(INT(ACTION), 0);
  struct sluice_handle job = {(uint32_t)INT(JOB), (uint32_t)INT(JOB_GENERATION)}, lane = {0, 0}, waiter = {0, 0};
  DOUBLE(MAX_WAITING) = INFINITY;
  DOUBLE(TIMEOUT) = 40;
  INT(FLAGS) = 0;
  for (int step = 0; step < 300; step++) {
    INT(JOB) = (int32_t)job.slot;
    INT(JOB_GENERATION) = (int32_t)job.generation;
    INT(LANE) = (int32_t)lane.slot;
    INT(LANE_GENERATION) = (int32_t)lane.generation;
    DOUBLE(WEIGHT) = 1;
    DOUBLE(DELAY) = 15;
    switch (step % 17) {
      case 0:
        CALL(JOIN);
        break;
      case 1:
      case 2:
        CALL(ACQUIRE);
        break;
      case 3:
        CALL(DRAW);
        waiter = (struct sluice_handle){(uint32_t)INT(LANE), (uint32_t)INT(LANE_GENERATION)};
        break;
      case 4:
        CALL(GIVE);
        break;
      case 5:
        CALL(READ);
        break;
      case 6:
        DOUBLE(PERMITS) = 1 + step % 3;
        CALL(RESIZE);
        break;
      case 7:
        CALL(SEMAPHORE_LEVEL);
        CALL(LIMITER_LEVEL);
        break;
      case 8:
        if (step % 5 == 0) CALL(PENALIZE);
        break;
      case 9:
        DOUBLE(RATE_MAX) = 50 + step;
        CALL(RECONFIGURE);
        break;
      case 10:
        INT(LANE) = (int32_t)waiter.slot;
        INT(LANE_GENERATION) = (int32_t)waiter.generation;
        CALL(WITHDRAW);
        break;
      case 11:
        if (step % 4 == 0) CALL(SEMAPHORE_SHUT);
        if (step % 4 == 1) CALL(LIMITER_SHUT);
        break;
      case 12:
        DOUBLE(NOW) = now += 7e6;
        CALL(TURN_END);
        CALL(EXPIRE);
        CALL(OBSERVE);
        CALL(JUDGE);
        do CALL(NEXT);
        while (INT(EVENT) != SLUICE_EVENT_NONE);
        break;
      default:
        INT(OUTCOME) = step % 3 == 0   ? SLUICE_OUTCOME_PULLED
                       : step % 3 == 1 ? SLUICE_OUTCOME_REFUSED
                                       : SLUICE_OUTCOME_FULFILLED;
        CALL(STEP);
    }
    if (INT(ACTION) >= SLUICE_ACTION_START && INT(ACTION) <= SLUICE_ACTION_REVIEW)
      lane = (struct sluice_handle){(uint32_t)INT(LANE), (uint32_t)INT(LANE_GENERATION)};
    do CALL(HAND);
    while (INT(HANDED));
  }
  CALL(SEMAPHORE_CLOSE);
  CALL(LIMITER_CLOSE);
}

/* A record of some traffic with jitter, timeouts and granted runs: the caller's to free. */
static char *record_traffic(size_t *size) {
  static struct sluice_mailbox mailboxes[1];
  struct sluice_mailbox *mailbox = mailboxes;
  struct memory memory;
  memory_init(&memory);
  memset(mailbox, 0, sizeof *mailbox);
  mailbox->grants.next_item[5] = 77; /* what was there before the record begins */
  struct sluice_engine *engine = sluice_engine_new(&memory.allocator, SEED);
  sluice_share_grants(engine, &mailbox->grants);
  struct sluice_trace *trace = sluice__trace_new();
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (int i = 0; i < 6; i++) CALL(OBSERVE);
  DOUBLE(ITEMS) = 500;
  DOUBLE(LIMIT) = LANES;
  DOUBLE(RETRIES) = INFINITY;
  DOUBLE(TIMEOUT) = 100;
  DOUBLE(TOTAL_TIMEOUT) = DOUBLE(YIELD_AFTER) = DOUBLE(MAX_DELAY) = INFINITY;
  DOUBLE(ITEM_TIMEOUT) = 300;
  DOUBLE(MAX_ABANDONED) = INFINITY;
  DOUBLE(DELAY) = 10;
  DOUBLE(FACTOR) = 2;
  INT(BACKOFF) = SLUICE_BACKOFF_EXPONENTIAL;
  INT(JITTER) = SLUICE_JITTER_FULL;
  DOUBLE(WINDOW) = INFINITY;
  INT(SEMAPHORE_GENERATION) = INT(LIMITER_GENERATION) = 0;
  CALL(OPEN);
  struct sluice_handle lanes[LANES];
  for (int i = 0; i < LANES; i++) {
    CALL(JOIN);
    lanes[i] = (struct sluice_handle){(uint32_t)INT(LANE), (uint32_t)INT(LANE_GENERATION)};
  }
  double now = 0;
  for (int step = 0; step < 400; step++) {
    struct sluice_handle lane = lanes[sluice__rng_up_to(&rng, LANES - 1)];
    if (step % 8 == 0) {
      DOUBLE(NOW) = now += 5e6;
      CALL(TURN_END);
      CALL(EXPIRE);
      CALL(JUDGE);
      do CALL(NEXT);
      while (INT(EVENT) != SLUICE_EVENT_NONE);
    } else if (step % 8 == 1 && mailbox->grants.next_item[0] < INT(GRANTED)) {
      mailbox->grants.item[lane.slot] = mailbox->grants.next_item[0]++;
    } else {
      INT(LANE) = (int32_t)lane.slot;
      INT(LANE_GENERATION) = (int32_t)lane.generation;
      INT(OUTCOME) = (int32_t)(1 + sluice__rng_up_to(&rng, 1));
      CALL(STEP);
    }
  }
  record_lines(trace, engine, mailbox, now);
#undef CALL
  const void *entries = sluice__trace_entries(trace, size);
  EXPECT(entries != NULL && *size > 0);
  char *record = malloc(*size);
  if (record == NULL) FAIL("the test itself is out of memory");
  memcpy(record, entries, *size);
  sluice__trace_free(trace);
  sluice_engine_free(engine);
  EXPECT_EQ(memory.in_use, 0);
  return record;
}

/* What the replay says is `begin`...; returns what it returns. */
static int replay_says(const char *record, size_t size, uint64_t seed, const char *begin) {
  char said[8192] = "";
  FILE *out = tmpfile();
  EXPECT(out != NULL);
  int status = replay(record, size, seed, out);
  rewind(out);
  said[fread(said, 1, sizeof said - 1, out)] = '\0';
  fclose(out);
  if (strncmp(said, begin, strlen(begin)) != 0) FAIL("it says \"%s\"", said);
  return status;
}

void test_trace_replays_to_the_same_words(void) {
  size_t size;
  char *record = record_traffic(&size);
  EXPECT_EQ(replay_says(record, size, SEED, "replayed "), 0);
  free(record);
}

void test_trace_an_empty_record_replays(void) {
  EXPECT_EQ(replay_says("", 0, SEED, "replayed 0 operations: the same words\n"), 0);
}

void test_trace_another_seed_differs(void) {
  size_t size;
  char *record = record_traffic(&size);
  EXPECT_EQ(replay_says(record, size, SEED + 1, "operation "), 1);
  free(record);
}

void test_trace_a_changed_answer_is_found(void) {
  size_t size;
  char *record = record_traffic(&size);
  struct sluice_trace_entry entry;
  memcpy(&entry, record, sizeof entry);
  entry.after.ints[SLUICE_WORD_STRIDE]++;
  memcpy(record, &entry, sizeof entry);
  EXPECT_EQ(replay_says(record, size, SEED, "operation 0, OBSERVE:\n  STRIDE: 1, and was 2\n"), 1);
  free(record);
}

void test_trace_a_cut_record_is_not_whole(void) {
  size_t size;
  char *record = record_traffic(&size);
  EXPECT_EQ(replay_says(record, size - 1, SEED, "the record is cut"), 1);
  EXPECT_EQ(replay_says(record, 3, SEED, "the record is cut"), 1);
  struct sluice_trace_entry entry;
  memcpy(&entry, record, sizeof entry);
  EXPECT_EQ(entry.changed, 1);
  struct sluice_trace_change change = {sizeof(struct sluice_grants) / sizeof(int32_t), 0}; /* outside */
  memcpy(record + sizeof entry, &change, sizeof change);
  EXPECT_EQ(replay_says(record, size, SEED, "the record is cut"), 1);
  entry.changed = UINT32_MAX;
  memcpy(record, &entry, sizeof entry);
  EXPECT_EQ(replay_says(record, size, SEED, "the record is cut"), 1);
  free(record);
}
