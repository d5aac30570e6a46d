/* The dumb twin of the engine's bookkeeping: counts and lists are kept in O(1) as things happen, and recomputed here by
 * looking at everything there is.
 *
 * It goes from the owners to the lists (each live lane and job, what state it is in, where its deadline says that it
 * is), then from the lists to the owners (each list, walked), and compares what the two saw. */
#include <string.h>

#include "internal.h"

#define LISTS (SLUICE__LIST_READY + 1)

/* What the owners say. */
struct tally {
  uint64_t in_list[LISTS]; /* deadlines by their `list` */
  uint64_t referenced;
  uint64_t lanes;    /* that their jobs list, and guards and sleeps */
  uint64_t progress; /* jobs in `dirty` or `reporting` */
  uint64_t granted;  /* jobs in `granted` */
  uint64_t waiting;  /* lanes in their jobs' `waiting` */
  uint64_t rated;    /* jobs with a rate */
};

#define BIT(list) (1u << SLUICE__LIST_##list)

/* Where a deadline of this kind may be: a bit per list. See the transitions in internal.h. */
static uint32_t lists_of(enum sluice__kind kind) {
  switch (kind) {
    case SLUICE__KIND_ATTEMPT:
    case SLUICE__KIND_ITEM:
    case SLUICE__KIND_GUARD:
    case SLUICE__KIND_TOTAL:
      return BIT(NEWBORN) | BIT(WHEEL) | BIT(HELD) | BIT(FINAL) | BIT(READY);
    case SLUICE__KIND_BACKOFF:
    case SLUICE__KIND_GATE:
    case SLUICE__KIND_SLEEP:
      return BIT(NEWBORN) | BIT(WHEEL) | BIT(READY);
    case SLUICE__KIND_YIELD:
      return BIT(YIELDED) | BIT(READY);
    case SLUICE__KIND_WAIT:
      return BIT(WAITING);
    case SLUICE__KIND_OUTLIVED:
    case SLUICE__KIND_ITEM_OUTLIVED:
      return BIT(READY);
  }
  return 0;
}

static int waits_for_no_time(enum sluice__kind kind) {
  return kind == SLUICE__KIND_YIELD || kind == SLUICE__KIND_WAIT || kind == SLUICE__KIND_OUTLIVED ||
         kind == SLUICE__KIND_ITEM_OUTLIVED;
}

static int check_deadline(const struct sluice_engine *engine, const struct sluice__deadline *deadline, uint32_t flags,
                          struct tally *tally) {
  if (deadline->list > SLUICE__LIST_READY || deadline->flags != (flags & SLUICE_FLAG_UNREF)) return 0;
  tally->in_list[deadline->list]++;
  int is_linked = !sluice__list_empty(&deadline->link);
  if (is_linked != (deadline->list != SLUICE__LIST_NONE)) return 0;
  if (!is_linked) return 1;
  tally->referenced += (deadline->flags & SLUICE_FLAG_UNREF) == 0;
  if ((lists_of(deadline->kind) >> deadline->list & 1) == 0) return 0;
  if (waits_for_no_time(deadline->kind)) return 1;
  /* A gate in the ready list may be there for the next lane: its `due` says nothing then. */
  if (deadline->kind == SLUICE__KIND_GATE && deadline->list == SLUICE__LIST_READY) return 1;
  if (deadline->list == SLUICE__LIST_NEWBORN && (int32_t)(engine->serial - deadline->serial) <= 0) return 0;
  return deadline->due < SLUICE_NEVER && (deadline->list <= SLUICE__LIST_WHEEL || deadline->due <= engine->now);
}

/* (Two lanes may claim the same item by forged words; when one of them finds that there is none, it never was.) */
static int has_taken_item(const struct sluice__job *job, const struct sluice__lane *lane) {
  return lane->attempt != 0 && (lane->item < job->next_item || job->is_exhausted);
}

/* Whether what the lane does and what its deadline is for fit each other. */
static int check_state(const struct sluice__job *job, const struct sluice__lane *lane) {
  if (job->is_draining && lane->deadline.state != SLUICE__LANE_RUNNING) return 0;
  enum sluice__kind kind = lane->deadline.kind;
  int is_armed = lane->deadline.list != SLUICE__LIST_NONE;
  switch ((enum sluice__state)lane->deadline.state) {
    case SLUICE__LANE_RUNNING:
      return has_taken_item(job, lane) && (!is_armed || kind == SLUICE__KIND_ATTEMPT);
    case SLUICE__LANE_PULLING:
      return job->pulls && !is_armed;
    case SLUICE__LANE_REVIEWING:
      return (job->policy.flags & SLUICE_FLAG_REVIEW) != 0 && has_taken_item(job, lane) && !is_armed;
    case SLUICE__LANE_PARKED:
      if (lane->attempt == 0) return is_armed && kind == SLUICE__KIND_YIELD;
      return has_taken_item(job, lane) &&
             (!is_armed || kind == SLUICE__KIND_BACKOFF || kind == SLUICE__KIND_YIELD || kind == SLUICE__KIND_WAIT ||
              kind == SLUICE__KIND_OUTLIVED || kind == SLUICE__KIND_ITEM_OUTLIVED);
    default:
      return 0;
  }
}

