/* Limiters: a token bucket, and the line of those that wait for its tokens.
 *
 * A job with a rate has one of its own; limiters in slots are shared by jobs and waiters. The line is served from its
 * head only. It has one deadline, the gate, for the head: a newborn like all others, but due when the bucket says so,
 * whenever it was armed. It is armed exactly while somebody is in the line. A job stands in it once, for the first of
 * its lanes that wait, and again behind the others for the next. */
#include "hooks.h"
#include "internal.h"

struct sluice__limiter *sluice__limiter_find(const struct sluice_engine *engine, struct sluice_handle handle) {
  return (struct sluice__limiter *)sluice__slab_find(&engine->limiters, handle);
}

void sluice__limiter_init(struct sluice__limiter *limiter, const struct sluice_rate *rate) {
  sluice__deadline_init(&limiter->gate, SLUICE__LANE_ALONE, SLUICE_FLAG_UNREF);
  sluice__list_init(&limiter->claims);
  sluice__bucket_init(&limiter->bucket, rate);
  limiter->waiting = 0;
  limiter->referenced = 0;
  limiter->waiting_jobs = 0;
  limiter->jobs = 0;
  limiter->waiters = 0;
  sluice__list_init(&limiter->owing);
}

static struct sluice__claim *head_of(const struct sluice__limiter *limiter) {
  return sluice__list_empty(&limiter->claims) ? NULL : sluice__claim_of(limiter->claims.next);
}

/* The gate keeps the loop alive as long as one of the claims does. */
static void update_reference(struct sluice_engine *engine, struct sluice__limiter *limiter) {
  uint8_t flags = limiter->referenced == 0 ? SLUICE_FLAG_UNREF : 0;
  if (flags == limiter->gate.flags) return;
  int is_linked = limiter->gate.list != SLUICE__LIST_NONE;
  if (is_linked && flags == 0) engine->referenced++;
  if (is_linked && flags != 0) engine->referenced--;
  limiter->gate.flags = flags;
}

static void arm_gate(struct sluice_engine *engine, struct sluice__limiter *limiter) {
  update_reference(engine, limiter);
  if (head_of(limiter) == NULL) sluice__disarm(engine, &limiter->gate);
  else if (limiter->gate.list == SLUICE__LIST_NONE) sluice__arm(engine, &limiter->gate, SLUICE__KIND_GATE, 0);
}

/* The head of the line, or what the bucket says of it, is another. */
static void rearm_gate(struct sluice_engine *engine, struct sluice__limiter *limiter) {
  sluice__disarm(engine, &limiter->gate);
  arm_gate(engine, limiter);
}

static void count_claim(struct sluice__limiter *limiter, const struct sluice__claim *claim, int by) {
  if (claim->claimant == SLUICE__CLAIM_WAITER) limiter->waiting += (uint64_t)by;
  else limiter->waiting_jobs += (uint32_t)by;
  if (!claim->is_unref) limiter->referenced += (uint64_t)by;
}

void sluice__limiter_join(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim) {
  sluice__list_append(&limiter->claims, &claim->link);
  count_claim(limiter, claim, 1);
  arm_gate(engine, limiter);
}

/* Without arming. */
static void unlink_claim(struct sluice__limiter *limiter, struct sluice__claim *claim) {
  sluice__list_unlink(&claim->link);
  count_claim(limiter, claim, -1);
}

void sluice__limiter_leave(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim) {
  if (sluice__list_empty(&claim->link)) return;
  int was_head = head_of(limiter) == claim;
  unlink_claim(limiter, claim);
  if (was_head) rearm_gate(engine, limiter);
  else arm_gate(engine, limiter);
}

uint64_t sluice__limiter_due(const struct sluice_engine *engine, struct sluice__limiter *limiter) {
  const struct sluice__claim *head = head_of(limiter);
  assert(head != NULL); /* else the gate is not armed */
  uint64_t due = sluice__bucket_ready_for(&limiter->bucket, head->weight);
  return due > engine->now ? due : engine->now;
}

static struct sluice__job *job_of_claim(struct sluice__claim *claim) {
  return SLUICE__CONTAINER(claim, struct sluice__job, token_claim);
}

