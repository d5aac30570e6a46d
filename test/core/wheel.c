/* The wheel against its brute-force twin: an array that is searched from end to end. */
#include "wheel.h"

#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "test.h"
#include "tests.h"
#include "world.h"

enum { ENTRIES = 400 };

struct twin {
  struct sluice__wheel wheel;
  struct sluice__deadline deadlines[ENTRIES];
  int is_in[ENTRIES];
  uint64_t count;
  uint64_t now;
  uint32_t serial;
  int may_be_due; /* something was added that was due already, since expire */
};

static void twin_init(struct twin *twin) {
  memset(twin, 0, sizeof *twin);
  memset(&twin->wheel, 0xa5, sizeof twin->wheel);
  sluice__wheel_init(&twin->wheel);
  for (int i = 0; i < ENTRIES; i++) sluice__list_init(&twin->deadlines[i].link);
}

static void twin_add(struct twin *twin, int i, uint64_t due) {
  twin->deadlines[i].due = due;
  twin->deadlines[i].serial = twin->serial++;
  sluice__wheel_add(&twin->wheel, &twin->deadlines[i]);
  twin->is_in[i] = 1;
  twin->may_be_due |= due <= twin->now;
  twin->count++;
}

static void twin_remove(struct twin *twin, int i) {
  sluice__wheel_remove(&twin->deadlines[i]);
  twin->is_in[i] = 0;
  twin->count--;
}

/* The entry that fires first, or -1. */
static int twin_first(const struct twin *twin) {
  int first = -1;
  for (int i = 0; i < ENTRIES; i++) {
    if (!twin->is_in[i]) continue;
    if (first < 0 || sluice__deadline_before(&twin->deadlines[i], &twin->deadlines[first])) first = i;
  }
  return first;
}

static void twin_check(struct twin *twin) {
  uint64_t count;
  EXPECT(sluice__wheel_check(&twin->wheel, &count));
  EXPECT_EQ(count, twin->count);
  int first = twin_first(twin);
  uint64_t next = sluice__wheel_next(&twin->wheel);
  EXPECT(first >= 0 || next == SLUICE_NEVER);
  if (first < 0) return;
  EXPECT(next <= twin->deadlines[first].due);
  EXPECT(next > twin->now || twin->may_be_due);
}

/* Moves on to `now`, and expects exactly what is due then, in order. */
static uint64_t twin_expire(struct twin *twin, uint64_t now) {
  struct sluice__link due;
  sluice__list_init(&due);
  sluice__wheel_expire(&twin->wheel, now, &due);
  twin->now = now;
  twin->may_be_due = 0;
  uint64_t fired = 0;
  for (;; fired++) {
    int first = twin_first(twin);
    if (first >= 0 && twin->deadlines[first].due > now) first = -1;
    EXPECT_EQ(first >= 0, !sluice__list_empty(&due));
    if (first < 0) break;
    EXPECT(sluice__deadline_of(due.next) == &twin->deadlines[first]);
    twin_remove(twin, first); /* unlinks it from `due` */
  }
  twin_check(twin);
  return fired;
}

/* A duration of any magnitude, from nothing to centuries. */
static uint64_t any_duration(struct sluice__rng *rng) {
  return sluice__rng_next(rng) >> (1 + sluice__rng_up_to(rng, 62));
}

static uint64_t any_due(struct twin *twin, struct sluice__rng *rng) {
  uint64_t room = SLUICE_NEVER - 1 - twin->now;
  uint64_t duration = any_duration(rng);
  switch (sluice__rng_up_to(rng, 9)) {
    case 0: /* the same as another's, where that may be added again */
    {
      uint64_t due = twin->deadlines[sluice__rng_up_to(rng, ENTRIES - 1)].due;
      return due > twin->now ? due : twin->now;
    }
    case 1:
      return twin->now;
    case 2:
      return SLUICE_NEVER - 1;
    case 3: /* on the edge of a slot of some level, or just before it */
    {
      int shift = 20 + 6 * (int)sluice__rng_up_to(rng, 7);
      uint64_t edge = shift > 62 ? SLUICE_NEVER - 1 : ((twin->now >> shift) + 1) << shift;
      edge -= sluice__rng_up_to(rng, 1);
      return edge < SLUICE_NEVER && edge >= twin->now ? edge : twin->now;
    }
    default:
      return twin->now + (duration < room ? duration : room);
  }
}

/* Where to go next: mostly to where something is due, else anywhere. */
static uint64_t any_now(struct twin *twin, struct sluice__rng *rng) {
  uint64_t next = sluice__wheel_next(&twin->wheel);
  uint64_t now;
  switch (sluice__rng_up_to(rng, 7)) {
    case 0:
      now = twin->now + any_duration(rng) / 2;
      break;
    case 1:
      now = twin->now;
      break;
    case 2:
      now = next - 1;
      break;
    case 3:
      now = next + sluice__rng_up_to(rng, 100 * MS);
      break;
    default:
      now = next;
  }
  if (now >= SLUICE_NEVER) now = SLUICE_NEVER - 1;
  return now > twin->now ? now : twin->now;
}

