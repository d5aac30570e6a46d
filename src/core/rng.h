/* xoshiro256** 1.0 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2018), seeded through
 * SplitMix64 as its authors advise. Not for secrets. */
#ifndef SLUICE_RNG_H
#define SLUICE_RNG_H

#include <stdint.h>

struct sluice__rng {
  uint64_t state[4];
};

void sluice__rng_init(struct sluice__rng *rng, uint64_t seed);
uint64_t sluice__rng_next(struct sluice__rng *rng);
/* Uniform in [0, bound], both ends included; without bias. */
uint64_t sluice__rng_up_to(struct sluice__rng *rng, uint64_t bound);

#endif
