#include "backoff.h"

int sluice__backoff_valid(const struct sluice_backoff *backoff) {
  if (backoff->kind > SLUICE_BACKOFF_DECORRELATED || backoff->jitter > SLUICE_JITTER_FULL) return 0;
  return backoff->factor >= 1 && backoff->factor <= 1e300; /* NaN and infinity fail both */
}

/* value * factor, rounded up; saturates at `cap`. */
static uint64_t scale(uint64_t value, double factor, uint64_t cap) {
  double product = (double)value * factor;
  if (!(product < (double)cap)) return cap;
  uint64_t floor = (uint64_t)product;
  return (double)floor < product ? floor + 1 : floor;
}

/* factor^exponent by squaring: a million retries cost twenty steps, and the result is the same on every machine. */
static double power(double factor, uint32_t exponent) {
  double result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1) result *= factor;
    if (result > 1e300) return 1e300;
    factor = factor > 1e150 ? 1e300 : factor * factor;
  }
  return result;
}

static uint64_t cap_of(const struct sluice_backoff *backoff) {
  return backoff->max_delay < SLUICE_NEVER ? backoff->max_delay : SLUICE_NEVER;
}

uint64_t sluice__backoff_bound(const struct sluice_backoff *backoff, uint64_t delay, struct sluice__rng *rng) {
  uint64_t cap = cap_of(backoff);
  if (delay > cap) delay = cap;
  return backoff->jitter == SLUICE_JITTER_FULL ? sluice__rng_up_to(rng, delay) : delay;
}

static uint64_t decorrelated(const struct sluice_backoff *backoff, uint64_t previous, struct sluice__rng *rng) {
  uint64_t cap = cap_of(backoff);
  uint64_t delay = backoff->delay;
  uint64_t most = previous > UINT64_MAX / 3 ? UINT64_MAX : previous * 3;
  if (delay < most) delay += sluice__rng_up_to(rng, most - delay);
  return delay < cap ? delay : cap;
}

uint64_t sluice__backoff_delay(const struct sluice_backoff *backoff, uint32_t retry, uint64_t previous,
                               struct sluice__rng *rng) {
  uint64_t cap = cap_of(backoff);
  uint64_t delay = backoff->delay;
  switch (backoff->kind) {
    case SLUICE_BACKOFF_CONSTANT:
      break;
    case SLUICE_BACKOFF_LINEAR:
      delay = delay != 0 && retry > cap / delay ? cap : delay * retry;
      break;
    case SLUICE_BACKOFF_EXPONENTIAL:
      /* An integer factor on integer nanoseconds stays exact as long as a double does (2^53 ns is 104 days). */
      delay = scale(delay, power(backoff->factor, retry - 1), cap);
      break;
    case SLUICE_BACKOFF_DECORRELATED:
      return decorrelated(backoff, previous, rng);
  }
  return sluice__backoff_bound(backoff, delay, rng);
}
