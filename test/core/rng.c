#include "rng.h"

#include "test.h"
#include "tests.h"

void test_rng_seeds_as_splitmix64(void) {
  struct sluice__rng rng;
  sluice__rng_init(&rng, 0);
  EXPECT_EQ(rng.state[0], 0xe220a8397b1dcdaf);
  EXPECT_EQ(rng.state[1], 0x6e789e6aa1b965f4);
  EXPECT_EQ(rng.state[2], 0x06c45d188009454f);
  EXPECT_EQ(rng.state[3], 0xf88bb8a8724c81ec);
}

void test_rng_gives_the_published_numbers(void) {
  static const uint64_t published[] = {
      11520,
      0,
      1509978240,
      1215971899390074240,
      1216172134540287360,
      607988272756665600,
      16172922978634559625u,
      8476171486693032832,
      10595114339597558777u,
      2904607092377533576,
  };
  struct sluice__rng rng = {{1, 2, 3, 4}};
  for (int i = 0; i < 10; i++) EXPECT_EQ(sluice__rng_next(&rng), published[i]);
}

void test_rng_up_to_includes_both_ends_and_no_more(void) {
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (uint64_t bound = 0; bound < 20; bound++) {
    uint32_t seen = 0;
    for (int i = 0; i < 2000; i++) {
      uint64_t draw = sluice__rng_up_to(&rng, bound);
      EXPECT(draw <= bound);
      seen |= 1u << draw;
    }
    EXPECT_EQ(seen, (1u << (bound + 1)) - 1);
  }
}

void test_rng_up_to_takes_any_bound(void) {
  struct sluice__rng rng, same;
  sluice__rng_init(&rng, test_seed);
  for (int i = 0; i < 1000; i++) {
    uint64_t bound = sluice__rng_next(&rng) >> (sluice__rng_next(&rng) & 63);
    EXPECT(sluice__rng_up_to(&rng, bound) <= bound);
  }
  same = rng;
  EXPECT_EQ(sluice__rng_up_to(&rng, UINT64_MAX), sluice__rng_next(&same));
}

/* 10 values do not divide a power of two: a modulo or a mask would favour some. */
void test_rng_up_to_has_no_bias(void) {
  enum { VALUES = 10, DRAWS = 100000, MEAN = DRAWS / VALUES };
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  int64_t counts[VALUES] = {0};
  for (int i = 0; i < DRAWS; i++) counts[sluice__rng_up_to(&rng, VALUES - 1)]++;
  for (int value = 0; value < VALUES; value++) {
    int64_t off = counts[value] - MEAN;
    EXPECT(off * off < 36 * MEAN); /* six standard deviations: one seed in 50 million is unlucky */
  }
}
