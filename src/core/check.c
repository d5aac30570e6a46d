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
  uint64_t room;     /* lanes in their jobs' `room` */
  uint64_t rated;    /* jobs with a rate, and waiters for tokens */
};

#define BIT(list) (1u << SLUICE__LIST_##list)

/* Where a deadline of this kind may be: a bit per list. See the transitions in internal.h. */
static uint32_t lists_of(enum sluice__kind kind) {
  switch (kind) {
    case SLUICE__KIND_ATTEMPT:
    case SLUICE__KIND_ITEM:
    case SLUICE__KIND_GUARD:
    case SLUICE__KIND_TOTAL:
    case SLUICE__KIND_WAITER:
      return BIT(NEWBORN) | BIT(WHEEL) | BIT(HELD) | BIT(FINAL) | BIT(READY);
    case SLUICE__KIND_BACKOFF:
    case SLUICE__KIND_GATE:
    case SLUICE__KIND_SLEEP:
      return BIT(NEWBORN) | BIT(WHEEL) | BIT(READY);
    case SLUICE__KIND_YIELD:
      return BIT(YIELDED) | BIT(READY);
    case SLUICE__KIND_WAIT:
      return BIT(WAITING);
    case SLUICE__KIND_ROOM:
      return BIT(ROOM);
    case SLUICE__KIND_HANDED:
    case SLUICE__KIND_INVITATION:
    case SLUICE__KIND_TOKEN:
    case SLUICE__KIND_GRANTED:
    case SLUICE__KIND_REFUSED:
    case SLUICE__KIND_SHUT:
      return BIT(HANDED);
    case SLUICE__KIND_OUTLIVED:
    case SLUICE__KIND_ITEM_OUTLIVED:
      return BIT(READY);
  }
  return 0;
}

