/* The deadlines that are stamped: a hierarchical timing wheel. See wheel.c. */
#ifndef SLUICE_WHEEL_H
#define SLUICE_WHEEL_H

#include "list.h"
#include "sluice.h"

#define SLUICE__WHEEL_LEVELS 8
#define SLUICE__WHEEL_SLOTS 64

/* Embedded in what waits: 32 bytes. */
struct sluice__deadline {
  struct sluice__link link;
  uint64_t due;    /* nanoseconds; while newborn: the duration */
  uint32_t serial; /* counts up with each arming; breaks ties, and wraps */
  uint8_t kind;    /* the owner's: what waits */
  uint8_t list;    /* the owner's: which list the link is in */
  uint8_t state;   /* lent to the owner, so that a lane fits a cache line */
  uint8_t flags;   /* lent to the owner */
};

struct sluice__wheel_slot {
  struct sluice__link list;
  uint64_t earliest; /* no deadline in the list is due before; exact unless that one was taken out */
};

struct sluice__wheel {
  uint64_t tick;                           /* every deadline in the wheel has due >> SLUICE__TICK_BITS >= tick */
  uint64_t occupied[SLUICE__WHEEL_LEVELS]; /* a bit per slot; set while its list is not empty, or lately was */
  struct sluice__wheel_slot slots[SLUICE__WHEEL_LEVELS][SLUICE__WHEEL_SLOTS];
};

void sluice__wheel_init(struct sluice__wheel *wheel);
/* O(1). The deadline is in no list; due < SLUICE_NEVER, and not before the last `now` of expire. */
void sluice__wheel_add(struct sluice__wheel *wheel, struct sluice__deadline *deadline);
/* O(1): unlinks. (The wheel notices emptied slots when it comes by.) */
static inline void sluice__wheel_remove(struct sluice__deadline *deadline) {
  sluice__list_unlink(&deadline->link);
}
/* Moves every deadline with due <= now behind `out`, in the order of (due, serial). `now` never goes back. */
void sluice__wheel_expire(struct sluice__wheel *wheel, uint64_t now, struct sluice__link *out);
/* Into the order of (due, serial); linear where it nearly is. */
void sluice__deadlines_sort(struct sluice__link *list);
/* A time at or before the earliest deadline's; SLUICE_NEVER where there is none. It is after the last `now`, unless
 * what was due then has been added since. */
uint64_t sluice__wheel_next(struct sluice__wheel *wheel);
/* Recomputes the invariants the slow way: 1, or 0 where one does not hold. Stores how many deadlines there are. */
int sluice__wheel_check(const struct sluice__wheel *wheel, uint64_t *count);

static inline struct sluice__deadline *sluice__deadline_of(struct sluice__link *link) {
  return SLUICE__CONTAINER(link, struct sluice__deadline, link);
}

/* Whether a fires before b. */
static inline int sluice__deadline_before(const struct sluice__deadline *a, const struct sluice__deadline *b) {
  if (a->due != b->due) return a->due < b->due;
  return (int32_t)(a->serial - b->serial) < 0;
}

#endif
