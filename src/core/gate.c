/* The gate: where a job's attempts wait for a token of its rate, or for abandoned ones to end.
 *
 * Lanes wait in the order in which they came, first attempts and retries alike. For the first of them the job stands in
 * the line of its limiter (limiter.c), be it shared or the job's own; where they wait for an abandoned attempt it does
 * not, and the end of one brings it there. */
#include "hooks.h"
#include "internal.h"

int sluice__gate_is_shut(const struct sluice__job *job) {
  return job->counts.abandoned > job->policy.max_abandoned && job->policy.max_abandoned != SLUICE_UNLIMITED;
}

int sluice__gate_pass(struct sluice_engine *engine, struct sluice__job *job) {
  if (!job->has_gate) return 1;
  const struct sluice_lender *lender = job->limiter->lender;
  if (lender != NULL) {
    int may_take = sluice__list_empty(&job->waiting) && !sluice__gate_is_shut(job);
    return may_take && lender->take(job->limiter->seat, 1, 1, NULL) > 0;
  }
  int is_first = sluice__list_empty(&job->waiting) && sluice__list_empty(&job->limiter->claims);
  return is_first && !sluice__gate_is_shut(job) && sluice__bucket_take(&job->limiter->bucket, sluice__time(engine));
}

void sluice__gate_update(struct sluice_engine *engine, struct sluice__job *job) {
  int is_in_line = !sluice__list_empty(&job->token_claim.link);
  int has_waiting = !sluice__list_empty(&job->waiting);
  if (is_in_line && !has_waiting) sluice__limiter_leave(engine, job->limiter, &job->token_claim);
  int has_token = job->token.list != SLUICE__LIST_NONE; /* lent, for the first of them */
  if (!is_in_line && has_waiting && !has_token && !sluice__gate_is_shut(job))
    sluice__limiter_join(engine, job->limiter, &job->token_claim);
}

void sluice__gate_wait(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  lane->deadline.kind = SLUICE__KIND_WAIT;
  lane->deadline.flags = SLUICE_FLAG_UNREF; /* it is the limiter's deadline that keeps the loop alive */
  sluice__link_into(engine, &lane->deadline, &job->waiting, SLUICE__LIST_WAITING);
  sluice__record_lane(engine, SLUICE_RECORD_PARK,
                      sluice__gate_is_shut(job) ? SLUICE_REASON_ABANDONED : SLUICE_REASON_RATE, lane);
  sluice__gate_update(engine, job);
}

void sluice__gate_leave(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  int has_waited = lane->deadline.list == SLUICE__LIST_WAITING;
  sluice__disarm(engine, &lane->deadline);
  lane->deadline.flags = (uint8_t)(job->policy.flags & SLUICE_FLAG_UNREF);
  if (has_waited) sluice__gate_update(engine, job);
}
