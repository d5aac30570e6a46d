/* The token bucket: see bucket.c. */
#ifndef SLUICE_BUCKET_H
#define SLUICE_BUCKET_H

#include "sluice.h"

struct sluice__bucket {
  uint64_t max; /* as in struct sluice_rate, but in lowest terms, and max * per < 2^63; 0: no limit */
  uint64_t per;
  uint64_t burst; /* >= 1 */
  uint64_t tokens;
  uint64_t carry;   /* max * the time since the last token, in units of 1/per token: < per */
  uint64_t at;      /* up to when tokens have accrued */
  uint8_t is_begun; /* `at` says something */
};

/* 1, or 0 where a field is out of its range. */
int sluice__bucket_valid(const struct sluice_rate *rate);
/* A full one. Time begins with the first take. A rate whose terms are too large is rounded down to one token in a whole
 * number of nanoseconds. */
void sluice__bucket_init(struct sluice__bucket *bucket, const struct sluice_rate *rate);
/* Takes a token; 0 where there is none at `now`. A `now` before the last one is as the last one. */
int sluice__bucket_take(struct sluice__bucket *bucket, uint64_t now);
/* When take() will find a token. After a take(): as of its `now`. */
uint64_t sluice__bucket_ready_at(const struct sluice__bucket *bucket);

#endif
