/* The engine: construction, guards and sleeps, and time. The state machine of a job is in job.c. */
#include <string.h>

#include "hooks.h"
#include "internal.h"

/* A turn that runs longer than this has kept the loop from its work: it counts as blocked. */
#define BLOCKED_TURN (5 * SLUICE_MILLISECOND)
/* Reading the clock (25 ns) at every 32nd step costs nothing; at every step only where steps are that slow. */
#define STRIDE_MAX 32
/* A turn may bring slower ones than the last: it begins with few. */
#define STRIDE_FRESH 4
#define GAP_SHORT (SLUICE_MILLISECOND / 20)
#define GAP_LONG (SLUICE_MILLISECOND / 5)
#define GAP_VERY_LONG (2 * SLUICE_MILLISECOND)

struct sluice_engine *sluice_engine_new(const struct sluice_allocator *allocator, uint64_t seed) {
  struct sluice_engine *engine = allocator->alloc(allocator->user, sizeof *engine);
  if (engine == NULL) return NULL;
  memset(engine, 0, sizeof *engine);
  engine->mem.allocator = *allocator;
  engine->mem.in_use = sizeof *engine;
  sluice__slab_init(&engine->lanes, &engine->mem, sizeof(struct sluice__lane));
  sluice__slab_init(&engine->jobs, &engine->mem, sizeof(struct sluice__job));
  sluice__slab_init(&engine->waiters, &engine->mem, sizeof(struct sluice__waiter));
  sluice__slab_init(&engine->semaphores, &engine->mem, sizeof(struct sluice__semaphore));
  sluice__slab_init(&engine->limiters, &engine->mem, sizeof(struct sluice__limiter));
  sluice__items_init(&engine->items, &engine->mem);
  sluice__rng_init(&engine->rng, seed);
  sluice__wheel_init(&engine->wheel);
  struct sluice__link *lists[] = {&engine->newborn, &engine->held,  &engine->final, &engine->yielded,
                                  &engine->handed,  &engine->ready, &engine->dirty, &engine->reporting,
                                  &engine->granted, &engine->roomy, &engine->owing};
  /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers, and it is their number that counts */
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) sluice__list_init(lists[i]);
  engine->stride = 1;
  engine->is_turn_fresh = 1;
  return engine;
}

void sluice_engine_free(struct sluice_engine *engine) {
  if (engine == NULL) return;
  sluice__slab_fini(&engine->lanes);
  sluice__slab_fini(&engine->jobs);
  sluice__slab_fini(&engine->waiters);
  sluice__slab_fini(&engine->semaphores);
  sluice__slab_fini(&engine->limiters);
  sluice__items_fini(&engine->items);
  assert(engine->mem.in_use == sizeof *engine);
  struct sluice_allocator allocator = engine->mem.allocator;
  allocator.free(allocator.user, engine, sizeof *engine);
}

void sluice_share_grants(struct sluice_engine *engine, struct sluice_grants *grants) {
  engine->grants = grants;
}

static int wait_alone(struct sluice_engine *engine, enum sluice__kind kind, uint64_t duration, uint32_t flags,
                      struct sluice_decision *decision) {
  if (flags & ~(uint32_t)SLUICE_FLAG_UNREF) return SLUICE_EINVAL;
  struct sluice__slot *slot;
  int error = sluice__slab_take(&engine->lanes, &slot);
  if (error != SLUICE_OK) return error;
  struct sluice__lane *lane = (struct sluice__lane *)slot;
  sluice__deadline_init(&lane->deadline, SLUICE__LANE_ALONE, flags);
  lane->job = SLUICE__NO_SLOT;
  lane->duration = duration;
  sluice__arm(engine, &lane->deadline, kind, duration);
  sluice__record_guard(engine, SLUICE_RECORD_START, SLUICE_REASON_NONE, lane);
  decision->lane = sluice__slot_handle(slot);
  return SLUICE_OK;
}

int sluice_guard(struct sluice_engine *engine, uint64_t duration, uint32_t flags, struct sluice_decision *decision) {
  return wait_alone(engine, SLUICE__KIND_GUARD, duration, flags, decision);
}

int sluice_sleep(struct sluice_engine *engine, uint64_t duration, uint32_t flags, struct sluice_decision *decision) {
  return wait_alone(engine, SLUICE__KIND_SLEEP, duration, flags, decision);
}

