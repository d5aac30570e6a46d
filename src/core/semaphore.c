/* Semaphores: permits, and the line of those that wait for them.
 *
 * `in_use` counts the permits that are out: the caller's, and those that are `lent`, which are not the caller's to give
 * back. It may be above `permits` after a resize. The line is served from its head only, so that nobody overtakes a
 * heavy waiter. A job stands in it once: for the lane `claimant`, which has taken an item (no other of its lanes takes
 * one meanwhile), or for one lane more than it has. That permit is its spare one, and the job is invited to make the
 * lane: EVENT_ROOM.
 *
 * A leased semaphore has no permits: it asks its lender for each, and gives each back. Its line is the part of the
 * lender's that is this engine's, in the same order; sluice_lend() takes it from the head. */
#include "hooks.h"
#include "internal.h"

struct sluice__semaphore *sluice__semaphore_find(const struct sluice_engine *engine, struct sluice_handle handle) {
  return (struct sluice__semaphore *)sluice__slab_find(&engine->semaphores, handle);
}

/* That are its own. */
static uint64_t free_permits(const struct sluice__semaphore *semaphore) {
  return semaphore->permits > semaphore->in_use ? semaphore->permits - semaphore->in_use : 0;
}

static void join_line(struct sluice_engine *engine, struct sluice__semaphore *semaphore, struct sluice__claim *claim) {
  sluice__list_append(&semaphore->claims, &claim->link);
  if (claim->claimant == SLUICE__CLAIM_WAITER) semaphore->waiting++;
  else semaphore->waiting_jobs++;
  if (semaphore->lender != NULL && !claim->is_unref) engine->referenced++;
}

/* Its ticket is another matter. */
static void leave_line(struct sluice_engine *engine, struct sluice__semaphore *semaphore, struct sluice__claim *claim) {
  sluice__list_unlink(&claim->link);
  if (claim->claimant == SLUICE__CLAIM_WAITER) semaphore->waiting--;
  else semaphore->waiting_jobs--;
  if (semaphore->lender != NULL && !claim->is_unref) engine->referenced--;
}

static void take_out(struct sluice__semaphore *semaphore, uint64_t weight) {
  semaphore->in_use += weight;
  semaphore->lent += weight;
}

/* A claim in no line any more has its permits. */
static void hand_to(struct sluice_engine *engine, struct sluice__semaphore *semaphore, struct sluice__claim *claim) {
  take_out(semaphore, claim->weight);
  if (claim->claimant == SLUICE__CLAIM_WAITER) {
    sluice__waiter_hand(engine, sluice__waiter_of_claim(claim), SLUICE__KIND_GRANTED);
    return;
  }
  struct sluice__job *job = SLUICE__CONTAINER(claim, struct sluice__job, permit_claim);
  if (job->claimant == SLUICE__NO_SLOT) {
    assert(!job->has_spare); /* else it would not be in the line */
    job->has_spare = 1;
    if (job->invitation.list == SLUICE__LIST_NONE)
      sluice__link_into(engine, &job->invitation, &engine->handed, SLUICE__LIST_HANDED);
    return;
  }
  struct sluice__lane *lane = sluice__lane_at(engine, job->claimant);
  job->claimant = SLUICE__NO_SLOT;
  lane->has_permit = 1;
  sluice__hand_lane(engine, lane);
}

/* Serves the line as far as there are permits. */
static void serve(struct sluice_engine *engine, struct sluice__semaphore *semaphore) {
  if (semaphore->lender != NULL) return; /* who serves all engines */
  while (!sluice__list_empty(&semaphore->claims)) {
    struct sluice__claim *claim = sluice__claim_of(semaphore->claims.next);
    if (claim->weight > free_permits(semaphore)) return;
    leave_line(engine, semaphore, claim);
    hand_to(engine, semaphore, claim);
  }
}

static void give(struct sluice_engine *engine, struct sluice__semaphore *semaphore, uint64_t weight) {
  semaphore->in_use -= weight;
  if (semaphore->lender != NULL) semaphore->lender->give(semaphore->seat, weight);
  else serve(engine, semaphore);
}

