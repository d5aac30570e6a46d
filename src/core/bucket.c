/* A token bucket in integers (the leaky bucket as a meter, ITU-T I.371; the carried remainder is nghttp2's).
 *
 * In each nanosecond max / per tokens accrue. Whole ones go into `tokens`, the fraction stays in `carry`, so that no
 * rate drifts, however often it is asked. A full bucket has no fraction: in any time t no more than burst + max * t /
 * per tokens are taken, not one more. */
#include "bucket.h"

#include <assert.h>
#include <string.h>

#define BURST_TIME (10 * SLUICE_MILLISECOND)
#define BURST_MAX SLUICE_ITEM_MAX

int sluice__bucket_valid(const struct sluice_rate *rate) {
  if (rate->max == 0) return 1;
  return rate->per != 0 && rate->per < SLUICE_NEVER && rate->max < SLUICE_NEVER && rate->burst <= BURST_MAX;
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
  while (b != 0) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* What accrues in `time`, at most `most`; the fraction of a token goes to *carry, which comes in as what there was. */
static uint64_t accrued(const struct sluice__bucket *bucket, uint64_t time, uint64_t most, uint64_t *carry) {
  uint64_t whole = time / bucket->per;
  if (whole != 0 && bucket->max > most / whole) return most;
  uint64_t parts = time % bucket->per * bucket->max; /* < max * per */
  uint64_t tokens = whole * bucket->max + (parts + *carry) / bucket->per;
  *carry = (parts + *carry) % bucket->per;
  return tokens < most ? tokens : most;
}

void sluice__bucket_init(struct sluice__bucket *bucket, const struct sluice_rate *rate) {
  memset(bucket, 0, sizeof *bucket);
  if (rate->max == 0) return;
  uint64_t divisor = common_divisor(rate->max, rate->per);
  bucket->max = rate->max / divisor;
  bucket->per = rate->per / divisor;
  assert(bucket->per != 0); /* a divisor of it is not above it */
  if (bucket->max >= SLUICE_NEVER / bucket->per) {
    bucket->per = bucket->per / bucket->max + (bucket->per % bucket->max != 0);
    bucket->max = 1;
  }
  uint64_t carry = 0;
  bucket->burst = rate->burst != 0 ? rate->burst : accrued(bucket, BURST_TIME, BURST_MAX, &carry);
  if (bucket->burst == 0) bucket->burst = 1;
  bucket->tokens = bucket->burst;
}

static void refill(struct sluice__bucket *bucket, uint64_t now) {
  if (!bucket->is_begun) bucket->at = now;
  bucket->is_begun = 1;
  if (now > bucket->at) {
    bucket->tokens += accrued(bucket, now - bucket->at, bucket->burst - bucket->tokens, &bucket->carry);
    if (bucket->tokens == bucket->burst) bucket->carry = 0;
    bucket->at = now;
  }
  bucket->tokens -= bucket->owed;
  bucket->owed = 0;
}

void sluice__bucket_refill(struct sluice__bucket *bucket, uint64_t now) {
  if (bucket->max != 0) refill(bucket, now);
}

int sluice__bucket_draw_early(struct sluice__bucket *bucket, uint64_t tokens, uint64_t now) {
  if (now < bucket->shut || bucket->tokens - bucket->owed < tokens || bucket->max == 0) return 0;
  bucket->owed += tokens;
  return 1;
}

int sluice__bucket_draw(struct sluice__bucket *bucket, uint64_t tokens, uint64_t now) {
  if (now < bucket->shut) return 0;
  if (bucket->max == 0) return 1;
  refill(bucket, now);
  if (bucket->tokens < tokens) return 0;
  bucket->tokens -= tokens;
  return 1;
}

void sluice__bucket_put(struct sluice__bucket *bucket, uint64_t tokens) {
  if (bucket->max == 0) return;
  uint64_t room = bucket->burst - bucket->tokens;
  bucket->tokens += tokens < room ? tokens : room;
  if (bucket->tokens == bucket->burst) bucket->carry = 0; /* as in a refill: a full one has no fraction */
}

static uint64_t later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

/* How long so many more tokens take to accrue: ceil((missing * per - carry) / max), without overflow. */
static uint64_t time_for(const struct sluice__bucket *bucket, uint64_t missing) {
  uint64_t whole = missing / bucket->max;
  uint64_t parts = missing % bucket->max * bucket->per; /* < max * per */
  if (whole > (SLUICE_NEVER - 1) / bucket->per) return SLUICE_NEVER;
  uint64_t time = whole * bucket->per;
  if (parts < bucket->carry) return time - (bucket->carry - parts) / bucket->max;
  parts -= bucket->carry;
  return time + parts / bucket->max + (parts % bucket->max != 0);
}

uint64_t sluice__bucket_ready_for(const struct sluice__bucket *bucket, uint64_t tokens) {
  uint64_t there = bucket->tokens - bucket->owed;
  if (bucket->max == 0 || there >= tokens) return later(bucket->at, bucket->shut);
  uint64_t time = time_for(bucket, tokens - there);
  return time > UINT64_MAX - bucket->at ? UINT64_MAX : later(bucket->at + time, bucket->shut);
}

uint64_t sluice__bucket_level(struct sluice__bucket *bucket, uint64_t now) {
  if (now < bucket->shut) return 0;
  if (bucket->max == 0) return SLUICE_PERMIT_MAX;
  refill(bucket, now);
  return bucket->tokens;
}

void sluice__bucket_change(struct sluice__bucket *bucket, const struct sluice_rate *rate, uint64_t now) {
  struct sluice__bucket former = *bucket;
  if (former.max != 0) refill(&former, now);
  sluice__bucket_init(bucket, rate);
  bucket->shut = former.shut;
  if (former.max == 0) {
    bucket->at = former.shut; /* it is full when it opens again */
    bucket->is_begun = former.shut != 0;
    return;
  }
  bucket->at = former.at;
  bucket->is_begun = 1;
  if (former.tokens < bucket->tokens) bucket->tokens = former.tokens;
}

void sluice__bucket_shut(struct sluice__bucket *bucket, uint64_t duration, uint64_t now) {
  uint64_t until = duration >= SLUICE_NEVER - now ? SLUICE_NEVER : now + duration;
  if (until <= bucket->shut) return;
  bucket->shut = until;
  if (bucket->max == 0) return;
  refill(bucket, now);
  if (bucket->tokens != 0) bucket->tokens = 1;
  else bucket->tokens = accrued(bucket, until - bucket->at, 1, &bucket->carry);
  if (bucket->tokens != 0) bucket->carry = 0;
  bucket->at = until;
}
