#include "bucket.h"

#include "rng.h"
#include "tests.h"
#include "world.h"

__extension__ typedef unsigned __int128 wide;

static struct sluice__bucket bucket_of(uint64_t max, uint64_t per, uint64_t burst) {
  struct sluice_rate rate = {.max = max, .per = per, .burst = burst};
  EXPECT(sluice__bucket_valid(&rate));
  struct sluice__bucket bucket;
  sluice__bucket_init(&bucket, &rate);
  return bucket;
}

void test_bucket_gives_its_burst_at_once_and_then_the_rate(void) {
  struct sluice__bucket bucket = bucket_of(10, SECOND, 3);
  for (int i = 0; i < 3; i++) EXPECT(sluice__bucket_take(&bucket, SECOND));
  EXPECT(!sluice__bucket_take(&bucket, SECOND));
  for (uint64_t i = 1; i <= 5; i++) {
    EXPECT_EQ(sluice__bucket_ready_at(&bucket), SECOND + i * 100 * MS);
    EXPECT(!sluice__bucket_take(&bucket, SECOND + i * 100 * MS - 1));
    EXPECT(sluice__bucket_take(&bucket, SECOND + i * 100 * MS));
    EXPECT(!sluice__bucket_take(&bucket, SECOND + i * 100 * MS));
  }
}

void test_bucket_without_a_rate_gives_always(void) {
  struct sluice_rate rate = {.max = 0, .per = 0, .burst = UINT64_MAX}; /* nobody looks at the rest */
  EXPECT(sluice__bucket_valid(&rate));
  struct sluice__bucket bucket;
  sluice__bucket_init(&bucket, &rate);
  for (int i = 0; i < 1000; i++) EXPECT(sluice__bucket_take(&bucket, 0));
}

static uint64_t any_span(struct sluice__rng *rng) {
  return sluice__rng_next(rng) >> (24 + sluice__rng_up_to(rng, 39)); /* up to 2^40 ns, small ones as likely as large */
}

/* The rate whose terms are not too large, so that nothing is rounded. */
static struct sluice_rate any_rate(struct sluice__rng *rng) {
  return (struct sluice_rate){.max = 1 + (any_span(rng) >> 20), .per = 1 + any_span(rng), .burst = any_span(rng) >> 32};
}

static uint64_t burst_of(const struct sluice_rate *rate) {
  if (rate->burst != 0) return rate->burst;
  uint64_t burst = (uint64_t)((wide)rate->max * 10 * MS / rate->per);
  return burst == 0 ? 1 : burst;
}

/* The twin counts in units of 1 / per token, and never divides. */
void test_bucket_agrees_with_its_twin(void) {
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (uint64_t round = 0; round < 2000 * test_rounds; round++) {
    struct sluice_rate rate = any_rate(&rng);
    struct sluice__bucket bucket = bucket_of(rate.max, rate.per, rate.burst);
    wide full = (wide)burst_of(&rate) * rate.per, level = full;
    uint64_t now = any_span(&rng);
    for (int i = 0; i < 200; i++) {
      int has_token = level >= rate.per;
      EXPECT_EQ(sluice__bucket_take(&bucket, now), has_token);
      if (has_token) level -= rate.per;
      wide missing = level >= rate.per ? 0 : rate.per - level;
      uint64_t ready_at = now + (uint64_t)((missing + rate.max - 1) / rate.max);
      EXPECT_EQ(sluice__bucket_ready_at(&bucket), ready_at);
      uint64_t choice = sluice__rng_up_to(&rng, 4);
      uint64_t next = choice == 0   ? now
                      : choice == 1 ? now + any_span(&rng)
                      : choice == 2 ? now + any_span(&rng) % (rate.per / rate.max + 2)
                      : choice == 3 ? ready_at
                                    : ready_at - (ready_at > now);
      level += (wide)(next - now) * rate.max;
      if (level > full) level = full;
      now = next;
    }
  }
}

/* Looks at every window, from each take to each other. */
void test_bucket_holds_in_every_window(void) {
  enum { TAKES = 120 };
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (uint64_t round = 0; round < 100 * test_rounds; round++) {
    struct sluice_rate rate = any_rate(&rng);
    struct sluice__bucket bucket = bucket_of(rate.max, rate.per, rate.burst);
    uint64_t taken[TAKES], count = 0, now = any_span(&rng);
    for (int tries = 0; count < TAKES && tries < 100 * TAKES; tries++) {
      if (sluice__bucket_take(&bucket, now)) taken[count++] = now;
      else now = sluice__rng_up_to(&rng, 1) == 0 ? sluice__bucket_ready_at(&bucket) : now + any_span(&rng);
      if (sluice__rng_up_to(&rng, 9) == 0) now += any_span(&rng);
    }
    for (uint64_t first = 0; first < count; first++) {
      for (uint64_t last = first; last < count; last++) {
        wide allowed = (wide)burst_of(&rate) * rate.per + (wide)(taken[last] - taken[first]) * rate.max;
        EXPECT((wide)(last - first + 1) * rate.per <= allowed);
      }
    }
  }
}

