/* Semaphores: permits, and the line of those that wait for them.
 *
 * `in_use` counts the permits that are out: the caller's, and those that are `lent`, which are not the caller's to give
 * back. It may be above `permits` after a resize. The line is served from its head only, so that nobody overtakes a
 * heavy waiter. A job stands in it once, for the lane `claimant`, which has taken an item; no other of its lanes takes
 * one meanwhile. */
#include "hooks.h"
#include "internal.h"

struct sluice__semaphore *sluice__semaphore_find(const struct sluice_engine *engine, struct sluice_handle handle) {
  return (struct sluice__semaphore *)sluice__slab_find(&engine->semaphores, handle);
}

static uint64_t free_permits(const struct sluice__semaphore *semaphore) {
  return semaphore->permits > semaphore->in_use ? semaphore->permits - semaphore->in_use : 0;
}

static void hand_to(struct sluice_engine *engine, struct sluice__semaphore *semaphore, struct sluice__claim *claim) {
  sluice__list_unlink(&claim->link);
  semaphore->in_use += claim->weight;
  semaphore->lent += claim->weight;
  if (claim->claimant == SLUICE__CLAIM_WAITER) {
    semaphore->waiting--;
    sluice__waiter_hand(engine, sluice__waiter_of_claim(claim), SLUICE__KIND_GRANTED);
    return;
  }
  semaphore->waiting_jobs--;
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
  while (!sluice__list_empty(&semaphore->claims)) {
    struct sluice__claim *claim = sluice__claim_of(semaphore->claims.next);
    if (claim->weight > free_permits(semaphore)) return;
    hand_to(engine, semaphore, claim);
  }
}

static void give(struct sluice_engine *engine, struct sluice__semaphore *semaphore, uint64_t weight) {
  semaphore->in_use -= weight;
  serve(engine, semaphore);
}

/* Those who ask for more than `most` leave the line, as `kind`. */
static void dismiss(struct sluice_engine *engine, struct sluice__semaphore *semaphore, uint64_t most,
                    enum sluice__kind kind) {
  for (struct sluice__link *link = semaphore->claims.next; link != &semaphore->claims;) {
    struct sluice__claim *claim = sluice__claim_of(link);
    link = link->next;
    if (claim->claimant != SLUICE__CLAIM_WAITER || claim->weight <= most) continue;
    sluice__list_unlink(&claim->link);
    semaphore->waiting--;
    sluice__waiter_hand(engine, sluice__waiter_of_claim(claim), kind);
  }
  serve(engine, semaphore);
}

int sluice__permit_is_free(const struct sluice__job *job) {
  const struct sluice__semaphore *semaphore = job->semaphore;
  return job->has_spare || (sluice__list_empty(&semaphore->claims) && free_permits(semaphore) > 0);
}

void sluice__permit_claim(struct sluice__job *job) {
  if (!sluice__list_empty(&job->permit_claim.link)) return;
  job->semaphore->waiting_jobs++;
  sluice__list_append(&job->semaphore->claims, &job->permit_claim.link);
}

int sluice__permit_take(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  if (!sluice__permit_is_free(job)) return 0;
  lane->has_permit = 1;
  if (!job->has_spare) {
    job->semaphore->in_use++;
    job->semaphore->lent++;
    return 1;
  }
  job->has_spare = 0; /* the invitation is void: nobody joins for it, and so nobody would claim another */
  if (sluice__job_has_next_item(job) && job->lane_count < job->policy.limit) sluice__permit_claim(job);
  serve(engine, job->semaphore);
  return 1;
}

void sluice__permit_wait(struct sluice__job *job, struct sluice__lane *lane) {
  assert(job->claimant == SLUICE__NO_SLOT);
  job->claimant = lane->slot.number;
  sluice__permit_claim(job);
}

static void leave_line(struct sluice_engine *engine, struct sluice__job *job) {
  job->claimant = SLUICE__NO_SLOT;
  if (sluice__list_empty(&job->permit_claim.link)) return;
  job->semaphore->waiting_jobs--;
  sluice__list_unlink(&job->permit_claim.link);
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
    leave_line(engine, job);
  }
}

void sluice__permit_decline(struct sluice_engine *engine, struct sluice__job *job) {
  if (!job->has_spare) return;
  job->has_spare = 0;
  give_back(engine, job);
}

void sluice__permit_quit(struct sluice_engine *engine, struct sluice__job *job) {
  leave_line(engine, job);
  sluice__permit_decline(engine, job);
  sluice__disarm(engine, &job->invitation);
}

void sluice__permit_detach(struct sluice_engine *engine, struct sluice__job *job) {
  sluice__permit_quit(engine, job);
  job->semaphore->jobs--;
}

int sluice__permit_is_wanted(const struct sluice__job *job) {
  const struct sluice__semaphore *semaphore = job->semaphore;
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
    sluice__list_unlink(&waiter->claim.link);
    semaphore->waiting--;
    serve(engine, semaphore);
  } else if (waiter->deadline.kind == SLUICE__KIND_GRANTED) {
    semaphore->lent -= waiter->claim.weight;
    give(engine, semaphore, waiter->claim.weight);
  }
}

int sluice_semaphore(struct sluice_engine *engine, uint64_t permits, uint64_t in_use, struct sluice_handle *handle) {
  if (permits == 0 || permits > SLUICE_PERMIT_MAX || in_use > SLUICE_PERMIT_MAX) return SLUICE_EINVAL;
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
  *handle = sluice__slot_handle(slot);
  return SLUICE_OK;
}

int sluice_semaphore_close(struct sluice_engine *engine, struct sluice_handle handle, uint64_t *in_use) {
  struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  if (semaphore->waiters != 0 || semaphore->jobs != 0) return SLUICE_ESTATE;
  *in_use = semaphore->in_use;
  sluice__slab_give_back(&engine->semaphores, &semaphore->slot);
  return SLUICE_OK;
}

int sluice_acquire(struct sluice_engine *engine, struct sluice_handle handle, uint64_t weight, uint64_t timeout,
                   uint64_t max_waiting, uint32_t flags, struct sluice_decision *decision) {
  struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  if (weight == 0 || weight > semaphore->permits || (flags & ~(uint32_t)SLUICE_FLAG_UNREF)) return SLUICE_EINVAL;
  decision->action = 0;
  if (sluice__list_empty(&semaphore->claims) && weight <= free_permits(semaphore)) {
    semaphore->in_use += weight;
    decision->event = SLUICE_EVENT_GRANTED;
    return SLUICE_OK;
  }
  if (semaphore->waiting >= max_waiting) return SLUICE_ECROWDED;
  struct sluice__waiter *waiter;
  int error = sluice__waiter_new(engine, weight, timeout, flags, &waiter);
  if (error != SLUICE_OK) return error;
  waiter->owner = handle.slot;
  semaphore->waiters++;
  waiter->is_draw = 0;
  semaphore->waiting++;
  sluice__list_append(&semaphore->claims, &waiter->claim.link);
  sluice__record_waiter(engine, SLUICE_RECORD_PARK, SLUICE_REASON_LIMIT, waiter);
  decision->event = SLUICE_EVENT_NONE;
  decision->lane = sluice__slot_handle(&waiter->slot);
  return SLUICE_OK;
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
  level->jobs = semaphore->jobs;
  return SLUICE_OK;
}

int sluice_semaphore_shut(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__semaphore *semaphore = sluice__semaphore_find(engine, handle);
  if (semaphore == NULL) return SLUICE_ESTALE;
  dismiss(engine, semaphore, 0, SLUICE__KIND_SHUT);
  return SLUICE_OK;
}
