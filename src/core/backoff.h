#ifndef SLUICE_BACKOFF_H
#define SLUICE_BACKOFF_H

#include "rng.h"
#include "sluice.h"

/* Whether the fields are in their ranges. */
int sluice__backoff_valid(const struct sluice_backoff *backoff);
/* How long to wait before retry number `retry` (from 1), in nanoseconds; rounded up, at most max_delay. `previous` is
 * the wait before the last retry, or the policy's delay before the first: only the decorrelated kind asks. The
 * generator moves only where there is jitter. */
uint64_t sluice__backoff_delay(const struct sluice_backoff *backoff, uint32_t retry, uint64_t previous,
                               struct sluice__rng *rng);
/* First the cap, then the jitter. */
uint64_t sluice__backoff_bound(const struct sluice_backoff *backoff, uint64_t delay, struct sluice__rng *rng);

#endif
