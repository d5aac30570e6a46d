/* What can be asked of a job and its lanes, and what is told of those that were abandoned. The state machine is in
 * job.c. */
#include "hooks.h"
#include "internal.h"

int sluice_late(struct sluice_engine *engine, struct sluice_handle handle) {
  return sluice_late_of(engine, handle, SLUICE_ITEM_MAX, 0);
}

int sluice_late_of(struct sluice_engine *engine, struct sluice_handle handle, uint64_t item, uint32_t attempt) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  if (job->counts.abandoned == 0) return SLUICE_ESTATE;
  job->counts.abandoned--;
  sluice__record_late(engine, job, item, attempt);
  sluice__job_mark_dirty(engine, job);
  if (job->has_gate) sluice__gate_update(engine, job);
  return SLUICE_OK;
}

int sluice_count(struct sluice_engine *engine, struct sluice_handle handle, struct sluice_decision *decision) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  sluice__grant_sync(engine, job);
  decision->counts = job->counts;
  return SLUICE_OK;
}

static uint64_t left_of(const struct sluice__deadline *deadline, uint64_t now) {
  if (deadline->list == SLUICE__LIST_NONE) return SLUICE_NEVER;
  if (deadline->list == SLUICE__LIST_NEWBORN) return deadline->due;
  return deadline->due > now ? deadline->due - now : 0;
}

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

int sluice_remaining(struct sluice_engine *engine, struct sluice_handle handle, uint64_t now,
                     struct sluice_decision *decision) {
  struct sluice__lane *lane = sluice__lane_find(engine, handle);
  if (lane == NULL) return SLUICE_ESTALE;
  if (lane->deadline.state == SLUICE__LANE_ALONE) {
    decision->delay = left_of(&lane->deadline, now);
    return SLUICE_OK;
  }
  int has_attempt = lane->deadline.state == SLUICE__LANE_RUNNING || lane->deadline.state == SLUICE__LANE_REVIEWING;
  if (!has_attempt) return SLUICE_ESTATE;
  struct sluice__job *job = sluice__job_at(engine, lane->job);
  sluice__grant_sync(engine, job);
  sluice__grant_sync_lane(engine, job, lane);
  uint64_t left = least(left_of(&lane->deadline, now), left_of(&job->total, now));
  if (job->has_items && job->policy.item_timeout < SLUICE_NEVER)
    left = least(left, left_of(&sluice__item_at(engine, lane->slot.number)->deadline, now));
  decision->delay = left;
  return SLUICE_OK;
}