/* Takes jobs that may start nothing now out of the line: the end of an abandoned attempt brings them back. */
static void drop_shut_jobs(struct sluice__limiter *limiter) {
  struct sluice__claim *head;
  while ((head = head_of(limiter)) != NULL && head->claimant == SLUICE__CLAIM_JOB_TOKEN &&
         sluice__gate_is_shut(job_of_claim(head)))
    unlink_claim(limiter, head);
}

static void serve(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim,
                  struct sluice_decision *decision) {
  unlink_claim(limiter, claim);
  if (claim->claimant == SLUICE__CLAIM_WAITER) {
    struct sluice__waiter *waiter = sluice__waiter_of_claim(claim);
    engine->rated--;
    sluice__disarm(engine, &waiter->deadline);
    sluice__waiter_end(engine, waiter, SLUICE_EVENT_GRANTED, decision);
    return;
  }
  struct sluice__job *job = job_of_claim(claim);
  struct sluice__lane *lane = sluice__lane_of(sluice__deadline_of(job->waiting.next));
  sluice__gate_leave(engine, job, lane); /* the job joins the line again for the next one */
  decision->event = SLUICE_EVENT_RESUMED;
  decision->job = sluice__slot_handle(&job->slot);
  decision->lane = sluice__slot_handle(&lane->slot);
  sluice__job_start(engine, lane, decision);
}

int sluice__limiter_next(struct sluice_engine *engine, struct sluice__limiter *limiter,
                         struct sluice_decision *decision) {
  drop_shut_jobs(limiter);
  struct sluice__claim *claim = head_of(limiter);
  int is_served = claim != NULL && sluice__bucket_draw(&limiter->bucket, claim->weight, sluice__time(engine));
  if (is_served) {
    serve(engine, limiter, claim, decision);
    drop_shut_jobs(limiter);
  }
  sluice__disarm(engine, &limiter->gate);
  claim = head_of(limiter);
  int is_next_ready =
      is_served && claim != NULL && sluice__bucket_ready_for(&limiter->bucket, claim->weight) <= sluice__time(engine);
  update_reference(engine, limiter);
  if (is_next_ready) {
    limiter->gate.kind = SLUICE__KIND_GATE;
    sluice__link_into(engine, &limiter->gate, &engine->ready, SLUICE__LIST_READY);
  } else {
    arm_gate(engine, limiter);
  }
  return is_served;
}

void sluice__draw_leave(struct sluice_engine *engine, struct sluice__waiter *waiter) {
  struct sluice__limiter *limiter = (struct sluice__limiter *)sluice__slab_at(&engine->limiters, waiter->owner);
  if (sluice__list_empty(&waiter->claim.link)) return;
  engine->rated--;
  sluice__limiter_leave(engine, limiter, &waiter->claim);
}

int sluice_limiter(struct sluice_engine *engine, const struct sluice_rate *rate, struct sluice_handle *handle) {
  if (!sluice__bucket_valid(rate)) return SLUICE_EINVAL;
  struct sluice__slot *slot;
  int error = sluice__slab_take(&engine->limiters, &slot);
  if (error != SLUICE_OK) return error;
  sluice__limiter_init((struct sluice__limiter *)slot, rate);
  *handle = sluice__slot_handle(slot);
  return SLUICE_OK;
}

int sluice_limiter_close(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  if (limiter->waiters != 0 || limiter->jobs != 0) return SLUICE_ESTATE;
  sluice__list_unlink(&limiter->owing);
  sluice__slab_give_back(&engine->limiters, &limiter->slot);
  return SLUICE_OK;
}

static uint64_t capacity(const struct sluice__limiter *limiter) {
  return limiter->bucket.max == 0 ? SLUICE_PERMIT_MAX : limiter->bucket.burst;
}

static int draw_now(struct sluice_engine *engine, struct sluice__limiter *limiter, uint64_t tokens) {
  if (!sluice__bucket_draw_early(&limiter->bucket, tokens, sluice__time(engine)))
    return sluice__bucket_draw(&limiter->bucket, tokens, sluice__time(engine));
  if (sluice__list_empty(&limiter->owing)) sluice__list_append(&engine->owing, &limiter->owing);
  return 1;
}

