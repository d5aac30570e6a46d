#include "rng.h"

static uint64_t rotate_left(uint64_t x, int k) {
  return (x << k) | (x >> (64 - k));
}

void sluice__rng_init(struct sluice__rng *rng, uint64_t seed) {
  for (int i = 0; i < 4; i++) {
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    rng->state[i] = z ^ (z >> 31);
  }
}

uint64_t sluice__rng_next(struct sluice__rng *rng) {
  uint64_t *s = rng->state;
  uint64_t result = rotate_left(s[1] * 5, 7) * 9;
  uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate_left(s[3], 45);
  return result;
}

uint64_t sluice__rng_up_to(struct sluice__rng *rng, uint64_t bound) {
  if (bound == UINT64_MAX) return sluice__rng_next(rng);
  /* Draw under a mask of as many bits as the bound has, until the draw is not above it: two draws on average at worst.
   */
  uint64_t mask = bound;
  for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
  uint64_t draw;
  do draw = sluice__rng_next(rng) & mask;
  while (draw > bound);
  return draw;
}