static void withdraw_ticket(struct sluice__semaphore *semaphore, struct sluice__claim *claim) {
  if (semaphore->lender != NULL) semaphore->lender->withdraw(semaphore->seat, &claim->ticket);
}

/* Those who ask for more than `most` leave the line, as `kind`. */
static void dismiss(struct sluice_engine *engine, struct sluice__semaphore *semaphore, uint64_t most,
                    enum sluice__kind kind) {
  for (struct sluice__link *link = semaphore->claims.next; link != &semaphore->claims;) {
    struct sluice__claim *claim = sluice__claim_of(link);
    link = link->next;
    if (claim->claimant != SLUICE__CLAIM_WAITER || claim->weight <= most) continue;
    leave_line(engine, semaphore, claim);
    withdraw_ticket(semaphore, claim);
    sluice__waiter_hand(engine, sluice__waiter_of_claim(claim), kind);
  }
  serve(engine, semaphore);
}

static int has_free_permit(struct sluice__semaphore *semaphore) {
  if (semaphore->lender != NULL) return semaphore->lender->take(semaphore->seat, 1, 1, NULL) > 0;
  return sluice__list_empty(&semaphore->claims) && free_permits(semaphore) > 0;
}

int sluice__permit_is_free(struct sluice__job *job) {
  struct sluice__semaphore *semaphore = job->semaphore;
  if (job->has_spare) return 1;
  if (!has_free_permit(semaphore)) return 0;
  if (semaphore->lender == NULL) return 1;
  take_out(semaphore, 1);
  job->has_spare = 1;
  return 1;
}

void sluice__permit_claim(struct sluice_engine *engine, struct sluice__job *job) {
  struct sluice__claim *claim = &job->permit_claim;
  if (!sluice__list_empty(&claim->link)) return;
  const struct sluice_lender *lender = job->semaphore->lender;
  if (lender != NULL && lender->take(job->semaphore->seat, 1, UINT64_MAX, &claim->ticket) > 0)
    hand_to(engine, job->semaphore, claim); /* it has become free just now */
  else join_line(engine, job->semaphore, claim);
}

int sluice__permit_take(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  if (!job->has_spare) {
    if (!has_free_permit(job->semaphore)) return 0;
    lane->has_permit = 1;
    take_out(job->semaphore, 1);
    return 1;
  }
  lane->has_permit = 1;
  job->has_spare = 0; /* the invitation is void: nobody joins for it, and so nobody would claim another */
  if (sluice__job_has_next_item(job) && job->lane_count < job->policy.limit) sluice__permit_claim(engine, job);
  serve(engine, job->semaphore);
  return 1;
}

void sluice__permit_wait(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  assert(job->claimant == SLUICE__NO_SLOT);
  job->claimant = lane->slot.number;
  sluice__permit_claim(engine, job);
}

static void quit_line(struct sluice_engine *engine, struct sluice__job *job) {
  job->claimant = SLUICE__NO_SLOT;
  if (sluice__list_empty(&job->permit_claim.link)) return;
  leave_line(engine, job->semaphore, &job->permit_claim);
  withdraw_ticket(job->semaphore, &job->permit_claim);
  serve(engine, job->semaphore); /* the next one may be lighter */
}

/* A permit that the job holds. */
static void give_back(struct sluice_engine *engine, struct sluice__job *job) {
  job->semaphore->lent--;
  give(engine, job->semaphore, 1);
}

void sluice__permit_drop(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  if (lane->has_permit) {
    lane->has_permit = 0;
    give_back(engine, job);
  } else if (job->claimant == lane->slot.number) {
    quit_line(engine, job);
  }
}

void sluice__permit_decline(struct sluice_engine *engine, struct sluice__job *job) {
  if (!job->has_spare) return;
  job->has_spare = 0;
  give_back(engine, job);
}

void sluice__permit_quit(struct sluice_engine *engine, struct sluice__job *job) {
  quit_line(engine, job);
  sluice__permit_decline(engine, job);
  sluice__disarm(engine, &job->invitation);
}

