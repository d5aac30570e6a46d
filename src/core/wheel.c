/* A hierarchical timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987; the addressing
 * by the highest differing digit is that of tokio's time driver).
 *
 * A tick is 2^20 ns (1.05 ms). Eight levels of 64 slots cover all 64 bits:
 *
 *   level  a slot spans   the level spans
 *   0      1.05 ms        67 ms
 *   1      67 ms          4.3 s
 *   2      4.3 s          4.6 min
 *   3      4.6 min        4.9 h
 *   4      4.9 h          13 days
 *   5      13 days        2.3 years
 *   6, 7   2.3 years, 146 years
 *
 * Ground rules:
 * - A deadline stands in the level of the highest base-64 digit in which its tick differs from the wheel's, in the slot
 *   of that digit. So all of level l comes before all of level l + 1, and within a level slots come in order.
 * - The earliest deadline is therefore in the first occupied slot of the lowest occupied level, and that slot's
 *   `earliest` is when to wake up: no wake-ups in between only to move things down.
 * - expire() empties whole slots that lie before `now`: level 0 into the result, higher ones into lower levels with the
 *   tick at that slot's start. Each deadline moves down at most seven times.
 * - Slots are not sorted. What is due is sorted once, when it leaves: arming order is nearly sorted, and the merge sort
 *   is linear on that.
 *
 * The trap: a slot's bit and `earliest` may be stale after a removal. Bits are only ever cleared here, on a list seen
 * to be empty; a stale `earliest` is too early, never too late, costs one wake-up and is then made exact. */
#include "wheel.h"

#include <assert.h>

#define SLUICE__TICK_BITS 20
#define DIGIT_BITS 6
#define DIGIT_MASK (SLUICE__WHEEL_SLOTS - 1)

void sluice__wheel_init(struct sluice__wheel *wheel) {
  wheel->tick = 0;
  for (int level = 0; level < SLUICE__WHEEL_LEVELS; level++) {
    wheel->occupied[level] = 0;
    for (int slot = 0; slot < SLUICE__WHEEL_SLOTS; slot++) {
      sluice__list_init(&wheel->slots[level][slot].list);
      wheel->slots[level][slot].earliest = SLUICE_NEVER;
    }
  }
}

static int level_of(uint64_t tick, uint64_t due_tick) {
  uint64_t differing = tick ^ due_tick;
  return differing == 0 ? 0 : (63 - __builtin_clzll(differing)) / DIGIT_BITS;
}

static int digit_of(uint64_t tick, int level) {
  return (int)(tick >> (level * DIGIT_BITS)) & DIGIT_MASK;
}

void sluice__wheel_add(struct sluice__wheel *wheel, struct sluice__deadline *deadline) {
  uint64_t due_tick = deadline->due >> SLUICE__TICK_BITS;
  assert(due_tick >= wheel->tick);
  int level = level_of(wheel->tick, due_tick);
  int digit = digit_of(due_tick, level);
  struct sluice__wheel_slot *slot = &wheel->slots[level][digit];
  if (sluice__list_empty(&slot->list) || deadline->due < slot->earliest) slot->earliest = deadline->due;
  wheel->occupied[level] |= (uint64_t)1 << digit;
  sluice__list_append(&slot->list, &deadline->link);
}

/* The first slot that holds something, lowest level first; NULL where the wheel is empty. */
static struct sluice__wheel_slot *first_slot(struct sluice__wheel *wheel, int *level, int *digit) {
  for (*level = 0; *level < SLUICE__WHEEL_LEVELS; ++*level) {
    while (wheel->occupied[*level] != 0) {
      *digit = __builtin_ctzll(wheel->occupied[*level]);
      struct sluice__wheel_slot *slot = &wheel->slots[*level][*digit];
      if (!sluice__list_empty(&slot->list)) return slot;
      wheel->occupied[*level] &= ~((uint64_t)1 << *digit);
    }
  }
  return NULL;
}

uint64_t sluice__wheel_next(struct sluice__wheel *wheel) {
  int level, digit;
  struct sluice__wheel_slot *slot = first_slot(wheel, &level, &digit);
  return slot == NULL ? SLUICE_NEVER : slot->earliest;
}

/* The tick at which this slot of this level begins. */
static uint64_t slot_start(const struct sluice__wheel *wheel, int level, int digit) {
  int shift = level * DIGIT_BITS;
  uint64_t above = shift + DIGIT_BITS < 64 ? wheel->tick >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS) : 0;
  return above | (uint64_t)digit << shift;
}