/* The n-th token after the burst comes at n * per / max exactly, rounded up to a nanosecond. (A bucket of one is full
 * with each token, and a full one keeps no fraction: there each token is rounded.) */
void test_bucket_does_not_drift(void) {
  static const uint64_t rates[][2] = {{3, SECOND}, {7, 1000}, {999983, SECOND}, {13, 3600 * SECOND}, {2, 3}};
  for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
    uint64_t max = rates[i][0], per = rates[i][1];
    struct sluice__bucket bucket = bucket_of(max, per, 2);
    for (int k = 0; k < 2; k++) EXPECT(sluice__bucket_take(&bucket, SECOND));
    for (uint64_t n = 1; n <= 1000000; n++) {
      uint64_t exact = SECOND + (uint64_t)(((wide)n * per + max - 1) / max);
      EXPECT_EQ(sluice__bucket_ready_at(&bucket), exact);
      EXPECT(!sluice__bucket_take(&bucket, exact - 1));
      EXPECT(sluice__bucket_take(&bucket, exact));
    }
  }
}

void test_bucket_holds_what_accrues_in_10_ms_unless_told(void) {
  EXPECT_EQ(bucket_of(1000, SECOND, 0).burst, 10);
  EXPECT_EQ(bucket_of(1999, SECOND, 0).burst, 19);
  EXPECT_EQ(bucket_of(99, SECOND, 0).burst, 1);
  EXPECT_EQ(bucket_of(1, 3600 * SECOND, 0).burst, 1);
  EXPECT_EQ(bucket_of(1000, SECOND, 1).burst, 1);
  EXPECT_EQ(bucket_of(1, 3600 * SECOND, 500).burst, 500);
}

void test_bucket_a_long_pause_fills_it_and_no_more(void) {
  static const uint64_t pauses[] = {SECOND, 3600 * SECOND, SLUICE_NEVER - 2 * SECOND, UINT64_MAX - 2 * SECOND};
  for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
    struct sluice__bucket bucket = bucket_of(10, SECOND, 5);
    for (int k = 0; k < 5; k++) EXPECT(sluice__bucket_take(&bucket, SECOND));
    for (int k = 0; k < 5; k++) EXPECT(sluice__bucket_take(&bucket, SECOND + pauses[i]));
    EXPECT(!sluice__bucket_take(&bucket, SECOND + pauses[i]));
    EXPECT_EQ(sluice__bucket_ready_at(&bucket), SECOND + pauses[i] + 100 * MS); /* no fraction was kept */
  }
}

void test_bucket_a_clock_that_goes_back_gives_nothing(void) {
  struct sluice__bucket bucket = bucket_of(10, SECOND, 1);
  EXPECT(sluice__bucket_take(&bucket, 10 * SECOND));
  EXPECT(!sluice__bucket_take(&bucket, 10 * SECOND));
  EXPECT(!sluice__bucket_take(&bucket, 0));
  EXPECT(!sluice__bucket_take(&bucket, 10 * SECOND - 1));
  EXPECT_EQ(sluice__bucket_ready_at(&bucket), 10 * SECOND + 100 * MS);
  EXPECT(!sluice__bucket_take(&bucket, 10 * SECOND + 100 * MS - 1));
  EXPECT(sluice__bucket_take(&bucket, 10 * SECOND + 100 * MS));
}

