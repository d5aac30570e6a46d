#include "backoff.h"

#include <math.h>

#include "test.h"
#include "tests.h"
#include "world.h"

static struct sluice_backoff backoff_of(enum sluice_backoff_kind kind, uint64_t delay, double factor) {
  return (struct sluice_backoff){
      .delay = delay, .max_delay = SLUICE_NEVER, .factor = factor, .kind = kind, .jitter = SLUICE_JITTER_NONE};
}

static uint64_t delay_of(const struct sluice_backoff *backoff, uint32_t retry) {
  return sluice__backoff_delay(backoff, retry, backoff->delay, NULL); /* without jitter the generator is not touched */
}

void test_backoff_constant_waits_the_same_each_time(void) {
  struct sluice_backoff backoff = backoff_of(SLUICE_BACKOFF_CONSTANT, 7, 1);
  EXPECT_EQ(delay_of(&backoff, 1), 7);
  EXPECT_EQ(delay_of(&backoff, 2), 7);
  EXPECT_EQ(delay_of(&backoff, UINT32_MAX), 7);
}

void test_backoff_linear_adds_one_delay_each_time(void) {
  struct sluice_backoff backoff = backoff_of(SLUICE_BACKOFF_LINEAR, 7, 1);
  EXPECT_EQ(delay_of(&backoff, 1), 7);
  EXPECT_EQ(delay_of(&backoff, 2), 14);
  EXPECT_EQ(delay_of(&backoff, UINT32_MAX), 7 * (uint64_t)UINT32_MAX);
}

void test_backoff_exponential_multiplies_each_time(void) {
  struct sluice_backoff backoff = backoff_of(SLUICE_BACKOFF_EXPONENTIAL, 3, 2);
  for (uint32_t retry = 1; retry <= 52; retry++) EXPECT_EQ(delay_of(&backoff, retry), (uint64_t)3 << (retry - 1));
  backoff = backoff_of(SLUICE_BACKOFF_EXPONENTIAL, 1000, 3);
  uint64_t exact = 1000;
  for (uint32_t retry = 1; exact < (uint64_t)1 << 53; retry++, exact *= 3) EXPECT_EQ(delay_of(&backoff, retry), exact);
}

void test_backoff_rounds_up(void) {
  struct sluice_backoff backoff = backoff_of(SLUICE_BACKOFF_EXPONENTIAL, 3, 1.5);
  EXPECT_EQ(delay_of(&backoff, 1), 3);
  EXPECT_EQ(delay_of(&backoff, 2), 5); /* 4.5 */
  EXPECT_EQ(delay_of(&backoff, 3), 7); /* 6.75 */
}

/* The twin multiplies once per retry. */
void test_backoff_exponential_agrees_with_its_twin(void) {
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (int round = 0; round < 1000; round++) {
    uint64_t delay = sluice__rng_up_to(&rng, SECOND);
    double factor = 1 + (double)sluice__rng_up_to(&rng, 1000000) / 250000;
    struct sluice_backoff backoff = backoff_of(SLUICE_BACKOFF_EXPONENTIAL, delay, factor);
    long double expected = (long double)delay;
    for (uint32_t retry = 1; retry < 100; retry++, expected *= factor) {
      long double actual = (long double)delay_of(&backoff, retry);
      if (expected >= (long double)SLUICE_NEVER * 0.999999L) EXPECT(actual >= (long double)SLUICE_NEVER * 0.999998L);
      else EXPECT(fabsl(actual - expected) <= 1 + expected * 1e-12L);
    }
  }
}