/* The slot of the present tick: what is due goes, the rest stays, and `earliest` is made exact. */
static void split_slot(struct sluice__wheel_slot *slot, uint64_t now, struct sluice__link *due) {
  struct sluice__link *link = slot->list.next;
  slot->earliest = SLUICE_NEVER;
  while (link != &slot->list) {
    struct sluice__deadline *deadline = sluice__deadline_of(link);
    link = link->next;
    if (deadline->due <= now) {
      sluice__list_unlink(&deadline->link);
      sluice__list_append(due, &deadline->link);
    } else if (deadline->due < slot->earliest) {
      slot->earliest = deadline->due;
    }
  }
}

/* Takes the sorted run at the front of `from`, up to the first link that comes before its predecessor. */
static void take_run(struct sluice__link *from, struct sluice__link *run) {
  sluice__list_init(run);
  struct sluice__link *last = from->next;
  while (last->next != from && !sluice__deadline_before(sluice__deadline_of(last->next), sluice__deadline_of(last)))
    last = last->next;
  run->next = from->next;
  run->prev = last;
  from->next = last->next;
  last->next->prev = from;
  run->next->prev = run;
  last->next = run;
}

/* Appends the merger of two sorted lists to `out`; both are empty afterwards. */
static void merge(struct sluice__link *a, struct sluice__link *b, struct sluice__link *out) {
  while (!sluice__list_empty(a) && !sluice__list_empty(b)) {
    int b_first = sluice__deadline_before(sluice__deadline_of(b->next), sluice__deadline_of(a->next));
    struct sluice__link *link = b_first ? b->next : a->next;
    sluice__list_unlink(link);
    sluice__list_append(out, link);
  }
  sluice__list_splice(out, a);
  sluice__list_splice(out, b);
}

/* Natural merge sort: one pass over what is already in order, log2(runs) passes at worst. */
void sluice__deadlines_sort(struct sluice__link *list) {
  for (;;) {
    struct sluice__link merged, a, b;
    sluice__list_init(&merged);
    int runs = 0;
    while (!sluice__list_empty(list)) {
      take_run(list, &a);
      sluice__list_init(&b);
      if (!sluice__list_empty(list)) take_run(list, &b);
      merge(&a, &b, &merged);
      runs++;
    }
    sluice__list_splice(list, &merged);
    if (runs <= 1) return;
  }
}

void sluice__wheel_expire(struct sluice__wheel *wheel, uint64_t now, struct sluice__link *out) {
  uint64_t now_tick = now >> SLUICE__TICK_BITS;
  struct sluice__link due;
  sluice__list_init(&due);
  int level, digit;
  struct sluice__wheel_slot *slot;
  while ((slot = first_slot(wheel, &level, &digit)) != NULL) {
    uint64_t start = slot_start(wheel, level, digit);
    if (start > now_tick) break;
    if (level == 0) {
      split_slot(slot, now, &due);
      if (start == now_tick) break;
    } else {
      struct sluice__link moving;
      sluice__list_init(&moving);
      sluice__list_splice(&moving, &slot->list);
      wheel->tick = start;
      while (!sluice__list_empty(&moving)) {
        struct sluice__deadline *deadline = sluice__deadline_of(moving.next);
        sluice__list_unlink(&deadline->link);
        sluice__wheel_add(wheel, deadline);
      }
    }
  }
  if (now_tick > wheel->tick) wheel->tick = now_tick;
  sluice__deadlines_sort(&due);
  sluice__list_splice(out, &due);
}

int sluice__wheel_check(const struct sluice__wheel *wheel, uint64_t *count) {
  *count = 0;
  for (int level = 0; level < SLUICE__WHEEL_LEVELS; level++) {
    for (int digit = 0; digit < SLUICE__WHEEL_SLOTS; digit++) {
      const struct sluice__wheel_slot *slot = &wheel->slots[level][digit];
      int marked = (wheel->occupied[level] >> digit & 1) != 0;
      if (!marked && !sluice__list_empty(&slot->list)) return 0;
      for (struct sluice__link *link = slot->list.next; link != &slot->list; link = link->next) {
        const struct sluice__deadline *deadline = sluice__deadline_of(link);
        uint64_t due_tick = deadline->due >> SLUICE__TICK_BITS;
        if (due_tick < wheel->tick || deadline->due < slot->earliest) return 0;
        if (level_of(wheel->tick, due_tick) != level || digit_of(due_tick, level) != digit) return 0;
        if (link->next->prev != link) return 0;
        ++*count;
      }
    }
  }
  return 1;
}