int sluice_release(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__lane *lane = sluice__lane_find(engine, handle);
  if (lane == NULL) return SLUICE_ESTALE;
  if (lane->deadline.state != SLUICE__LANE_ALONE) return SLUICE_ESTATE;
  sluice__disarm(engine, &lane->deadline);
  sluice__record_guard(engine, SLUICE_RECORD_SETTLE, SLUICE_REASON_NONE, lane);
  sluice__slab_give_back(&engine->lanes, &lane->slot);
  return SLUICE_OK;
}

/* From the list it is in to another that is not the wheel. */
static void move(struct sluice__deadline *deadline, struct sluice__link *head, enum sluice__list list) {
  sluice__list_unlink(&deadline->link);
  sluice__list_append(head, &deadline->link);
  deadline->list = (uint8_t)list;
}

static void move_all(struct sluice__link *from, struct sluice__link *to, enum sluice__list list) {
  for (struct sluice__link *link = from->next; link != from; link = link->next)
    sluice__deadline_of(link)->list = (uint8_t)list;
  sluice__list_splice(to, from);
}

static int gets_grace(const struct sluice__deadline *deadline) {
  return deadline->kind == SLUICE__KIND_ATTEMPT || deadline->kind == SLUICE__KIND_ITEM ||
         deadline->kind == SLUICE__KIND_GUARD || deadline->kind == SLUICE__KIND_TOTAL ||
         deadline->kind == SLUICE__KIND_WAITER;
}

static int is_due_after(const struct sluice__deadline *deadline, const struct sluice__deadline *timeout) {
  return timeout->list != SLUICE__LIST_NONE && timeout->list != SLUICE__LIST_NEWBORN && deadline->due > timeout->due;
}

/* What this backoff, which is due at its `due`, is then: one that ends after its job's or its item's timeout is over
 * now. */
static enum sluice__kind backoff_kind(const struct sluice_engine *engine, struct sluice__deadline *deadline) {
  const struct sluice__lane *lane = sluice__lane_of(deadline);
  const struct sluice__job *job = sluice__job_at(engine, lane->job);
  int outlives_total = is_due_after(deadline, &job->total);
  if (job->has_items) {
    const struct sluice__deadline *item = &sluice__item_at(engine, lane->slot.number)->deadline;
    if (is_due_after(deadline, item) && !(outlives_total && job->total.due <= item->due))
      return SLUICE__KIND_ITEM_OUTLIVED;
  }
  return outlives_total ? SLUICE__KIND_OUTLIVED : SLUICE__KIND_BACKOFF;
}

/* The duration of a newborn becomes the time when it is due. */
static void set_due(struct sluice_engine *engine, struct sluice__deadline *deadline) {
  deadline->due += engine->now;
  switch ((enum sluice__kind)deadline->kind) {
    case SLUICE__KIND_BACKOFF:
      deadline->kind = (uint8_t)backoff_kind(engine, deadline);
      break;
    case SLUICE__KIND_GATE:
      deadline->due = sluice__limiter_due(engine, sluice__limiter_of(deadline));
      break;
    case SLUICE__KIND_WAITER:
      sluice__waiter_of(deadline)->blocked = engine->blocked;
      break;
    case SLUICE__KIND_TOTAL:
      sluice__job_of_total(deadline)->blocked = engine->blocked;
      break;
    case SLUICE__KIND_ITEM:
      sluice__item_of(deadline)->blocked = engine->blocked;
      break;
    default:
      sluice__lane_of(deadline)->blocked = engine->blocked;
  }
}

static int is_outlived(const struct sluice__deadline *deadline) {
  return deadline->kind == SLUICE__KIND_OUTLIVED || deadline->kind == SLUICE__KIND_ITEM_OUTLIVED;
}

/* `judged`: where timeouts of no duration go. */
static void stamp(struct sluice_engine *engine, struct sluice__deadline *deadline, struct sluice__link *judged) {
  set_due(engine, deadline);
  if (is_outlived(deadline)) {
    move(deadline, &engine->ready, SLUICE__LIST_READY);
  } else if (deadline->due >= SLUICE_NEVER) {
    sluice__disarm(engine, deadline);
  } else if (deadline->due <= engine->now) {
    if (gets_grace(deadline)) move(deadline, judged, SLUICE__LIST_FINAL);
    else move(deadline, &engine->ready, SLUICE__LIST_READY);
  } else {
    sluice__list_unlink(&deadline->link);
    sluice__wheel_add(&engine->wheel, deadline);
    deadline->list = SLUICE__LIST_WHEEL;
  }
}

static void renew_turn(struct sluice_engine *engine) {
  engine->is_turn_fresh = 1;
  engine->ran = 0;
}