void sluice__permit_detach(struct sluice_engine *engine, struct sluice__job *job) {
  sluice__permit_quit(engine, job);
  job->semaphore->jobs--;
}

int sluice__permit_is_wanted(const struct sluice__job *job) {
  const struct sluice__semaphore *semaphore = job->semaphore;
  if (semaphore->lender != NULL)
    return semaphore->lender->is_wanted(semaphore->seat, !sluice__list_empty(&job->permit_claim.link));
  const struct sluice__link *first = semaphore->claims.next;
  int is_own = first == &job->permit_claim.link && first->next == &semaphore->claims;
  return (first != &semaphore->claims && !is_own) || semaphore->in_use > semaphore->permits;
}

static struct sluice__semaphore *owner_of(const struct sluice_engine *engine, const struct sluice__waiter *waiter) {
  return (struct sluice__semaphore *)sluice__slab_at(&engine->semaphores, waiter->owner);
}

void sluice__acquire_told(struct sluice_engine *engine, struct sluice__waiter *waiter) {
  owner_of(engine, waiter)->lent -= waiter->claim.weight;
}

void sluice__acquire_leave(struct sluice_engine *engine, struct sluice__waiter *waiter) {
  struct sluice__semaphore *semaphore = owner_of(engine, waiter);
  if (!sluice__list_empty(&waiter->claim.link)) {
    leave_line(engine, semaphore, &waiter->claim);
    withdraw_ticket(semaphore, &waiter->claim);
    serve(engine, semaphore);
  } else if (waiter->deadline.kind == SLUICE__KIND_GRANTED) {
    semaphore->lent -= waiter->claim.weight;
    give(engine, semaphore, waiter->claim.weight);
  }
}

void sluice__semaphore_lent(struct sluice_engine *engine, struct sluice__claim *claim, int is_granted) {
  struct sluice__semaphore *semaphore;
  if (claim->claimant == SLUICE__CLAIM_WAITER) semaphore = owner_of(engine, sluice__waiter_of_claim(claim));
  else semaphore = SLUICE__CONTAINER(claim, struct sluice__job, permit_claim)->semaphore;
  leave_line(engine, semaphore, claim);
  if (is_granted) hand_to(engine, semaphore, claim);
  else sluice__waiter_hand(engine, sluice__waiter_of_claim(claim), SLUICE__KIND_REFUSED); /* a job asks for one only */
}

static int make(struct sluice_engine *engine, const struct sluice_lender *lender, void *seat, uint64_t permits,
                uint64_t in_use, struct sluice_handle *handle) {
  struct sluice__slot *slot;
  int error = sluice__slab_take(&engine->semaphores, &slot);
  if (error != SLUICE_OK) return error;
  struct sluice__semaphore *semaphore = (struct sluice__semaphore *)slot;
  sluice__list_init(&semaphore->claims);
  semaphore->permits = permits;
  semaphore->in_use = in_use;
  semaphore->lent = 0;
  semaphore->waiting = 0;
  semaphore->waiting_jobs = 0;
  semaphore->jobs = 0;
  semaphore->waiters = 0;
  semaphore->lender = lender;
  semaphore->seat = seat;
  *handle = sluice__slot_handle(slot);
  return SLUICE_OK;
}

int sluice_semaphore(struct sluice_engine *engine, uint64_t permits, uint64_t in_use, struct sluice_handle *handle) {
  if (permits == 0 || permits > SLUICE_PERMIT_MAX || in_use > SLUICE_PERMIT_MAX) return SLUICE_EINVAL;
  return make(engine, NULL, NULL, permits, in_use, handle);
}

int sluice_lease_permits(struct sluice_engine *engine, const struct sluice_lender *lender, void *seat,
                         struct sluice_handle *handle) {
  return make(engine, lender, seat, 0, 0, handle);
}

