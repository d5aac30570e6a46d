/* What OPEN makes of its words. */
#include <math.h>

#include "box.h"
#include "internal.h"
#include "tests.h"

void test_mailbox_open_passes_on_each_word(void) {
  struct box *box = box_new();
  box_write_policy(box);
  DOUBLE(TOTAL_TIMEOUT) = 1e9;
  DOUBLE(ITEM_TIMEOUT) = 700;
  DOUBLE(MAX_ABANDONED) = 5;
  DOUBLE(RATE_MAX) = 30;
  DOUBLE(RATE_PER) = 1000;
  DOUBLE(RATE_BURST) = 4;
  EXPECT_EQ(CALL(OPEN), 0);
  struct sluice_handle handle = {(uint32_t)INT(JOB), (uint32_t)INT(JOB_GENERATION)};
  const struct sluice_policy *policy = &sluice__job_find(box->engine, handle)->policy;
  EXPECT_EQ(policy->items, 3);
  EXPECT_EQ(policy->limit, 2);
  EXPECT_EQ(policy->retries, 1);
  EXPECT_EQ(policy->timeout, 100 * MS);
  EXPECT_EQ(policy->total_timeout, (uint64_t)1000000000 * MS);
  EXPECT_EQ(policy->item_timeout, 700 * MS);
  EXPECT_EQ(policy->max_abandoned, 5);
  EXPECT_EQ(policy->rate.max, 30);
  EXPECT_EQ(policy->rate.per, SECOND);
  EXPECT_EQ(policy->rate.burst, 4);
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
  box_write_policy(box);
  DOUBLE(ITEMS) = DOUBLE(LIMIT) = DOUBLE(RETRIES) = INFINITY;
  INT(SOURCE) = SLUICE_SOURCE_SYNC;
  EXPECT_EQ(CALL(OPEN), 0);
  struct sluice_handle handle = {(uint32_t)INT(JOB), (uint32_t)INT(JOB_GENERATION)};
  const struct sluice_policy *policy = &sluice__job_find(box->engine, handle)->policy;
  EXPECT_EQ(policy->items, SLUICE_UNKNOWN);
  EXPECT_EQ(policy->limit, SLUICE_UNLIMITED);
  EXPECT_EQ(policy->retries, SLUICE_UNLIMITED);
  EXPECT_EQ(policy->max_abandoned, SLUICE_UNLIMITED);
  EXPECT_EQ(policy->item_timeout, SLUICE_NEVER);
  box_free(box);
}

/* A fraction of a start per time is one start in a longer time: rounded down, never up. */
void test_mailbox_rates_may_be_fractions(void) {
  static const struct {
    double max, per;
    uint64_t its_max, its_per;
  } rates[] = {{10, 1000, 10, SECOND},    {2.5, 1000, 1, 400 * MS}, {0.1, 1000, 1, 10 * SECOND},
               {1.5, 1000, 1, 666666667}, {1e13, 1000, 1, 1},       {0, 1000, 0, SECOND}};
  struct box *box = box_new();
  for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
    box_write_policy(box);
    DOUBLE(RATE_MAX) = rates[i].max;
    DOUBLE(RATE_PER) = rates[i].per;
    EXPECT_EQ(CALL(OPEN), 0);
    struct sluice_handle handle = {(uint32_t)INT(JOB), (uint32_t)INT(JOB_GENERATION)};
    const struct sluice_rate *rate = &sluice__job_find(box->engine, handle)->policy.rate;
    EXPECT_EQ(rate->max, rates[i].its_max);
    EXPECT_EQ(rate->per, rates[i].its_per);
  }
  box_free(box);
}

void test_mailbox_open_refuses_each_forged_rate(void) {
  static const double forged[][3] = {
      {NAN, 1000, 1},     {-1, 1000, 1},  {1, NAN, 1},    {1, 0, 1},     {0.5, 0, 1},    {1, -5, 1},  {1, INFINITY, 1},
      {0.5, INFINITY, 1}, {1e-300, 1, 1}, {1, 1000, NAN}, {1, 1000, -1}, {1, 1000, 0.5}, {0, NAN, 0}, {INFINITY, 0, 1}};
  struct box *box = box_new();
  for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
    box_write_policy(box);
    DOUBLE(RATE_MAX) = forged[i][0];
    DOUBLE(RATE_PER) = forged[i][1];
    DOUBLE(RATE_BURST) = forged[i][2];
    EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
  }
  box_free(box);
}

void test_mailbox_open_refuses_each_forged_double(void) {
  static const enum sluice_word counts[] = {SLUICE_WORD_ITEMS, SLUICE_WORD_LIMIT, SLUICE_WORD_RETRIES,
                                            SLUICE_WORD_MAX_ABANDONED};
  static const double bad_counts[] = {NAN, -1, -INFINITY, 0.5, 1e-300, 2.5, -1e300};
  static const enum sluice_word durations[] = {SLUICE_WORD_ITEM_TIMEOUT, SLUICE_WORD_TIMEOUT, SLUICE_WORD_TOTAL_TIMEOUT,
                                               SLUICE_WORD_YIELD_AFTER,  SLUICE_WORD_DELAY,   SLUICE_WORD_MAX_DELAY,
                                               SLUICE_WORD_FACTOR};
  struct box *box = box_new();
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    for (size_t k = 0; k < sizeof bad_counts / sizeof *bad_counts; k++) {
      box_write_policy(box);
      box->mailbox.words.doubles[counts[i]] = bad_counts[k];
      EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
    }
  }
  for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
    box_write_policy(box);
    box->mailbox.words.doubles[durations[i]] = NAN;
    EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
  }
  static const double bad_factors[] = {0, 0.99, -1, INFINITY, -INFINITY, 1.1e300};
  for (size_t i = 0; i < sizeof bad_factors / sizeof *bad_factors; i++) {
    box_write_policy(box);
    DOUBLE(FACTOR) = bad_factors[i];
    EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
  }
  box_write_policy(box);
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
  static const int32_t forged[] = {-1, 64, 255, 256, INT32_MIN, INT32_MAX, 1 << 16};
  struct box *box = box_new();
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    for (size_t k = 0; k < sizeof forged / sizeof *forged; k++) {
      box_write_policy(box);
      box->mailbox.words.ints[words[i]] = forged[k];
      EXPECT_EQ(CALL(OPEN), SLUICE_EINVAL);
    }
  }
  box_free(box);
}