static int check_counts(const struct sluice__job *job, uint64_t in_flight) {
  const struct sluice_counts *counts = &job->counts;
  return counts->started == job->next_item &&
         counts->started == counts->done + counts->failed + in_flight + job->dropped &&
         counts->abandoned <= counts->timed_out && job->next_item <= job->policy.items;
}

static int check_grant(const struct sluice_engine *engine, const struct sluice__job *job, struct tally *tally) {
  int is_linked = !sluice__list_empty(&job->granted);
  if (is_linked != (job->granted_end != 0)) return 0;
  if (!is_linked) return 1;
  tally->granted++;
  return engine->grants != NULL && job->slot.number < SLUICE_GRANT_JOBS && !job->pulls && !job->is_draining &&
         job->granted_end < SLUICE_GRANT_NONE && job->granted_end <= job->policy.items &&
         job->granted_start <= job->next_item;
}

/* What is beside the lane for its item. */
static int check_item(const struct sluice_engine *engine, const struct sluice__job *job,
                      const struct sluice__lane *lane, struct tally *tally) {
  if (!job->has_items) return 1;
  const struct sluice__item *item = sluice__item_at(engine, lane->slot.number);
  const struct sluice__deadline *deadline = &item->deadline;
  if (item->lane != lane->slot.number || deadline->state != SLUICE__LANE_ALONE) return 0;
  if (deadline->list == SLUICE__LIST_NONE) return 1;
  int holds_item = lane->deadline.state != SLUICE__LANE_PULLING && lane->attempt != 0;
  if (deadline->kind != SLUICE__KIND_ITEM || !holds_item || job->is_draining) return 0;
  return check_deadline(engine, deadline, job->policy.flags, tally);
}

/* The gate is armed where lanes wait and time can help. */
static int check_gate(const struct sluice_engine *engine, const struct sluice__job *job, struct tally *tally) {
  uint64_t waiting = 0;
  for (const struct sluice__link *link = job->waiting.next; link != &job->waiting; link = link->next) {
    const struct sluice__deadline *deadline = SLUICE__CONTAINER(link, const struct sluice__deadline, link);
    if (link->next->prev != link || deadline->list != SLUICE__LIST_WAITING) return 0;
    const struct sluice__lane *lane = SLUICE__CONTAINER(deadline, const struct sluice__lane, deadline);
    if (lane->job != job->slot.number || waiting++ == job->lane_count) return 0;
  }
  tally->waiting += waiting;
  int is_armed = job->gate.list != SLUICE__LIST_NONE;
  if (is_armed && (job->gate.kind != SLUICE__KIND_GATE || !job->has_gate)) return 0;
  int is_blocked =
      (job->counts.abandoned > job->policy.max_abandoned && job->policy.max_abandoned != SLUICE_UNLIMITED) ||
      sluice__bucket_ready_at(&job->bucket) >= SLUICE_NEVER;
  if (waiting == 0 ? is_armed : !is_armed && !is_blocked) return 0;
  return job->bucket.tokens <= job->bucket.burst && check_deadline(engine, &job->gate, job->policy.flags, tally);
}

static int check_job(const struct sluice_engine *engine, const struct sluice__job *job, struct tally *tally) {
  uint64_t lanes = 0, in_flight = 0, at_source = 0;
  uint32_t before = SLUICE__NO_SLOT;
  for (uint32_t number = job->first_lane; number != SLUICE__NO_SLOT; lanes++) {
    if (number >= sluice__slab_room(&engine->lanes) || lanes == job->lane_count) return 0;
    const struct sluice__lane *lane = sluice__lane_at(engine, number);
    if (!sluice__slot_in_use(&lane->slot) || lane->job != job->slot.number || lane->prev != before) return 0;
    int has_yielded = lane->deadline.list != SLUICE__LIST_NONE && lane->deadline.kind == SLUICE__KIND_YIELD;
    uint32_t flags = has_yielded ? 0 : job->policy.flags;
    if (lane->deadline.list == SLUICE__LIST_WAITING) flags = SLUICE_FLAG_UNREF;
    if (!check_deadline(engine, &lane->deadline, flags, tally) || !check_state(job, lane)) return 0;
    if (!check_item(engine, job, lane, tally)) return 0;
    int has_item = lane->deadline.state != SLUICE__LANE_PULLING && lane->attempt != 0;
    in_flight += has_item;
    at_source += !has_item;
    before = number;
    number = lane->next;
  }
  tally->lanes += lanes;
  if (lanes != job->lane_count || (lanes > job->policy.limit && job->policy.limit != SLUICE_UNLIMITED)) return 0;
  if (job->pulls ? job->is_pulling != at_source : job->is_pulling != 0) return 0;
  int has_progress = !sluice__list_empty(&job->progress);
  if (has_progress && (job->policy.flags & SLUICE_FLAG_PROGRESS) == 0) return 0;
  tally->progress += has_progress;
  if (job->total.state != SLUICE__LANE_ALONE) return 0;
  if (job->total.list != SLUICE__LIST_NONE && job->total.kind != SLUICE__KIND_TOTAL) return 0;
  return check_deadline(engine, &job->total, job->policy.flags, tally) && check_counts(job, in_flight) &&
         check_grant(engine, job, tally) && check_gate(engine, job, tally);
}