void test_wheel_agrees_with_its_twin(void) {
  static struct twin twin;
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (uint64_t round = 0; round < 60 * test_rounds; round++) {
    twin_init(&twin);
    twin.serial = (uint32_t)sluice__rng_next(&rng); /* it wraps in some rounds */
    if (round % 4 == 0) twin.serial = UINT32_MAX - 100;
    uint64_t most = 1 + sluice__rng_up_to(&rng, ENTRIES - 2);
    for (int step = 0; step < 600; step++) {
      int i = (int)sluice__rng_up_to(&rng, most);
      if (sluice__rng_up_to(&rng, 9) == 0) {
        /* Time may run to the end of the world in the last steps only: nothing could be added after it. */
        uint64_t now = any_now(&twin, &rng);
        if (now < SLUICE_NEVER / 2 || step > 550) twin_expire(&twin, now);
      } else if (twin.is_in[i]) {
        twin_remove(&twin, i);
      } else {
        twin_add(&twin, i, any_due(&twin, &rng));
      }
      twin_check(&twin);
    }
    twin_expire(&twin, SLUICE_NEVER - 1);
    EXPECT_EQ(twin.count, 0);
    EXPECT_EQ(sluice__wheel_next(&twin.wheel), SLUICE_NEVER);
  }
}

/* As a driver does: sleep until next(), expire, and again. Then the number of idle wake-ups is bounded by the removals.
 */
void test_wheel_wakes_up_only_for_what_is_due_or_was_removed(void) {
  static struct twin twin;
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (uint64_t round = 0; round < 40 * test_rounds; round++) {
    twin_init(&twin);
    uint64_t idle = 0, removed = 0;
    for (int i = 0; i < ENTRIES; i++) twin_add(&twin, i, any_duration(&rng));
    for (int i = 0; i < ENTRIES; i++) {
      if (sluice__rng_up_to(&rng, 3) != 0) continue;
      twin_remove(&twin, i);
      removed++;
    }
    while (twin.count > 0) idle += twin_expire(&twin, sluice__wheel_next(&twin.wheel)) == 0;
    EXPECT(idle <= removed);
  }
}

void test_wheel_is_never_early(void) {
  static struct twin twin;
  for (int bits = 0; bits < 63; bits++) {
    for (int off = -1; off <= 1; off++) {
      uint64_t due = ((uint64_t)1 << bits) + (uint64_t)(int64_t)off;
      if (due == 0) continue;
      twin_init(&twin);
      twin_add(&twin, 0, due);
      EXPECT_EQ(sluice__wheel_next(&twin.wheel), due);
      EXPECT_EQ(twin_expire(&twin, due - 1), 0);
      EXPECT_EQ(sluice__wheel_next(&twin.wheel), due);
      EXPECT_EQ(twin_expire(&twin, due), 1);
    }
  }
}

void test_wheel_fires_equal_deadlines_in_arming_order(void) {
  static struct twin twin;
  twin_init(&twin);
  twin.serial = UINT32_MAX - ENTRIES / 2; /* arming goes on across the wrap */
  for (int i = 0; i < ENTRIES; i++) {
    /* From several levels into one slot: half of them were armed an hour later. */
    if (i == ENTRIES / 2) twin_expire(&twin, 3600 * SECOND);
    twin_add(&twin, i, 7200 * SECOND);
  }
  struct sluice__link due;
  sluice__list_init(&due);
  sluice__wheel_expire(&twin.wheel, 7200 * SECOND, &due);
  for (int i = 0; i < ENTRIES; i++) {
    EXPECT(sluice__deadline_of(due.next) == &twin.deadlines[i]);
    sluice__list_unlink(due.next);
  }
}

/* The earliest of a slot is taken out: one wake-up for nothing, then it is exact. */
void test_wheel_a_removal_costs_one_wakeup(void) {
  static struct twin twin;
  twin_init(&twin);
  twin_add(&twin, 0, 10 * SECOND);
  twin_add(&twin, 1, 11 * SECOND);
  twin_remove(&twin, 0);
  EXPECT_EQ(sluice__wheel_next(&twin.wheel), 10 * SECOND);
  EXPECT_EQ(twin_expire(&twin, 10 * SECOND), 0);
  EXPECT_EQ(sluice__wheel_next(&twin.wheel), 11 * SECOND);
  twin_remove(&twin, 1);
  EXPECT_EQ(sluice__wheel_next(&twin.wheel), SLUICE_NEVER);
}

void test_wheel_holds_the_last_moment_before_never(void) {
  static struct twin twin;
  twin_init(&twin);
  twin_add(&twin, 0, SLUICE_NEVER - 1);
  EXPECT_EQ(twin_expire(&twin, SLUICE_NEVER - 2), 0);
  twin_add(&twin, 1, SLUICE_NEVER - 1);
  EXPECT_EQ(twin_expire(&twin, SLUICE_NEVER - 1), 2);
}

static int compare(const void *a, const void *b) {
  const struct sluice__deadline *x = *(struct sluice__deadline *const *)a;
  const struct sluice__deadline *y = *(struct sluice__deadline *const *)b;
  return sluice__deadline_before(x, y) ? -1 : sluice__deadline_before(y, x);
}

void test_wheel_sorts_as_qsort_does(void) {
  static struct sluice__deadline deadlines[ENTRIES];
  struct sluice__deadline *expected[ENTRIES];
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  for (uint64_t count = 0; count <= ENTRIES; count++) {
    struct sluice__link list;
    sluice__list_init(&list);
    uint64_t spread = sluice__rng_next(&rng) >> sluice__rng_up_to(&rng, 63);
    for (uint64_t i = 0; i < count; i++) {
      deadlines[i].due = sluice__rng_up_to(&rng, spread);
      deadlines[i].serial = (uint32_t)(count % 2 == 0 ? i : count - i); /* a total order: serials differ */
      sluice__list_append(&list, &deadlines[i].link);
      expected[i] = &deadlines[i];
    }
    qsort(expected, count, sizeof *expected, compare);
    sluice__deadlines_sort(&list);
    for (uint64_t i = 0; i < count; i++) {
      EXPECT(sluice__deadline_of(list.next) == expected[i]);
      sluice__list_unlink(list.next);
    }
    EXPECT(sluice__list_empty(&list));
  }
}
