/* Limiters: a token bucket, and the line of those that wait for its tokens.
 *
 * A job with a rate has one of its own; limiters in slots are shared by jobs and waiters. The line is served from its
 * head only. It has one deadline, the gate, for the head: a newborn like all others, but due when the bucket says so,
 * whenever it was armed. It is armed exactly while somebody is in the line. A job stands in it once, for the first of
 * its lanes that wait, and again behind the others for the next.
 *
 * A leased limiter has no bucket and no gate: its lender has the tokens and sees to the time. Its line is the part of
 * the lender's that is this engine's. */
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
  limiter->lender = NULL;
  limiter->seat = NULL;
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
  if (limiter->lender != NULL) return;
  update_reference(engine, limiter);
  if (head_of(limiter) == NULL) sluice__disarm(engine, &limiter->gate);
  else if (limiter->gate.list == SLUICE__LIST_NONE) sluice__arm(engine, &limiter->gate, SLUICE__KIND_GATE, 0);
}

/* The head of the line, or what the bucket says of it, is another. */
static void rearm_gate(struct sluice_engine *engine, struct sluice__limiter *limiter) {
  sluice__disarm(engine, &limiter->gate);
  arm_gate(engine, limiter);
}

static void count_claim(struct sluice_engine *engine, struct sluice__limiter *limiter,
                        const struct sluice__claim *claim, int by) {
  if (claim->claimant == SLUICE__CLAIM_WAITER) limiter->waiting += (uint64_t)by;
  else limiter->waiting_jobs += (uint32_t)by;
  if (claim->is_unref) return;
  limiter->referenced += (uint64_t)by;
  if (limiter->lender != NULL) engine->referenced += (uint32_t)by; /* else the gate's matter */
}

static void link_claim(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim) {
  sluice__list_append(&limiter->claims, &claim->link);
  count_claim(engine, limiter, claim, 1);
  arm_gate(engine, limiter);
}

static void hand_token(struct sluice_engine *engine, struct sluice__job *job) {
  sluice__link_into(engine, &job->token, &engine->handed, SLUICE__LIST_HANDED);
}

static struct sluice__job *job_of_claim(struct sluice__claim *claim) {
  return SLUICE__CONTAINER(claim, struct sluice__job, token_claim);
}

void sluice__limiter_join(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim) {
  if (limiter->lender != NULL && limiter->lender->take(limiter->seat, 1, UINT64_MAX, &claim->ticket) > 0)
    hand_token(engine, job_of_claim(claim));
  else link_claim(engine, limiter, claim);
}

/* Without arming; its ticket is another matter. */
static void unlink_claim(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim) {
  sluice__list_unlink(&claim->link);
  count_claim(engine, limiter, claim, -1);
}

static void withdraw_ticket(struct sluice__limiter *limiter, struct sluice__claim *claim) {
  if (limiter->lender != NULL) limiter->lender->withdraw(limiter->seat, &claim->ticket);
}

/* Drawn, and of no use after all. */
static void give_back(struct sluice__limiter *limiter, uint64_t tokens) {
  if (limiter->lender != NULL) limiter->lender->give(limiter->seat, tokens);
}

void sluice__limiter_leave(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim) {
  if (sluice__list_empty(&claim->link)) return;
  int was_head = head_of(limiter) == claim;
  unlink_claim(engine, limiter, claim);
  withdraw_ticket(limiter, claim);
  if (was_head) rearm_gate(engine, limiter);
  else arm_gate(engine, limiter);
}

uint64_t sluice__limiter_due(const struct sluice_engine *engine, struct sluice__limiter *limiter) {
  const struct sluice__claim *head = head_of(limiter);
  assert(head != NULL); /* else the gate is not armed */
  uint64_t due = sluice__bucket_ready_for(&limiter->bucket, head->weight);
  return due > engine->now ? due : engine->now;
}

