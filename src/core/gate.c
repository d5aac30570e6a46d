/* The gate: where a job's attempts wait for a token of its rate, or for abandoned ones to end.
 *
 * Lanes wait in the order in which they came, first attempts and retries alike. The job has one deadline for the first
 * of them, the gate's own: it is a newborn like all others, but due when the bucket says so, whenever it was armed. It
 * is armed exactly while lanes wait and time can help; where they wait for an abandoned attempt, its end arms it. */
#include "internal.h"

static int has_too_many_abandoned(const struct sluice__job *job) {
  return job->counts.abandoned > job->policy.max_abandoned && job->policy.max_abandoned != SLUICE_UNLIMITED;
}

static int admits(struct sluice_engine *engine, struct sluice__job *job) {
  return !has_too_many_abandoned(job) && sluice__bucket_take(&job->bucket, sluice__time(engine));
}

int sluice__gate_pass(struct sluice_engine *engine, struct sluice__job *job) {
  return !job->has_gate || (sluice__list_empty(&job->waiting) && admits(engine, job));
}

void sluice__gate_update(struct sluice_engine *engine, struct sluice__job *job) {
  if (sluice__list_empty(&job->waiting)) {
    sluice__disarm(engine, &job->gate);
  } else if (job->gate.list == SLUICE__LIST_NONE && !has_too_many_abandoned(job)) {
    sluice__arm(engine, &job->gate, SLUICE__KIND_GATE, 0);
  }
}

void sluice__gate_wait(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  lane->deadline.kind = SLUICE__KIND_WAIT;
  lane->deadline.flags = SLUICE_FLAG_UNREF; /* it is the gate's deadline that keeps the loop alive */
  sluice__link_into(engine, &lane->deadline, &job->waiting, SLUICE__LIST_WAITING);
  sluice__gate_update(engine, job);
}

void sluice__gate_leave(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  int has_waited = lane->deadline.list == SLUICE__LIST_WAITING;
  sluice__disarm(engine, &lane->deadline);
  lane->deadline.flags = (uint8_t)(job->policy.flags & SLUICE_FLAG_UNREF);
  if (has_waited) sluice__gate_update(engine, job);
}

struct sluice__lane *sluice__gate_next(struct sluice_engine *engine, struct sluice__job *job) {
  struct sluice__lane *lane = NULL;
  if (!sluice__list_empty(&job->waiting) && admits(engine, job)) {
    lane = sluice__lane_of(sluice__deadline_of(job->waiting.next));
    sluice__disarm(engine, &lane->deadline);
    lane->deadline.flags = (uint8_t)(job->policy.flags & SLUICE_FLAG_UNREF);
  }
  int may_admit = lane != NULL && !sluice__list_empty(&job->waiting) && !has_too_many_abandoned(job) &&
                  sluice__bucket_ready_at(&job->bucket) <= sluice__time(engine);
  if (may_admit) sluice__link_into(engine, &job->gate, &engine->ready, SLUICE__LIST_READY);
  else sluice__gate_update(engine, job);
  return lane;
}

uint64_t sluice__gate_due(const struct sluice_engine *engine, const struct sluice__job *job) {
  uint64_t due = sluice__bucket_ready_at(&job->bucket);
  return due > engine->now ? due : engine->now;
}