/* Terms that would overflow: never more than was asked for, and a bucket that still gives. */
void test_bucket_rounds_down_what_is_too_large(void) {
  static const uint64_t terms[] = {1,
                                   2,
                                   3,
                                   1000,
                                   999999937, /* primes, so that nothing can be divided away */
                                   (uint64_t)1 << 32,
                                   ((uint64_t)1 << 61) - 1,
                                   SLUICE_NEVER - 25,
                                   SLUICE_NEVER - 1};
  enum { TERMS = sizeof terms / sizeof *terms };
  for (int i = 0; i < TERMS; i++) {
    for (int k = 0; k < TERMS; k++) {
      uint64_t max = terms[i], per = terms[k];
      struct sluice__bucket bucket = bucket_of(max, per, 0);
      EXPECT(bucket.max != 0 && bucket.per != 0 && (wide)bucket.max * bucket.per < SLUICE_NEVER);
      EXPECT((wide)bucket.max * per <= (wide)max * bucket.per);
      EXPECT(bucket.burst >= 1 && bucket.burst <= SLUICE_ITEM_MAX);
      bucket.burst = bucket.tokens = 1;
      EXPECT(sluice__bucket_take(&bucket, SECOND));
      uint64_t ready_at = sluice__bucket_ready_at(&bucket);
      EXPECT(ready_at > SECOND && !sluice__bucket_take(&bucket, ready_at - 1));
      EXPECT(sluice__bucket_take(&bucket, ready_at));
    }
  }
}

void test_bucket_refuses_what_is_out_of_range(void) {
  static const struct sluice_rate invalid[] = {{.max = 1, .per = 0},
                                               {.max = 1, .per = SLUICE_NEVER},
                                               {.max = SLUICE_NEVER, .per = 1},
                                               {.max = 1, .per = UINT64_MAX},
                                               {.max = 1, .per = 1, .burst = SLUICE_ITEM_MAX + 1},
                                               {.max = 1, .per = 1, .burst = UINT64_MAX}};
  for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) EXPECT(!sluice__bucket_valid(&invalid[i]));
  struct sluice_rate largest = {.max = SLUICE_NEVER - 1, .per = SLUICE_NEVER - 1, .burst = SLUICE_ITEM_MAX};
  EXPECT(sluice__bucket_valid(&largest));
}

/* A twin that draws several, looks, changes the rate and shuts: in units of 1 / per token, and never divides but to
 * forget a fraction where the rate changes. */
void test_bucket_of_weights_agrees_with_its_twin(void) {
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (uint64_t round = 0; round < 1000 * test_rounds; round++) {
    struct sluice_rate rate = any_rate(&rng);
    rate.burst = 1 + sluice__rng_up_to(&rng, 9);
    struct sluice__bucket bucket = bucket_of(rate.max, rate.per, rate.burst);
    wide level = (wide)rate.burst * rate.per;
    uint64_t now = 1 + any_span(&rng), at = now, shut = 0;
    for (int i = 0; i < 200; i++) {
      uint64_t weight = 1 + sluice__rng_up_to(&rng, rate.burst - 1);
      wide full = (wide)rate.burst * rate.per, wanted = (wide)weight * rate.per;
      if (now > at) level += (wide)(now - at) * rate.max;
      if (now > at) at = now;
      if (level > full) level = full;
      int is_open = now >= shut;
      EXPECT_EQ(sluice__bucket_level(&bucket, now), is_open ? (uint64_t)(level / rate.per) : 0);
      int has_tokens = is_open && level >= wanted;
      EXPECT_EQ(sluice__bucket_draw(&bucket, weight, now), has_tokens);
      if (has_tokens) level -= wanted;
      weight = 1 + sluice__rng_up_to(&rng, rate.burst - 1);
      wanted = (wide)weight * rate.per;
      wide missing = level >= wanted ? 0 : wanted - level;
      wide ready = at + (missing + rate.max - 1) / rate.max;
      if (ready < shut) ready = shut;
      EXPECT(sluice__bucket_ready_for(&bucket, weight) == (uint64_t)ready);
      uint64_t choice = sluice__rng_up_to(&rng, 11);
      if (choice == 0) {
        struct sluice_rate next = any_rate(&rng);
        next.burst = 1 + sluice__rng_up_to(&rng, 9);
        uint64_t tokens = (uint64_t)(level / rate.per);
        sluice__bucket_change(&bucket, &next, now);
        level = (wide)(tokens < next.burst ? tokens : next.burst) * next.per;
        rate = next;
      } else if (choice == 1) {
        uint64_t duration = any_span(&rng) >> 10;
        sluice__bucket_shut(&bucket, duration, now);
        if (now + duration > shut) {
          shut = now + duration;
          if (level < rate.per) level += (wide)(shut - at) * rate.max;
          if (level > rate.per) level = rate.per;
          at = shut;
        }
      } else if (choice < 5 && ready < SLUICE_NEVER / 2) {
        now = (uint64_t)ready > now ? (uint64_t)ready - (choice == 2) : now;
      } else {
        now += any_span(&rng) % (rate.per / rate.max + 2);
      }
    }
  }
}