/* Takes jobs that may start nothing now out of the line: the end of an abandoned attempt brings them back. */
static void drop_shut_jobs(struct sluice_engine *engine, struct sluice__limiter *limiter) {
  struct sluice__claim *head;
  while ((head = head_of(limiter)) != NULL && head->claimant == SLUICE__CLAIM_JOB_TOKEN &&
         sluice__gate_is_shut(job_of_claim(head)))
    unlink_claim(engine, limiter, head);
}

/* A job has its token: its first lane that waits goes on. */
static void go_on(struct sluice_engine *engine, struct sluice__job *job, struct sluice_decision *decision) {
  struct sluice__lane *lane = sluice__lane_of(sluice__deadline_of(job->waiting.next));
  sluice__gate_leave(engine, job, lane); /* the job joins the line again for the next one */
  decision->event = SLUICE_EVENT_RESUMED;
  decision->job = sluice__slot_handle(&job->slot);
  decision->lane = sluice__slot_handle(&lane->slot);
  sluice__job_start(engine, lane, decision);
}

static void serve(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim,
                  struct sluice_decision *decision) {
  unlink_claim(engine, limiter, claim);
  if (claim->claimant == SLUICE__CLAIM_WAITER) {
    struct sluice__waiter *waiter = sluice__waiter_of_claim(claim);
    engine->rated--;
    sluice__disarm(engine, &waiter->deadline);
    sluice__waiter_end(engine, waiter, SLUICE_EVENT_GRANTED, decision);
    return;
  }
  go_on(engine, job_of_claim(claim), decision);
}