void sluice_turn_begin(struct sluice_engine *engine) {
  renew_turn(engine);
  /* Each of them runs one item before anybody looks at the clock, so slow ones go on one by one. */
  for (uint32_t i = 0; i < engine->stride && !sluice__list_empty(&engine->yielded); i++)
    move(sluice__deadline_of(engine->yielded.next), &engine->ready, SLUICE__LIST_READY);
}

void sluice_turn_end(struct sluice_engine *engine, uint64_t now, uint64_t busy) {
  if (now > engine->now) engine->now = now;
  if (busy > BLOCKED_TURN) engine->blocked += (uint32_t)(busy >> SLUICE__BLOCKED_UNIT_BITS);
  renew_turn(engine);
  while (!sluice__list_empty(&engine->granted))
    sluice__grant_revoke(engine, SLUICE__CONTAINER(engine->granted.next, struct sluice__job, granted));
  sluice__window_turn(engine);
  sluice__limiters_turn(engine);
  struct sluice__link judged;
  sluice__list_init(&judged);
  while (!sluice__list_empty(&engine->newborn)) stamp(engine, sluice__deadline_of(engine->newborn.next), &judged);
  sluice__deadlines_sort(&judged);
  sluice__list_splice(&engine->final, &judged);
}

void sluice_expire(struct sluice_engine *engine, uint64_t now, uint64_t hold) {
  if (now > engine->now) engine->now = now;
  if (engine->now >= engine->held_until) move_all(&engine->held, &engine->final, SLUICE__LIST_FINAL);
  struct sluice__link due;
  sluice__list_init(&due);
  sluice__wheel_expire(&engine->wheel, engine->now, &due);
  while (!sluice__list_empty(&due)) {
    struct sluice__deadline *deadline = sluice__deadline_of(due.next);
    if (!gets_grace(deadline)) {
      move(deadline, &engine->ready, SLUICE__LIST_READY);
    } else if (hold == 0 && sluice__list_empty(&engine->held)) { /* nobody is judged before who was due before */
      move(deadline, &engine->final, SLUICE__LIST_FINAL);
    } else {
      if (sluice__list_empty(&engine->held)) engine->held_until = engine->now + hold; /* else with those it joins */
      move(deadline, &engine->held, SLUICE__LIST_HELD);
    }
  }
}

void sluice_judge(struct sluice_engine *engine, uint64_t now) {
  if (now > engine->now) engine->now = now;
  move_all(&engine->final, &engine->ready, SLUICE__LIST_READY);
  sluice__list_splice(&engine->reporting, &engine->dirty);
}

void sluice__report_time(const struct sluice_engine *engine, uint64_t due, uint64_t duration, uint32_t blocked_then,
                         struct sluice_decision *decision) {
  decision->elapsed = engine->now - (due - duration);
  decision->blocked = (uint64_t)(engine->blocked - blocked_then) << SLUICE__BLOCKED_UNIT_BITS;
  if (decision->blocked > decision->elapsed) decision->blocked = decision->elapsed;
}

static void report_total(const struct sluice_engine *engine, const struct sluice__job *job,
                         struct sluice_decision *decision) {
  sluice__report_time(engine, job->total.due, job->policy.total_timeout, job->blocked, decision);
}

static void report_item(const struct sluice_engine *engine, const struct sluice__job *job,
                        const struct sluice__item *item, struct sluice_decision *decision) {
  sluice__report_time(engine, item->deadline.due, job->policy.item_timeout, item->blocked, decision);
}

static void next_alone(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  decision->event = lane->deadline.kind == SLUICE__KIND_GUARD ? SLUICE_EVENT_EXPIRED : SLUICE_EVENT_SLEPT;
  decision->action = 0;
  sluice__report_time(engine, lane->deadline.due, lane->duration, lane->blocked, decision);
  sluice__record_guard(engine, SLUICE_RECORD_TIMEOUT, SLUICE_REASON_ATTEMPT, lane);
  sluice__record_guard(engine, SLUICE_RECORD_ABANDON, SLUICE_REASON_NONE, lane);
  sluice__slab_give_back(&engine->lanes, &lane->slot);
}

