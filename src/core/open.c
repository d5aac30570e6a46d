/* How a job begins: its policy is checked, and it takes its place beside what it shares. The state machine is in job.c.
 */
#include <string.h>

#include "hooks.h"
#include "internal.h"

static int policy_valid(const struct sluice_policy *policy) {
  const uint32_t flags = SLUICE_FLAG_UNREF | SLUICE_FLAG_PROGRESS | SLUICE_FLAG_COLLECT | SLUICE_FLAG_REVIEW |
                         SLUICE_FLAG_DRAIN | SLUICE_FLAG_VERDICT;
  if (policy->limit == 0 || policy->source > SLUICE_SOURCE_ASYNC) return 0;
  if (policy->items > SLUICE_ITEM_MAX && policy->items != SLUICE_UNKNOWN) return 0;
  if (policy->items == SLUICE_UNKNOWN && policy->source == SLUICE_SOURCE_INDEXED) return 0;
  if (policy->flags & ~flags) return 0;
  return sluice__backoff_valid(&policy->backoff) && sluice__bucket_valid(&policy->rate);
}

int sluice_open(struct sluice_engine *engine, const struct sluice_policy *policy, struct sluice_decision *decision) {
  if (!policy_valid(policy)) return SLUICE_EINVAL;
  struct sluice__semaphore *semaphore = NULL;
  struct sluice__limiter *limiter = NULL;
  if (policy->semaphore.generation != 0) {
    semaphore = sluice__semaphore_find(engine, policy->semaphore);
    if (semaphore == NULL) return SLUICE_ESTALE;
  }
  if (policy->limiter.generation != 0) {
    limiter = sluice__limiter_find(engine, policy->limiter);
    if (limiter == NULL) return SLUICE_ESTALE;
  }
  decision->action = 0;
  if (policy->items == 0 || policy->total_timeout == 0) {
    memset(&decision->counts, 0, sizeof decision->counts);
    decision->action = policy->items == 0 ? SLUICE_ACTION_DONE : SLUICE_ACTION_FAIL;
    return SLUICE_OK;
  }
  struct sluice__slot *slot;
  int error = sluice__slab_take(&engine->jobs, &slot);
  if (error != SLUICE_OK) return error;
  struct sluice__job *job = (struct sluice__job *)slot;
  memset((char *)job + sizeof *slot, 0, sizeof *job - sizeof *slot);
  job->policy = *policy;
  job->first_lane = SLUICE__NO_SLOT;
  sluice__list_init(&job->progress);
  sluice__list_init(&job->granted);
  sluice__list_init(&job->waiting);
  sluice__list_init(&job->room);
  sluice__list_init(&job->roomy);
  sluice__limiter_init(&job->own_limiter, &policy->rate);
  job->limiter = limiter != NULL ? limiter : &job->own_limiter;
  job->limiter->jobs++;
  sluice__claim_init(&job->token_claim, SLUICE__CLAIM_JOB_TOKEN, policy->flags);
  job->semaphore = semaphore;
  if (semaphore != NULL) semaphore->jobs++;
  sluice__claim_init(&job->permit_claim, SLUICE__CLAIM_JOB_PERMIT, policy->flags);
  job->claimant = SLUICE__NO_SLOT;
  engine->rated += sluice__job_is_rated(job);
  job->has_gate = sluice__job_is_rated(job) || policy->max_abandoned != SLUICE_UNLIMITED;
  job->pulls = job->has_gate || policy->source == SLUICE_SOURCE_ASYNC;
  job->has_items = policy->item_timeout < SLUICE_NEVER ||
                   (policy->flags & (SLUICE_FLAG_REVIEW | SLUICE_FLAG_VERDICT)) != 0 ||
                   policy->backoff.kind == SLUICE_BACKOFF_DECORRELATED;
  sluice__deadline_init(&job->invitation, SLUICE__LANE_ALONE, 0);
  job->invitation.kind = SLUICE__KIND_INVITATION;
  sluice__deadline_init(&job->token, SLUICE__LANE_ALONE, 0);
  job->token.kind = SLUICE__KIND_TOKEN;
  sluice__deadline_init(&job->total, SLUICE__LANE_ALONE, policy->flags & SLUICE_FLAG_UNREF);
  sluice__arm(engine, &job->total, SLUICE__KIND_TOTAL, policy->total_timeout);
  decision->job = sluice__slot_handle(slot);
  sluice__record_job(engine, SLUICE_RECORD_OPEN, SLUICE_REASON_NONE, job);
  return SLUICE_OK;
}