void test_backoff_is_capped(void) {
  for (int kind = SLUICE_BACKOFF_CONSTANT; kind <= SLUICE_BACKOFF_EXPONENTIAL; kind++) {
    struct sluice_backoff backoff = backoff_of((enum sluice_backoff_kind)kind, 10, 1e300);
    backoff.max_delay = 10;
    EXPECT_EQ(delay_of(&backoff, 1), 10);
    EXPECT_EQ(delay_of(&backoff, UINT32_MAX), 10);
    backoff.max_delay = 9;
    EXPECT_EQ(delay_of(&backoff, 1), 9);
    backoff.max_delay = 0;
    EXPECT_EQ(delay_of(&backoff, 3), 0);
    backoff.max_delay = SLUICE_NEVER - 1;
    EXPECT(delay_of(&backoff, UINT32_MAX) <= SLUICE_NEVER - 1);
  }
}

void test_backoff_saturates_at_never(void) {
  for (int kind = SLUICE_BACKOFF_CONSTANT; kind <= SLUICE_BACKOFF_EXPONENTIAL; kind++) {
    struct sluice_backoff backoff = backoff_of((enum sluice_backoff_kind)kind, UINT64_MAX, 1e300);
    backoff.max_delay = UINT64_MAX;
    EXPECT_EQ(delay_of(&backoff, 1), SLUICE_NEVER);
    EXPECT_EQ(delay_of(&backoff, 2), SLUICE_NEVER);
    EXPECT_EQ(delay_of(&backoff, UINT32_MAX), SLUICE_NEVER);
    backoff.delay = 0;
    EXPECT_EQ(delay_of(&backoff, UINT32_MAX), 0);
  }
}

void test_backoff_never_falls_from_one_retry_to_the_next(void) {
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (int round = 0; round < 1000; round++) {
    struct sluice_backoff backoff =
        backoff_of((enum sluice_backoff_kind)sluice__rng_up_to(&rng, 2), sluice__rng_next(&rng) >> (round & 63),
                   1 + (double)sluice__rng_up_to(&rng, 1000) / 100);
    backoff.max_delay = sluice__rng_next(&rng) >> (sluice__rng_next(&rng) & 63);
    uint64_t former = 0;
    for (uint32_t retry = 1; retry < 100; retry++) {
      uint64_t delay = delay_of(&backoff, retry);
      EXPECT(delay >= former && delay <= backoff.max_delay);
      former = delay;
    }
  }
}

void test_backoff_full_jitter_is_uniform_below_the_capped_delay(void) {
  enum { DRAWS = 20000 };
  struct sluice_backoff backoff = backoff_of(SLUICE_BACKOFF_EXPONENTIAL, 1000, 10);
  backoff.max_delay = 50000; /* retry 3 would wait 100000: the cap comes first */
  backoff.jitter = SLUICE_JITTER_FULL;
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  uint64_t lowest = UINT64_MAX, highest = 0, below_half = 0;
  for (int i = 0; i < DRAWS; i++) {
    uint64_t delay = sluice__backoff_delay(&backoff, 3, 0, &rng);
    if (delay < lowest) lowest = delay;
    if (delay > highest) highest = delay;
    below_half += delay < 25000;
  }
  EXPECT(lowest < 100);
  EXPECT(highest > 49900 && highest <= 50000);
  EXPECT(below_half > DRAWS * 45 / 100 && below_half < DRAWS * 55 / 100); /* 14 standard deviations */
}

void test_backoff_draws_only_for_jitter(void) {
  struct sluice_backoff backoff = backoff_of(SLUICE_BACKOFF_CONSTANT, 1000, 1);
  struct sluice__rng rng, untouched;
  sluice__rng_init(&rng, test_seed);
  untouched = rng;
  sluice__backoff_delay(&backoff, 1, 0, &rng);
  EXPECT_EQ(sluice__rng_next(&rng), sluice__rng_next(&untouched));
}

