/* Waiters: who waits for permits or tokens without a job, with a timeout or without.
 *
 * A waiter stands in two places: its claim in the line of what it waits for, its deadline with all others. Whichever
 * comes first takes it out of both; then it is handed over, or reported when its time is over, and gone. */
#include "hooks.h"
#include "internal.h"

int sluice__waiter_new(struct sluice_engine *engine, uint64_t weight, uint64_t timeout, uint32_t flags,
                       struct sluice__waiter **waiter) {
  struct sluice__slot *slot;
  int error = sluice__slab_take(&engine->waiters, &slot);
  if (error != SLUICE_OK) return error;
  struct sluice__waiter *made = (struct sluice__waiter *)slot;
  sluice__deadline_init(&made->deadline, SLUICE__LANE_ALONE, flags & SLUICE_FLAG_UNREF);
  sluice__claim_init(&made->claim, SLUICE__CLAIM_WAITER, flags);
  made->claim.weight = weight;
  made->duration = timeout;
  made->since = sluice__time(engine);
  made->blocked = 0;
  sluice__arm(engine, &made->deadline, SLUICE__KIND_WAITER, timeout);
  *waiter = made;
  return SLUICE_OK;
}

void sluice__waiter_hand(struct sluice_engine *engine, struct sluice__waiter *waiter, enum sluice__kind kind) {
  sluice__disarm(engine, &waiter->deadline);
  waiter->deadline.kind = (uint8_t)kind;
  waiter->deadline.flags = 0; /* what is decided is told, also where nothing else keeps the loop alive */
  sluice__link_into(engine, &waiter->deadline, &engine->handed, SLUICE__LIST_HANDED);
}

/* Whose `waiters` counts it. */
static uint32_t *count_of(const struct sluice_engine *engine, const struct sluice__waiter *waiter) {
  if (waiter->is_draw) return &((struct sluice__limiter *)sluice__slab_at(&engine->limiters, waiter->owner))->waiters;
  return &((struct sluice__semaphore *)sluice__slab_at(&engine->semaphores, waiter->owner))->waiters;
}

static void free_waiter(struct sluice_engine *engine, struct sluice__waiter *waiter) {
  --*count_of(engine, waiter);
  sluice__slab_give_back(&engine->waiters, &waiter->slot);
}

void sluice__waiter_cancel(struct sluice_engine *engine, struct sluice__waiter *waiter) {
  sluice__disarm(engine, &waiter->deadline);
  free_waiter(engine, waiter);
}

static void record_end(struct sluice_engine *engine, const struct sluice__waiter *waiter, enum sluice_event event) {
  if (event == SLUICE_EVENT_GRANTED) {
    enum sluice_record_reason reason = waiter->is_draw ? SLUICE_REASON_RATE : SLUICE_REASON_LIMIT;
    sluice__record_waiter(engine, SLUICE_RECORD_WAKE, reason, waiter);
  } else if (event == SLUICE_EVENT_OVERTIME) {
    sluice__record_waiter(engine, SLUICE_RECORD_TIMEOUT, SLUICE_REASON_WAIT, waiter);
  } else {
    sluice__record_waiter(engine, SLUICE_RECORD_ABORT, SLUICE_REASON_NONE, waiter);
  }
}

void sluice__waiter_end(struct sluice_engine *engine, struct sluice__waiter *waiter, enum sluice_event event,
                        struct sluice_decision *decision) {
  decision->event = event;
  decision->action = 0;
  decision->lane = sluice__slot_handle(&waiter->slot);
  decision->elapsed = sluice__time(engine) - waiter->since;
  decision->blocked = 0;
  record_end(engine, waiter, event);
  free_waiter(engine, waiter);
}

void sluice__waiter_next(struct sluice_engine *engine, struct sluice__waiter *waiter,
                         struct sluice_decision *decision) {
  switch ((enum sluice__kind)waiter->deadline.kind) {
    case SLUICE__KIND_GRANTED: /* of a semaphore, or of a leased limiter: another's ends where it is served */
      if (!waiter->is_draw) sluice__acquire_told(engine, waiter);
      sluice__waiter_end(engine, waiter, SLUICE_EVENT_GRANTED, decision);
      return;
    case SLUICE__KIND_REFUSED:
      sluice__waiter_end(engine, waiter, SLUICE_EVENT_REFUSED, decision);
      return;
    case SLUICE__KIND_SHUT:
      sluice__waiter_end(engine, waiter, SLUICE_EVENT_SHUT, decision);
      return;
    default:
      sluice__report_time(engine, waiter->deadline.due, waiter->duration, waiter->blocked, decision);
      uint64_t elapsed = decision->elapsed, blocked = decision->blocked;
      sluice__waiter_leave(engine, waiter);
      sluice__waiter_end(engine, waiter, SLUICE_EVENT_OVERTIME, decision);
      decision->elapsed = elapsed;
      decision->blocked = blocked;
  }
}

void sluice__waiter_leave(struct sluice_engine *engine, struct sluice__waiter *waiter) {
  if (waiter->is_draw) sluice__draw_leave(engine, waiter);
  else sluice__acquire_leave(engine, waiter);
}

int sluice_withdraw(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__waiter *waiter = (struct sluice__waiter *)sluice__slab_find(&engine->waiters, handle);
  if (waiter == NULL) return SLUICE_ESTALE;
  sluice__waiter_leave(engine, waiter);
  sluice__record_waiter(engine, SLUICE_RECORD_ABORT, SLUICE_REASON_NONE, waiter);
  sluice__waiter_cancel(engine, waiter);
  return SLUICE_OK;
}