void test_bucket_shut_gives_nothing_and_then_one(void) {
  struct sluice__bucket bucket = bucket_of(10, SECOND, 5);
  sluice__bucket_shut(&bucket, SECOND, SECOND); /* full */
  EXPECT_EQ(sluice__bucket_level(&bucket, 2 * SECOND - 1), 0);
  EXPECT(!sluice__bucket_take(&bucket, 2 * SECOND - 1));
  EXPECT_EQ(sluice__bucket_ready_at(&bucket), 2 * SECOND);
  EXPECT_EQ(sluice__bucket_ready_for(&bucket, 3), 2 * SECOND + 200 * MS);
  EXPECT(sluice__bucket_take(&bucket, 2 * SECOND));
  EXPECT(!sluice__bucket_take(&bucket, 2 * SECOND));
  sluice__bucket_shut(&bucket, 50 * MS, 2 * SECOND); /* empty, and too short for a token */
  EXPECT(!sluice__bucket_take(&bucket, 2 * SECOND + 100 * MS - 1));
  EXPECT(sluice__bucket_take(&bucket, 2 * SECOND + 100 * MS));
  sluice__bucket_shut(&bucket, SLUICE_NEVER, 3 * SECOND);
  EXPECT(sluice__bucket_ready_at(&bucket) >= SLUICE_NEVER);
  EXPECT(!sluice__bucket_take(&bucket, SLUICE_NEVER - 1));
}

/* Another rate is no fresh bucket, unless there was none before. */
void test_bucket_change_keeps_what_it_holds(void) {
  struct sluice_rate slow = {.max = 1, .per = SECOND, .burst = 9}, none = {.max = 0, .per = 0, .burst = 0};
  struct sluice__bucket bucket = bucket_of(10, SECOND, 5);
  EXPECT(sluice__bucket_draw(&bucket, 3, SECOND));
  sluice__bucket_change(&bucket, &slow, SECOND + 150 * MS); /* one, and a half that is forgotten */
  EXPECT_EQ(sluice__bucket_level(&bucket, SECOND + 150 * MS), 3);
  EXPECT_EQ(sluice__bucket_ready_for(&bucket, 4), 2 * SECOND + 150 * MS);
  sluice__bucket_change(&bucket, &none, 2 * SECOND);
  EXPECT_EQ(sluice__bucket_level(&bucket, 2 * SECOND), SLUICE_PERMIT_MAX);
  EXPECT(sluice__bucket_draw(&bucket, SLUICE_PERMIT_MAX, 2 * SECOND));
  sluice__bucket_change(&bucket, &slow, 2 * SECOND);
  EXPECT_EQ(sluice__bucket_level(&bucket, 2 * SECOND), 9);
}

/* Tokens that are given out before anybody has looked at the clock are never too many, whatever the true time was. */
void test_bucket_early_draws_hold_in_every_window(void) {
  enum { DRAWS = 100 };
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (uint64_t round = 0; round < 100 * test_rounds; round++) {
    struct sluice_rate rate = any_rate(&rng);
    rate.burst = 1 + sluice__rng_up_to(&rng, 9);
    struct sluice__bucket bucket = bucket_of(rate.max, rate.per, rate.burst);
    uint64_t when[DRAWS], weights[DRAWS], known = 1 + any_span(&rng), now = known;
    int count = 0, early = 0;
    for (int tries = 0; count < DRAWS && tries < 20 * DRAWS; tries++) {
      now += any_span(&rng) % (rate.per / rate.max + 2); /* the clock goes on, and is read now and then */
      uint64_t weight = 1 + sluice__rng_up_to(&rng, rate.burst - 1);
      int is_early = sluice__bucket_draw_early(&bucket, weight, known);
      early += is_early;
      if (!is_early && sluice__rng_up_to(&rng, 1) == 0) known = now;
      if (is_early || (known == now && sluice__bucket_draw(&bucket, weight, now))) {
        when[count] = now;
        weights[count++] = weight;
      }
      if (sluice__rng_up_to(&rng, 5) == 0) sluice__bucket_refill(&bucket, known = now);
      EXPECT(bucket.owed <= bucket.tokens && bucket.tokens <= bucket.burst);
    }
    EXPECT(early > 0);
    for (int first = 0; first < count; first++) {
      wide sum = 0;
      for (int last = first; last < count; last++) {
        sum += weights[last];
        EXPECT(sum * rate.per <= (wide)rate.burst * rate.per + (wide)(when[last] - when[first]) * rate.max);
      }
    }
  }
}