int sluice_draws_early(const struct sluice_engine *engine, struct sluice_handle handle, uint64_t tokens) {
  const struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL || head_of(limiter) != NULL) return 0;
  const struct sluice__bucket *bucket = &limiter->bucket;
  return bucket->max != 0 && bucket->tokens - bucket->owed >= tokens && sluice__time(engine) >= bucket->shut;
}

void sluice__limiters_turn(struct sluice_engine *engine) {
  while (!sluice__list_empty(&engine->owing)) {
    struct sluice__limiter *limiter = SLUICE__CONTAINER(engine->owing.next, struct sluice__limiter, owing);
    sluice__list_unlink(&limiter->owing);
    sluice__bucket_refill(&limiter->bucket, engine->now);
  }
}

int sluice_draw(struct sluice_engine *engine, struct sluice_handle handle, uint64_t tokens, uint64_t timeout,
                uint64_t max_waiting, uint32_t flags, struct sluice_decision *decision) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  if (tokens == 0 || tokens > capacity(limiter) || (flags & ~(uint32_t)SLUICE_FLAG_UNREF)) return SLUICE_EINVAL;
  decision->action = 0;
  if (head_of(limiter) == NULL && draw_now(engine, limiter, tokens)) {
    decision->event = SLUICE_EVENT_GRANTED;
    decision->elapsed = 0;
    return SLUICE_OK;
  }
  if (limiter->waiting >= max_waiting) return SLUICE_ECROWDED;
  struct sluice__waiter *waiter;
  int error = sluice__waiter_new(engine, tokens, timeout, flags, &waiter);
  if (error != SLUICE_OK) return error;
  waiter->owner = handle.slot;
  limiter->waiters++;
  waiter->is_draw = 1;
  engine->rated++;
  sluice__limiter_join(engine, limiter, &waiter->claim);
  sluice__record_waiter(engine, SLUICE_RECORD_PARK, SLUICE_REASON_RATE, waiter);
  decision->event = SLUICE_EVENT_NONE;
  decision->lane = sluice__slot_handle(&waiter->slot);
  return SLUICE_OK;
}

/* Those who ask for more than `most` leave the line, as `kind`. */
static void dismiss(struct sluice_engine *engine, struct sluice__limiter *limiter, uint64_t most,
                    enum sluice__kind kind) {
  for (struct sluice__link *link = limiter->claims.next; link != &limiter->claims;) {
    struct sluice__claim *claim = sluice__claim_of(link);
    link = link->next;
    if (claim->claimant != SLUICE__CLAIM_WAITER || claim->weight <= most) continue;
    unlink_claim(limiter, claim);
    engine->rated--;
    sluice__waiter_hand(engine, sluice__waiter_of_claim(claim), kind);
  }
  rearm_gate(engine, limiter);
}

int sluice_reconfigure(struct sluice_engine *engine, struct sluice_handle handle, const struct sluice_rate *rate) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  if (!sluice__bucket_valid(rate)) return SLUICE_EINVAL;
  sluice__bucket_change(&limiter->bucket, rate, sluice__time(engine));
  dismiss(engine, limiter, capacity(limiter), SLUICE__KIND_REFUSED);
  return SLUICE_OK;
}

int sluice_penalize(struct sluice_engine *engine, struct sluice_handle handle, uint64_t duration) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  sluice__bucket_shut(&limiter->bucket, duration, sluice__time(engine));
  rearm_gate(engine, limiter);
  return SLUICE_OK;
}

int sluice_limiter_level(struct sluice_engine *engine, struct sluice_handle handle, struct sluice_level *level) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  int is_free = head_of(limiter) == NULL;
  level->available = is_free ? sluice__bucket_level(&limiter->bucket, sluice__time(engine)) : 0;
  level->capacity = capacity(limiter);
  level->waiting = limiter->waiting + limiter->waiting_jobs;
  level->jobs = limiter->jobs;
  return SLUICE_OK;
}

int sluice_limiter_shut(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  dismiss(engine, limiter, 0, SLUICE__KIND_SHUT);
  return SLUICE_OK;
}
