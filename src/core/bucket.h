/* The token bucket: see bucket.c. */
#ifndef SLUICE_BUCKET_H
#define SLUICE_BUCKET_H

#include "sluice.h"

struct sluice__bucket {
  uint64_t max; /* as in struct sluice_rate, but in lowest terms, and max * per < 2^63; 0: no limit */
  uint64_t per;
  uint64_t burst; /* >= 1 */
  uint64_t tokens;
  uint64_t owed;    /* of these, given out since `at` without asking for the time: <= tokens */
  uint64_t carry;   /* max * the time since the last token, in units of 1/per token: < per */
  uint64_t at;      /* up to when tokens have accrued */
  uint64_t shut;    /* no token is given out before; 0: never shut */
  uint8_t is_begun; /* `at` says something */
};

/* 1, or 0 where a field is out of its range. */
int sluice__bucket_valid(const struct sluice_rate *rate);
/* A full one. Time begins with the first take. A rate whose terms are too large is rounded down to one token in a whole
 * number of nanoseconds. */
void sluice__bucket_init(struct sluice__bucket *bucket, const struct sluice_rate *rate);
/* Takes so many tokens, at most `burst`; 0 where there are not as many at `now`. A `now` before the last one is as the
 * last one. */
int sluice__bucket_draw(struct sluice__bucket *bucket, uint64_t tokens, uint64_t now);
/* The same where nobody has read the clock: of the tokens that there were when it was last read, and `now` is no later
 * than the true time. They count as given out when the time is next known, so never too early; to be brought in soon,
 * as what accrues above the burst meanwhile is lost. 0 also where only the clock can tell. */
int sluice__bucket_draw_early(struct sluice__bucket *bucket, uint64_t tokens, uint64_t now);
/* Puts tokens back that were drawn in vain, as far as the burst allows. */
void sluice__bucket_put(struct sluice__bucket *bucket, uint64_t tokens);
/* Brings in the time. */
void sluice__bucket_refill(struct sluice__bucket *bucket, uint64_t now);
/* When draw() will find so many, at most `burst`; SLUICE_NEVER and above is never. After a draw(): as of its `now`. */
uint64_t sluice__bucket_ready_for(const struct sluice__bucket *bucket, uint64_t tokens);
/* What draw() would find. */
uint64_t sluice__bucket_level(struct sluice__bucket *bucket, uint64_t now);
/* Another rate, from now on: what it holds stays, as far as the burst allows. */
void sluice__bucket_change(struct sluice__bucket *bucket, const struct sluice_rate *rate, uint64_t now);
/* Gives out nothing for `duration`. What accrues meanwhile is one token at most. */
void sluice__bucket_shut(struct sluice__bucket *bucket, uint64_t duration, uint64_t now);

static inline int sluice__bucket_take(struct sluice__bucket *bucket, uint64_t now) {
  return sluice__bucket_draw(bucket, 1, now);
}
static inline uint64_t sluice__bucket_ready_at(const struct sluice__bucket *bucket) {
  return sluice__bucket_ready_for(bucket, 1);
}

#endif