int sluice__limiter_next(struct sluice_engine *engine, struct sluice__limiter *limiter,
                         struct sluice_decision *decision) {
  drop_shut_jobs(engine, limiter);
  struct sluice__claim *claim = head_of(limiter);
  int is_served = claim != NULL && sluice__bucket_draw(&limiter->bucket, claim->weight, sluice__time(engine));
  if (is_served) {
    serve(engine, limiter, claim, decision);
    drop_shut_jobs(engine, limiter);
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
  if (!sluice__list_empty(&waiter->claim.link)) {
    engine->rated--;
    sluice__limiter_leave(engine, limiter, &waiter->claim);
  } else if (waiter->deadline.kind == SLUICE__KIND_GRANTED) {
    give_back(limiter, waiter->claim.weight);
  }
}

void sluice__limiter_lent(struct sluice_engine *engine, struct sluice__claim *claim, int is_granted) {
  if (claim->claimant == SLUICE__CLAIM_WAITER) {
    struct sluice__waiter *waiter = sluice__waiter_of_claim(claim);
    engine->rated--;
    unlink_claim(engine, (struct sluice__limiter *)sluice__slab_at(&engine->limiters, waiter->owner), claim);
    sluice__waiter_hand(engine, waiter, is_granted ? SLUICE__KIND_GRANTED : SLUICE__KIND_REFUSED);
    return;
  }
  struct sluice__job *job = job_of_claim(claim);
  unlink_claim(engine, job->limiter, claim);
  if (sluice__gate_is_shut(job)) give_back(job->limiter, 1); /* the end of an abandoned attempt brings it back */
  else hand_token(engine, job);
}

int sluice__token_next(struct sluice_engine *engine, struct sluice__job *job, struct sluice_decision *decision) {
  if (sluice__list_empty(&job->waiting)) {
    give_back(job->limiter, 1);
    return 0;
  }
  go_on(engine, job, decision);
  return 1;
}

void sluice__limiter_detach(struct sluice_engine *engine, struct sluice__job *job) {
  if (job->token.list != SLUICE__LIST_NONE) give_back(job->limiter, 1);
  sluice__disarm(engine, &job->token);
  job->limiter->jobs--;
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

int sluice_lease_tokens(struct sluice_engine *engine, const struct sluice_lender *lender, void *seat,
                        struct sluice_handle *handle) {
  const struct sluice_rate none = {0, 1, 0};
  int error = sluice_limiter(engine, &none, handle);
  if (error != SLUICE_OK) return error;
  struct sluice__limiter *limiter = sluice__limiter_find(engine, *handle);
  limiter->lender = lender;
  limiter->seat = seat;
  return SLUICE_OK;
}

int sluice_limiter_close(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  if (limiter->waiters != 0 || limiter->jobs != 0) return SLUICE_ESTATE;
  sluice__list_unlink(&limiter->owing);
  if (limiter->lender != NULL) limiter->lender->leave(limiter->seat);
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
  if (limiter == NULL || head_of(limiter) != NULL || limiter->lender != NULL) return 0;
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

/* At once, or not at all: 1, 0 or an error. */
static int draw_or_wait(struct sluice_engine *engine, struct sluice__limiter *limiter, uint64_t tokens,
                        uint64_t max_waiting) {
  if (limiter->lender != NULL) return limiter->lender->take(limiter->seat, tokens, max_waiting, NULL);
  if (tokens == 0 || tokens > capacity(limiter)) return SLUICE_EINVAL;
  if (head_of(limiter) == NULL && draw_now(engine, limiter, tokens)) return 1;
  return limiter->waiting >= max_waiting ? SLUICE_ECROWDED : 0;
}

int sluice_draw(struct sluice_engine *engine, struct sluice_handle handle, uint64_t tokens, uint64_t timeout,
                uint64_t max_waiting, uint32_t flags, struct sluice_decision *decision) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  if (flags & ~(uint32_t)SLUICE_FLAG_UNREF) return SLUICE_EINVAL;
  int drawn = draw_or_wait(engine, limiter, tokens, max_waiting);
  if (drawn < 0) return drawn;
  decision->action = 0;
  decision->event = SLUICE_EVENT_GRANTED;
  decision->elapsed = 0;
  if (drawn != 0) return SLUICE_OK;
  struct sluice__waiter *waiter;
  int error = sluice__waiter_new(engine, tokens, timeout, flags, &waiter);
  if (error != SLUICE_OK) return error;
  waiter->owner = handle.slot;
  waiter->is_draw = 1;
  limiter->waiters++;
  if (limiter->lender != NULL) drawn = limiter->lender->take(limiter->seat, tokens, max_waiting, &waiter->claim.ticket);
  if (drawn != 0) { /* there are enough just now, or too many have come */
    sluice__waiter_cancel(engine, waiter);
    return drawn < 0 ? drawn : SLUICE_OK;
  }
  engine->rated++;
  link_claim(engine, limiter, &waiter->claim);
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
    unlink_claim(engine, limiter, claim);
    withdraw_ticket(limiter, claim);
    engine->rated--;
    sluice__waiter_hand(engine, sluice__waiter_of_claim(claim), kind);
  }
  rearm_gate(engine, limiter);
}

int sluice_reconfigure(struct sluice_engine *engine, struct sluice_handle handle, const struct sluice_rate *rate) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  if (!sluice__bucket_valid(rate)) return SLUICE_EINVAL;
  if (limiter->lender != NULL) return limiter->lender->reconfigure(limiter->seat, rate);
  sluice__bucket_change(&limiter->bucket, rate, sluice__time(engine));
  dismiss(engine, limiter, capacity(limiter), SLUICE__KIND_REFUSED);
  return SLUICE_OK;
}

int sluice_penalize(struct sluice_engine *engine, struct sluice_handle handle, uint64_t duration) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  if (limiter->lender != NULL) {
    limiter->lender->penalize(limiter->seat, duration);
    return SLUICE_OK;
  }
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
  level->rate = (struct sluice_rate){0, 0, 0};
  if (limiter->lender != NULL) limiter->lender->level(limiter->seat, level);
  level->held = 0;
  level->jobs = limiter->jobs;
  return SLUICE_OK;
}

int sluice_limiter_shut(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__limiter *limiter = sluice__limiter_find(engine, handle);
  if (limiter == NULL) return SLUICE_ESTALE;
  dismiss(engine, limiter, 0, SLUICE__KIND_SHUT);
  return SLUICE_OK;
}