static int check_owners(const struct sluice_engine *engine, struct tally *tally) {
  for (uint32_t number = 0; number < sluice__slab_room(&engine->jobs); number++) {
    const struct sluice__job *job = sluice__job_at(engine, number);
    if (!sluice__slot_in_use(&job->slot)) continue;
    if (!check_job(engine, job, tally)) return 0;
    tally->rated += job->bucket.max != 0;
  }
  for (uint32_t number = 0; number < sluice__slab_room(&engine->lanes); number++) {
    const struct sluice__lane *lane = sluice__lane_at(engine, number);
    if (!sluice__slot_in_use(&lane->slot) || lane->job != SLUICE__NO_SLOT) continue;
    const struct sluice__deadline *deadline = &lane->deadline;
    if (deadline->state != SLUICE__LANE_ALONE) return 0;
    if (deadline->list != SLUICE__LIST_NONE && deadline->kind != SLUICE__KIND_GUARD &&
        deadline->kind != SLUICE__KIND_SLEEP)
      return 0;
    if (!check_deadline(engine, deadline, deadline->flags, tally)) return 0;
    tally->lanes++;
  }
  return tally->lanes == engine->lanes.in_use;
}

/* How many links are in a list, or UINT64_MAX where they are not linked both ways, or there are more than `most`. */
static uint64_t count_links(const struct sluice__link *head, uint64_t most) {
  uint64_t count = 0;
  for (const struct sluice__link *link = head->next; link != head; link = link->next) {
    if (link->next->prev != link || count++ == most) return UINT64_MAX;
  }
  return head->next->prev == head ? count : UINT64_MAX;
}

/* Whether the list holds `count` deadlines, all of which say that they are in it. */
static int check_list(const struct sluice__link *head, enum sluice__list list, uint64_t count) {
  if (count_links(head, count) != count) return 0;
  for (struct sluice__link *link = head->next; link != head; link = link->next) {
    if (sluice__deadline_of(link)->list != (uint8_t)list) return 0;
  }
  return 1;
}

static int check_wheel(const struct sluice_engine *engine, uint64_t count) {
  uint64_t found;
  if (!sluice__wheel_check(&engine->wheel, &found) || found != count) return 0;
  for (int level = 0; level < SLUICE__WHEEL_LEVELS; level++) {
    for (int digit = 0; digit < SLUICE__WHEEL_SLOTS; digit++) {
      const struct sluice__link *head = &engine->wheel.slots[level][digit].list;
      if (!check_list(head, SLUICE__LIST_WHEEL, count_links(head, count))) return 0;
    }
  }
  return 1;
}

static int check_lists(const struct sluice_engine *engine, const struct tally *tally) {
  const uint64_t *in_list = tally->in_list;
  uint64_t dirty = count_links(&engine->dirty, tally->progress);
  uint64_t reporting = count_links(&engine->reporting, tally->progress);
  return in_list[SLUICE__LIST_WAITING] == tally->waiting && engine->rated == tally->rated &&
         check_list(&engine->newborn, SLUICE__LIST_NEWBORN, in_list[SLUICE__LIST_NEWBORN]) &&
         check_list(&engine->held, SLUICE__LIST_HELD, in_list[SLUICE__LIST_HELD]) &&
         check_list(&engine->final, SLUICE__LIST_FINAL, in_list[SLUICE__LIST_FINAL]) &&
         check_list(&engine->yielded, SLUICE__LIST_YIELDED, in_list[SLUICE__LIST_YIELDED]) &&
         check_list(&engine->ready, SLUICE__LIST_READY, in_list[SLUICE__LIST_READY]) &&
         check_wheel(engine, in_list[SLUICE__LIST_WHEEL]) && dirty != UINT64_MAX && reporting != UINT64_MAX &&
         dirty + reporting == tally->progress && count_links(&engine->granted, tally->granted) == tally->granted;
}

int sluice_check(const struct sluice_engine *engine) {
  struct tally tally;
  memset(&tally, 0, sizeof tally);
  if (!sluice__slab_check(&engine->lanes) || !sluice__slab_check(&engine->jobs)) return 0;
  if (!check_owners(engine, &tally) || !check_lists(engine, &tally)) return 0;
  uint64_t deadlines = 0;
  for (int list = SLUICE__LIST_NEWBORN; list < LISTS; list++) deadlines += tally.in_list[list];
  uint64_t memory = sizeof *engine + sluice__slab_memory(&engine->lanes) + sluice__slab_memory(&engine->jobs) +
                    sluice__items_memory(&engine->items);
  return deadlines == engine->deadlines && tally.referenced + tally.progress == engine->referenced &&
         memory == engine->mem.in_use;
}