int sluice_semaphore_close(struct sluice_engine *engine, struct sluice_handle handle, uint64_t *in_use) {
  struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  if (semaphore->waiters != 0 || semaphore->jobs != 0) return SLUICE_ESTATE;
  *in_use = semaphore->in_use;
  if (semaphore->lender != NULL) semaphore->lender->leave(semaphore->seat);
  sluice__slab_give_back(&engine->semaphores, &semaphore->slot);
  return SLUICE_OK;
}

/* At once, or not at all: 1, 0 or an error. */
static int acquire_now(struct sluice__semaphore *semaphore, uint64_t weight, uint64_t max_waiting) {
  if (semaphore->lender != NULL) return semaphore->lender->take(semaphore->seat, weight, max_waiting, NULL);
  if (weight == 0 || weight > semaphore->permits) return SLUICE_EINVAL;
  if (sluice__list_empty(&semaphore->claims) && weight <= free_permits(semaphore)) return 1;
  return semaphore->waiting >= max_waiting ? SLUICE_ECROWDED : 0;
}

int sluice_acquire(struct sluice_engine *engine, struct sluice_handle handle, uint64_t weight, uint64_t timeout,
                   uint64_t max_waiting, uint32_t flags, struct sluice_decision *decision) {
  struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  if (flags & ~(uint32_t)SLUICE_FLAG_UNREF) return SLUICE_EINVAL;
  int taken = acquire_now(semaphore, weight, max_waiting);
  if (taken < 0) return taken;
  decision->action = 0;
  decision->event = SLUICE_EVENT_GRANTED;
  if (taken == 0) {
    struct sluice__waiter *waiter;
    int error = sluice__waiter_new(engine, weight, timeout, flags, &waiter);
    if (error != SLUICE_OK) return error;
    waiter->owner = handle.slot;
    waiter->is_draw = 0;
    semaphore->waiters++;
    if (semaphore->lender != NULL)
      taken = semaphore->lender->take(semaphore->seat, weight, max_waiting, &waiter->claim.ticket);
    if (taken == 0) {
      join_line(engine, semaphore, &waiter->claim);
      sluice__record_waiter(engine, SLUICE_RECORD_PARK, SLUICE_REASON_LIMIT, waiter);
      decision->event = SLUICE_EVENT_NONE;
      decision->lane = sluice__slot_handle(&waiter->slot);
      return SLUICE_OK;
    }
    sluice__waiter_cancel(engine, waiter); /* they have become free just now, or too many have come */
    if (taken < 0) return taken;
  }
  semaphore->in_use += weight;
  return SLUICE_OK;
}

int sluice_take(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  if (!has_free_permit(semaphore)) return 0;
  semaphore->in_use++;
  return 1;
}

int sluice_give(struct sluice_engine *engine, struct sluice_handle handle, uint64_t weight) {
  struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  if (weight > semaphore->in_use - semaphore->lent) return SLUICE_EINVAL;
  give(engine, semaphore, weight);
  return SLUICE_OK;
}

int sluice_resize(struct sluice_engine *engine, struct sluice_handle handle, uint64_t permits) {
  struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  if (permits == 0 || permits > SLUICE_PERMIT_MAX) return SLUICE_EINVAL;
  if (semaphore->lender != NULL) return semaphore->lender->resize(semaphore->seat, permits);
  semaphore->permits = permits;
  dismiss(engine, semaphore, permits, SLUICE__KIND_REFUSED);
  return SLUICE_OK;
}

int sluice_semaphore_level(const struct sluice_engine *engine, struct sluice_handle handle,
                           struct sluice_level *level) {
  const struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  level->available = sluice__list_empty(&semaphore->claims) ? free_permits(semaphore) : 0;
  level->capacity = semaphore->permits;
  level->waiting = semaphore->waiting + semaphore->waiting_jobs;
  if (semaphore->lender != NULL) semaphore->lender->level(semaphore->seat, level);
  level->jobs = semaphore->jobs;
  level->rate = (struct sluice_rate){0, 0, 0};
  level->held = semaphore->in_use - semaphore->lent;
  return SLUICE_OK;
}

int sluice_semaphore_shut(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  dismiss(engine, semaphore, 0, SLUICE__KIND_SHUT);
  return SLUICE_OK;
}