void test_backoff_refuses_what_is_out_of_range(void) {
  struct sluice_backoff valid = backoff_of(SLUICE_BACKOFF_EXPONENTIAL, 0, 1);
  EXPECT(sluice__backoff_valid(&valid));
  static const double bad_factors[] = {NAN, INFINITY, -INFINITY, 0.999999, 0, -2, 1.0000001e300};
  for (size_t i = 0; i < sizeof bad_factors / sizeof *bad_factors; i++) {
    struct sluice_backoff backoff = valid;
    backoff.factor = bad_factors[i];
    EXPECT(!sluice__backoff_valid(&backoff));
  }
  struct sluice_backoff backoff = valid;
  backoff.kind = (enum sluice_backoff_kind)4;
  EXPECT(!sluice__backoff_valid(&backoff));
  backoff = valid;
  backoff.jitter = (enum sluice_jitter)2;
  EXPECT(!sluice__backoff_valid(&backoff));
}

static struct sluice_backoff decorrelated_of(uint64_t delay, uint64_t max_delay) {
  struct sluice_backoff backoff = backoff_of(SLUICE_BACKOFF_DECORRELATED, delay, 1);
  backoff.max_delay = max_delay;
  return backoff;
}

/* Uniform from the delay to three times the wait before, whichever retry it is. */
void test_backoff_decorrelated_goes_by_the_wait_before(void) {
  enum { DRAWS = 20000 };
  static const uint64_t previous[] = {1000, 5000, 333};
  struct sluice_backoff backoff = decorrelated_of(1000, SLUICE_NEVER);
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (size_t i = 0; i < sizeof previous / sizeof *previous; i++) {
    uint64_t most = previous[i] * 3 > 1000 ? previous[i] * 3 : 1000;
    uint64_t lowest = UINT64_MAX, highest = 0, below_half = 0;
    for (int k = 0; k < DRAWS; k++) {
      uint64_t delay = sluice__backoff_delay(&backoff, 1 + (uint32_t)k, previous[i], &rng);
      if (delay < lowest) lowest = delay;
      if (delay > highest) highest = delay;
      below_half += delay < 1000 + (most - 1000) / 2;
    }
    EXPECT(lowest >= 1000 && lowest <= 1000 + most / 100);
    EXPECT(highest <= most && highest >= most - most / 100);
    if (most > 1000) EXPECT(below_half > DRAWS * 45 / 100 && below_half < DRAWS * 55 / 100);
  }
}

/* First the draw, then the cap: of those that would be longer, all wait for the longest. */
void test_backoff_decorrelated_is_capped_after_the_draw(void) {
  enum { DRAWS = 20000 };
  struct sluice_backoff backoff = decorrelated_of(1000, 2000);
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  int capped = 0;
  for (int k = 0; k < DRAWS; k++) {
    uint64_t delay = sluice__backoff_delay(&backoff, 2, 1000, &rng); /* 1000 to 3000 */
    EXPECT(delay >= 1000 && delay <= 2000);
    capped += delay == 2000;
  }
  EXPECT(capped > DRAWS * 45 / 100 && capped < DRAWS * 55 / 100);
  backoff = decorrelated_of(5000, 2000);
  EXPECT_EQ(sluice__backoff_delay(&backoff, 1, 5000, &rng), 2000);
}

void test_backoff_decorrelated_takes_any_wait(void) {
  static const uint64_t waits[] = {0, 1, UINT64_MAX / 3, UINT64_MAX / 3 + 1, SLUICE_NEVER, UINT64_MAX};
  enum { WAITS = sizeof waits / sizeof *waits };
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (int i = 0; i < WAITS; i++) {
    for (int k = 0; k < WAITS; k++) {
      for (int m = 0; m < WAITS; m++) {
        struct sluice_backoff backoff = decorrelated_of(waits[i], waits[m]);
        uint64_t cap = waits[m] < SLUICE_NEVER ? waits[m] : SLUICE_NEVER;
        uint64_t delay = sluice__backoff_delay(&backoff, 1, waits[k], &rng);
        EXPECT(delay <= cap && delay >= (waits[i] < cap ? waits[i] : cap));
      }
    }
  }
}