/* A job's lane: 0 where nothing comes of it after all. */
static int next_of_lane(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  const struct sluice__job *job = sluice__job_at(engine, lane->job);
  decision->job = sluice__slot_handle(&job->slot);
  switch ((enum sluice__kind)lane->deadline.kind) {
    case SLUICE__KIND_ATTEMPT:
      decision->event = SLUICE_EVENT_TIMED_OUT;
      sluice__report_time(engine, lane->deadline.due, job->policy.timeout, lane->blocked, decision);
      sluice__job_timed_out(engine, lane, decision);
      return 1;
    case SLUICE__KIND_OUTLIVED:
      decision->event = SLUICE_EVENT_OUTLIVED;
      report_total(engine, job, decision);
      sluice__job_outlived(engine, lane, decision);
      return 1;
    case SLUICE__KIND_ITEM_OUTLIVED:
      decision->event = SLUICE_EVENT_ITEM_OUTLIVED;
      report_item(engine, job, sluice__item_at(engine, lane->slot.number), decision);
      sluice__job_outlived(engine, lane, decision);
      return 1;
    default: /* BACKOFF, YIELD, HANDED */
      decision->event = SLUICE_EVENT_RESUMED;
      return sluice__job_resume(engine, lane, decision);
  }
}

static void next_of_item(struct sluice_engine *engine, const struct sluice__item *item,
                         struct sluice_decision *decision) {
  struct sluice__lane *lane = sluice__lane_at(engine, item->lane);
  const struct sluice__job *job = sluice__job_at(engine, lane->job);
  decision->job = sluice__slot_handle(&job->slot);
  decision->event = SLUICE_EVENT_ITEM;
  report_item(engine, job, item, decision);
  sluice__job_item_over(engine, lane, decision);
}

/* The deadline has just left the ready or the handed list: 0 where nothing comes of it after all. */
static int next_of(struct sluice_engine *engine, struct sluice__deadline *deadline, struct sluice_decision *decision) {
  switch ((enum sluice__kind)deadline->kind) {
    case SLUICE__KIND_TOTAL: {
      struct sluice__job *job = sluice__job_of_total(deadline);
      decision->event = SLUICE_EVENT_TOTAL;
      decision->job = sluice__slot_handle(&job->slot);
      report_total(engine, job, decision);
      sluice__record_job(engine, SLUICE_RECORD_TIMEOUT, SLUICE_REASON_TOTAL, job);
      sluice__job_fail(engine, job, decision);
      return 1;
    }
    case SLUICE__KIND_GATE:
      return sluice__limiter_next(engine, sluice__limiter_of(deadline), decision);
    case SLUICE__KIND_ITEM:
      next_of_item(engine, sluice__item_of(deadline), decision);
      return 1;
    case SLUICE__KIND_INVITATION: {
      struct sluice__job *job = sluice__job_of_invitation(deadline);
      decision->event = SLUICE_EVENT_ROOM;
      decision->action = 0;
      decision->job = sluice__slot_handle(&job->slot);
      return job->has_spare; /* else one of its lanes has taken it */
    }
    case SLUICE__KIND_TOKEN:
      return sluice__token_next(engine, sluice__job_of_token(deadline), decision);
    case SLUICE__KIND_WAITER:
    case SLUICE__KIND_GRANTED:
    case SLUICE__KIND_REFUSED:
    case SLUICE__KIND_SHUT:
      sluice__waiter_next(engine, sluice__waiter_of(deadline), decision);
      return 1;
    default: {
      struct sluice__lane *lane = sluice__lane_of(deadline);
      decision->lane = sluice__slot_handle(&lane->slot);
      if (lane->deadline.state != SLUICE__LANE_ALONE) return next_of_lane(engine, lane, decision);
      next_alone(engine, lane, decision);
      return 1;
    }
  }
}

/* An attempt or an item that is over, as its lane will say when it is asked: it went on with a granted item. */
static int has_moved_on(struct sluice_engine *engine, struct sluice__deadline *deadline) {
  struct sluice__lane *lane;
  if (deadline->kind == SLUICE__KIND_ATTEMPT) lane = sluice__lane_of(deadline);
  else if (deadline->kind == SLUICE__KIND_ITEM) lane = sluice__lane_at(engine, sluice__item_of(deadline)->lane);
  else return 0;
  struct sluice__job *job = sluice__job_at(engine, lane->job);
  sluice__grant_sync(engine, job);
  sluice__grant_sync_lane(engine, job, lane);
  return deadline->list != SLUICE__LIST_READY;
}

void sluice__hand_lane(struct sluice_engine *engine, struct sluice__lane *lane) {
  lane->deadline.kind = SLUICE__KIND_HANDED;
  lane->deadline.flags = 0; /* as for a yield: the loop stays alive for it */
  sluice__link_into(engine, &lane->deadline, &engine->handed, SLUICE__LIST_HANDED);
}