static int waits_for_no_time(enum sluice__kind kind) {
  return kind == SLUICE__KIND_YIELD || kind == SLUICE__KIND_OUTLIVED || kind == SLUICE__KIND_ITEM_OUTLIVED ||
         (lists_of(kind) & (BIT(WAITING) | BIT(ROOM) | BIT(HANDED))) != 0;
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
static int check_state(const struct sluice_engine *engine, const struct sluice__job *job,
                       const struct sluice__lane *lane) {
  if (job->is_draining && lane->deadline.state != SLUICE__LANE_RUNNING) return 0;
  enum sluice__kind kind = lane->deadline.kind;
  int is_armed = lane->deadline.list != SLUICE__LIST_NONE;
  switch ((enum sluice__state)lane->deadline.state) {
    case SLUICE__LANE_RUNNING:
      return has_taken_item(job, lane) && (!is_armed || kind == SLUICE__KIND_ATTEMPT);
    case SLUICE__LANE_PULLING:
      return (job->pulls || job->semaphore != NULL) && !is_armed;
    case SLUICE__LANE_REVIEWING: {
      int has_failed = job->has_items && sluice__item_at(engine, lane->slot.number)->has_failed;
      uint32_t asked = has_failed ? SLUICE_FLAG_VERDICT : SLUICE_FLAG_REVIEW;
      return (job->policy.flags & asked) != 0 && has_taken_item(job, lane) && !is_armed;
    }
    case SLUICE__LANE_PARKED:
      if (lane->attempt == 0)
        return is_armed && (kind == SLUICE__KIND_YIELD || kind == SLUICE__KIND_ROOM || kind == SLUICE__KIND_HANDED);
      if (!is_armed && job->semaphore != NULL && job->claimant == lane->slot.number) return !lane->has_permit;
      return has_taken_item(job, lane) &&
             (!is_armed || kind == SLUICE__KIND_HANDED || kind == SLUICE__KIND_BACKOFF || kind == SLUICE__KIND_YIELD ||
              kind == SLUICE__KIND_WAIT || kind == SLUICE__KIND_OUTLIVED || kind == SLUICE__KIND_ITEM_OUTLIVED);
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

/* How many links are in a list, or UINT64_MAX where they are not linked both ways, or there are more than `most`. */
static uint64_t count_links(const struct sluice__link *head, uint64_t most) {
  uint64_t count = 0;
  for (const struct sluice__link *link = head->next; link != head; link = link->next) {
    if (link->next->prev != link || count++ == most) return UINT64_MAX;
  }
  return head->next->prev == head ? count : UINT64_MAX;
}

/* How many of this job's lanes are in one of its lists, which says so in their deadlines. UINT64_MAX: something is
 * wrong. */
static uint64_t count_lanes(const struct sluice__job *job, const struct sluice__link *head, enum sluice__list list) {
  uint64_t count = 0;
  for (const struct sluice__link *link = head->next; link != head; link = link->next) {
    const struct sluice__deadline *deadline = SLUICE__CONTAINER(link, const struct sluice__deadline, link);
    if (link->next->prev != link || deadline->list != (uint8_t)list) return UINT64_MAX;
    const struct sluice__lane *lane = SLUICE__CONTAINER(deadline, const struct sluice__lane, deadline);
    if (lane->job != job->slot.number || count++ == job->lane_count) return UINT64_MAX;
  }
  return count;
}

/* The gate is armed where somebody is in the line and time can help. */
static int check_limiter(const struct sluice_engine *engine, const struct sluice__limiter *limiter,
                         struct tally *tally) {
  uint64_t most = limiter->waiting + limiter->waiting_jobs;
  if (count_links(&limiter->claims, most) != most || limiter->bucket.tokens > limiter->bucket.burst) return 0;
  uint64_t referenced = 0, waiting = 0;
  for (struct sluice__link *link = limiter->claims.next; link != &limiter->claims; link = link->next) {
    const struct sluice__claim *claim = sluice__claim_of(link);
    referenced += !claim->is_unref;
    waiting += claim->claimant == SLUICE__CLAIM_WAITER;
  }
  if (referenced != limiter->referenced || waiting != limiter->waiting) return 0;
  if (limiter->lender != NULL) tally->referenced += referenced; /* else the gate is */
  int is_armed = limiter->gate.list != SLUICE__LIST_NONE;
  if (is_armed && limiter->gate.kind != SLUICE__KIND_GATE) return 0;
  if (most == 0 && is_armed) return 0;
  if (most != 0 && !is_armed && limiter->lender == NULL) {
    const struct sluice__claim *head = sluice__claim_of(limiter->claims.next);
    if (sluice__bucket_ready_for(&limiter->bucket, head->weight) < SLUICE_NEVER) return 0;
  }
  if (limiter->lender != NULL && is_armed) return 0;
  uint32_t flags = referenced == 0 || limiter->lender != NULL ? SLUICE_FLAG_UNREF : 0;
  return check_deadline(engine, &limiter->gate, flags, tally);
}

/* The job stands in its limiter's line where lanes wait, and in its semaphore's where one has no permit yet. */
static int check_claims(const struct sluice_engine *engine, const struct sluice__job *job, struct tally *tally) {
  uint64_t waiting = count_lanes(job, &job->waiting, SLUICE__LIST_WAITING);
  uint64_t room = count_lanes(job, &job->room, SLUICE__LIST_ROOM);
  if (waiting == UINT64_MAX || room == UINT64_MAX) return 0;
  tally->waiting += waiting;
  tally->room += room;
  int is_in_line = !sluice__list_empty(&job->token_claim.link);
  int has_token = job->token.list != SLUICE__LIST_NONE;
  if (is_in_line && (waiting == 0 || has_token)) return 0;
  if (waiting != 0 && !is_in_line && !has_token && !sluice__gate_is_shut(job)) return 0;
  if (!check_deadline(engine, &job->token, 0, tally)) return 0;
  if (waiting != 0 && !job->has_gate) return 0;
  if (job->claimant != SLUICE__NO_SLOT && sluice__list_empty(&job->permit_claim.link)) return 0;
  if (job->semaphore == NULL && (job->has_spare || !sluice__list_empty(&job->permit_claim.link))) return 0;
  if (job->has_spare && job->invitation.list != SLUICE__LIST_HANDED && job->invitation.list != SLUICE__LIST_NONE)
    return 0;
  if (!check_deadline(engine, &job->invitation, 0, tally)) return 0;
  if (room != 0 && job->policy.window == 0) return 0;
  if (job->policy.window != 0 && job->next_item - job->read > job->policy.window) return 0;
  int has_own = job->limiter == &job->own_limiter;
  return has_own ? check_limiter(engine, job->limiter, tally) : sluice__slot_in_use(&job->limiter->slot);
}

/* Permits that lanes of jobs on this semaphore hold. */
static uint64_t held_permits(const struct sluice_engine *engine, const struct sluice__semaphore *semaphore) {
  uint64_t held = 0;
  for (uint32_t number = 0; number < sluice__slab_room(&engine->jobs); number++) {
    const struct sluice__job *job = sluice__job_at(engine, number);
    if (!sluice__slot_in_use(&job->slot) || job->semaphore != semaphore) continue;
    held += job->has_spare;
    for (uint32_t lane = job->first_lane; lane != SLUICE__NO_SLOT; lane = sluice__lane_at(engine, lane)->next)
      held += sluice__lane_at(engine, lane)->has_permit;
  }
  return held;
}

/* Permits that were handed to waiters who have not heard of it yet. */
static uint64_t handed_permits(const struct sluice_engine *engine, const struct sluice__semaphore *semaphore) {
  uint64_t handed = 0;
  for (uint32_t number = 0; number < sluice__slab_room(&engine->waiters); number++) {
    const struct sluice__waiter *waiter = (const struct sluice__waiter *)sluice__slab_at(&engine->waiters, number);
    int is_handed = waiter->deadline.list == SLUICE__LIST_HANDED && waiter->deadline.kind == SLUICE__KIND_GRANTED;
    if (sluice__slot_in_use(&waiter->slot) && !waiter->is_draw && waiter->owner == semaphore->slot.number && is_handed)
      handed += waiter->claim.weight;
  }
  return handed;
}

/* Waiters of this semaphore, or of this limiter, told or not. */
static uint32_t count_waiters(const struct sluice_engine *engine, uint32_t owner, uint8_t is_draw) {
  uint32_t count = 0;
  for (uint32_t number = 0; number < sluice__slab_room(&engine->waiters); number++) {
    const struct sluice__waiter *waiter = (const struct sluice__waiter *)sluice__slab_at(&engine->waiters, number);
    count += sluice__slot_in_use(&waiter->slot) && waiter->is_draw == is_draw && waiter->owner == owner;
  }
  return count;
}

static int check_semaphore(const struct sluice_engine *engine, const struct sluice__semaphore *semaphore,
                           struct tally *tally) {
  uint64_t most = semaphore->waiting + semaphore->waiting_jobs;
  if (count_links(&semaphore->claims, most) != most) return 0;
  if (semaphore->lender != NULL) {
    for (struct sluice__link *link = semaphore->claims.next; link != &semaphore->claims; link = link->next)
      tally->referenced += !sluice__claim_of(link)->is_unref;
  }
  if (held_permits(engine, semaphore) + handed_permits(engine, semaphore) != semaphore->lent) return 0;
  if (semaphore->lent > semaphore->in_use || count_waiters(engine, semaphore->slot.number, 0) != semaphore->waiters)
    return 0;
  if (most == 0 || semaphore->lender != NULL) return 1;
  /* Nobody waits for what is there. */
  const struct sluice__claim *head = sluice__claim_of(semaphore->claims.next);
  return head->weight > semaphore->permits || semaphore->in_use + head->weight > semaphore->permits;
}

static int check_waiter(const struct sluice_engine *engine, const struct sluice__waiter *waiter, struct tally *tally) {
  const struct sluice__deadline *deadline = &waiter->deadline;
  int is_in_line = !sluice__list_empty(&waiter->claim.link);
  if (is_in_line == (deadline->list == SLUICE__LIST_HANDED)) return 0;
  if (is_in_line && deadline->list != SLUICE__LIST_NONE && deadline->kind != SLUICE__KIND_WAITER) return 0;
  tally->rated += waiter->is_draw && is_in_line;
  return check_deadline(engine, deadline, deadline->flags, tally);
}

static int check_coordination(const struct sluice_engine *engine, struct tally *tally) {
  for (uint32_t number = 0; number < sluice__slab_room(&engine->semaphores); number++) {
    const struct sluice__semaphore *semaphore =
        (const struct sluice__semaphore *)sluice__slab_at(&engine->semaphores, number);
    if (sluice__slot_in_use(&semaphore->slot) && !check_semaphore(engine, semaphore, tally)) return 0;
  }
  for (uint32_t number = 0; number < sluice__slab_room(&engine->limiters); number++) {
    const struct sluice__limiter *limiter = (const struct sluice__limiter *)sluice__slab_at(&engine->limiters, number);
    if (!sluice__slot_in_use(&limiter->slot)) continue;
    if (!check_limiter(engine, limiter, tally) || count_waiters(engine, number, 1) != limiter->waiters) return 0;
  }
  for (uint32_t number = 0; number < sluice__slab_room(&engine->waiters); number++) {
    const struct sluice__waiter *waiter = (const struct sluice__waiter *)sluice__slab_at(&engine->waiters, number);
    if (sluice__slot_in_use(&waiter->slot) && !check_waiter(engine, waiter, tally)) return 0;
  }
  return 1;
}

static int has_item_of(const struct sluice__lane *lane) {
  return lane->deadline.state != SLUICE__LANE_PULLING && lane->attempt != 0;
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
    if (lane->deadline.list == SLUICE__LIST_WAITING || lane->deadline.list == SLUICE__LIST_ROOM)
      flags = SLUICE_FLAG_UNREF;
    if (lane->deadline.list == SLUICE__LIST_HANDED) flags = 0;
    if (lane->has_permit && (job->semaphore == NULL || !has_item_of(lane))) return 0;
    if (!check_deadline(engine, &lane->deadline, flags, tally) || !check_state(engine, job, lane)) return 0;
    if (!check_item(engine, job, lane, tally)) return 0;
    int has_item = has_item_of(lane);
    in_flight += has_item;
    at_source += !has_item;
    before = number;
    number = lane->next;
  }
  tally->lanes += lanes;
  if (lanes != job->lane_count || (lanes > job->policy.limit && job->policy.limit != SLUICE_UNLIMITED)) return 0;
  int may_pull = job->pulls || job->semaphore != NULL;
  if (may_pull ? job->is_pulling != at_source : job->is_pulling != 0) return 0;
  int has_progress = !sluice__list_empty(&job->progress);
  if (has_progress && (job->policy.flags & SLUICE_FLAG_PROGRESS) == 0) return 0;
  tally->progress += has_progress;
  if (job->total.state != SLUICE__LANE_ALONE) return 0;
  if (job->total.list != SLUICE__LIST_NONE && job->total.kind != SLUICE__KIND_TOTAL) return 0;
  return check_deadline(engine, &job->total, job->policy.flags, tally) && check_counts(job, in_flight) &&
         check_grant(engine, job, tally) && check_claims(engine, job, tally);
}

static int check_owners(const struct sluice_engine *engine, struct tally *tally) {
  for (uint32_t number = 0; number < sluice__slab_room(&engine->jobs); number++) {
    const struct sluice__job *job = sluice__job_at(engine, number);
    if (!sluice__slot_in_use(&job->slot)) continue;
    if (!check_job(engine, job, tally)) return 0;
    tally->rated += job->limiter != &job->own_limiter || job->limiter->bucket.max != 0;
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
  return in_list[SLUICE__LIST_WAITING] == tally->waiting && in_list[SLUICE__LIST_ROOM] == tally->room &&
         engine->rated == tally->rated &&
         check_list(&engine->newborn, SLUICE__LIST_NEWBORN, in_list[SLUICE__LIST_NEWBORN]) &&
         check_list(&engine->held, SLUICE__LIST_HELD, in_list[SLUICE__LIST_HELD]) &&
         check_list(&engine->final, SLUICE__LIST_FINAL, in_list[SLUICE__LIST_FINAL]) &&
         check_list(&engine->yielded, SLUICE__LIST_YIELDED, in_list[SLUICE__LIST_YIELDED]) &&
         check_list(&engine->handed, SLUICE__LIST_HANDED, in_list[SLUICE__LIST_HANDED]) &&
         check_list(&engine->ready, SLUICE__LIST_READY, in_list[SLUICE__LIST_READY]) &&
         check_wheel(engine, in_list[SLUICE__LIST_WHEEL]) && dirty != UINT64_MAX && reporting != UINT64_MAX &&
         dirty + reporting == tally->progress && count_links(&engine->granted, tally->granted) == tally->granted;
}

int sluice_check(const struct sluice_engine *engine) {
  struct tally tally;
  memset(&tally, 0, sizeof tally);
  const struct sluice__slab *slabs[] = {&engine->lanes, &engine->jobs, &engine->waiters, &engine->semaphores,
                                        &engine->limiters};
  uint64_t memory = sizeof *engine + sluice__items_memory(&engine->items);
  for (size_t i = 0; i < sizeof slabs / sizeof *slabs; i++) { /* NOLINT(bugprone-sizeof-expression): of pointers */
    if (!sluice__slab_check(slabs[i])) return 0;
    memory += sluice__slab_memory(slabs[i]);
  }
  if (!check_owners(engine, &tally) || !check_coordination(engine, &tally) || !check_lists(engine, &tally)) return 0;
  uint64_t deadlines = 0;
  for (int list = SLUICE__LIST_NEWBORN; list < LISTS; list++) deadlines += tally.in_list[list];
  return deadlines == engine->deadlines && tally.referenced + tally.progress == engine->referenced &&
         memory == engine->mem.in_use;
}