void sluice_lend(struct sluice_engine *engine, struct sluice_ticket *ticket, int is_granted) {
  struct sluice__claim *claim = sluice__claim_of_ticket(ticket);
  int is_token = claim->claimant == SLUICE__CLAIM_JOB_TOKEN;
  if (claim->claimant == SLUICE__CLAIM_WAITER) is_token = sluice__waiter_of_claim(claim)->is_draw;
  if (is_token) sluice__limiter_lent(engine, claim, is_granted);
  else sluice__semaphore_lent(engine, claim, is_granted);
}

static int take_handed(struct sluice_engine *engine, struct sluice_decision *decision) {
  while (!sluice__list_empty(&engine->handed)) {
    struct sluice__deadline *deadline = sluice__deadline_of(engine->handed.next);
    sluice__disarm(engine, deadline);
    if (next_of(engine, deadline, decision)) return 1;
  }
  return 0;
}

void sluice_hand(struct sluice_engine *engine, struct sluice_decision *decision) {
  if (take_handed(engine, decision)) return;
  decision->event = SLUICE_EVENT_NONE;
  decision->action = 0;
}

int sluice_has_handed(const struct sluice_engine *engine) {
  return !sluice__list_empty(&engine->handed);
}

void sluice_next(struct sluice_engine *engine, struct sluice_decision *decision) {
  if (take_handed(engine, decision)) return;
  while (!sluice__list_empty(&engine->ready)) {
    struct sluice__deadline *deadline = sluice__deadline_of(engine->ready.next);
    if (has_moved_on(engine, deadline)) continue;
    sluice__disarm(engine, deadline);
    if (next_of(engine, deadline, decision)) return;
  }
  decision->event = SLUICE_EVENT_NONE;
  decision->action = 0;
  if (sluice__list_empty(&engine->reporting)) return;
  struct sluice__job *job = SLUICE__CONTAINER(engine->reporting.next, struct sluice__job, progress);
  sluice__grant_sync(engine, job); /* first: else what it finds would be told again in the next turn */
  sluice__list_unlink(&job->progress);
  engine->referenced--;
  decision->event = SLUICE_EVENT_PROGRESS;
  decision->job = sluice__slot_handle(&job->slot);
  decision->counts = job->counts;
}

uint32_t sluice_observe(struct sluice_engine *engine, uint64_t now) {
  if (engine->is_turn_fresh) {
    engine->is_turn_fresh = 0;
    engine->turn_began = now;
    if (engine->stride > STRIDE_FRESH) engine->stride = STRIDE_FRESH;
  } else {
    uint64_t gap = now - engine->observed;
    if (gap < GAP_SHORT && engine->stride < STRIDE_MAX) engine->stride *= 2;
    else if (gap > GAP_VERY_LONG) engine->stride = 1;
    else if (gap > GAP_LONG && engine->stride > 1) engine->stride /= 2;
  }
  engine->observed = now;
  engine->ran = now - engine->turn_began;
  return engine->stride;
}

int sluice_wants_clock(const struct sluice_engine *engine) {
  return engine->rated != 0;
}

uint64_t sluice_next_expiry(struct sluice_engine *engine) {
  uint64_t next = sluice__wheel_next(&engine->wheel);
  if (!sluice__list_empty(&engine->held) && engine->held_until < next) next = engine->held_until;
  return next;
}

int sluice_is_ready(const struct sluice_engine *engine) {
  return !sluice__list_empty(&engine->ready) || !sluice__list_empty(&engine->handed) ||
         !sluice__list_empty(&engine->reporting);
}

int sluice_wants_turn(const struct sluice_engine *engine) {
  return !sluice__list_empty(&engine->final) || !sluice__list_empty(&engine->yielded) ||
         !sluice__list_empty(&engine->dirty);
}

int sluice_is_referenced(const struct sluice_engine *engine) {
  return engine->referenced != 0;
}

int sluice_has_deadlines(const struct sluice_engine *engine) {
  return engine->deadlines != 0;
}

void sluice_measure(const struct sluice_engine *engine, struct sluice_usage *usage) {
  usage->jobs = engine->jobs.in_use;
  usage->lanes = engine->lanes.in_use;
  usage->waiters = engine->waiters.in_use;
  usage->semaphores = engine->semaphores.in_use;
  usage->limiters = engine->limiters.in_use;
  usage->waiter_size = sizeof(struct sluice__waiter);
  usage->lane_size = sizeof(struct sluice__lane);
  usage->job_size = sizeof(struct sluice__job);
  usage->memory = engine->mem.in_use;
}
