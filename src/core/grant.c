/* Grants: runs of items that lanes take without a call. The contract stands in sluice.h. */
#include "hooks.h"
#include "internal.h"

static int has_lane_word(const struct sluice_engine *engine, const struct sluice__lane *lane) {
  return engine->grants != NULL && lane->slot.number < SLUICE_GRANT_LANES;
}

static int has_job_word(const struct sluice_engine *engine, const struct sluice__job *job) {
  return engine->grants != NULL && job->slot.number < SLUICE_GRANT_JOBS;
}

static int32_t *next_item_word(const struct sluice_engine *engine, const struct sluice__job *job) {
  return &engine->grants->next_item[job->slot.number];
}

void sluice__grant_sync(struct sluice_engine *engine, struct sluice__job *job) {
  if (job->granted_end == 0) return;
  int64_t next_item = *next_item_word(engine, job);
  int64_t taken = next_item - (int64_t)job->next_item;
  if (taken <= 0 || next_item > (int64_t)job->granted_end) return; /* nothing, or forged */
  job->next_item += (uint64_t)taken;
  job->counts.started += (uint64_t)taken;
  job->counts.done += (uint64_t)taken;
  sluice__job_mark_dirty(engine, job);
}

/* Where items start without our knowing, ties between first attempts are broken by the items' order: their own. */
static void set_serial(struct sluice_engine *engine, const struct sluice__job *job, struct sluice__lane *lane) {
  uint32_t serial = job->granted_serial + (uint32_t)(lane->item - job->granted_start);
  lane->deadline.serial = serial;
  if (job->has_items)
    sluice__item_at(engine, lane->slot.number)->deadline.serial = serial; /* and is the first in line */
}

void sluice__grant_sync_lane(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  if (job->granted_end == 0 || !has_lane_word(engine, lane)) return;
  int64_t item = engine->grants->item[lane->slot.number];
  if (lane->deadline.state != SLUICE__LANE_RUNNING || item <= (int64_t)lane->item) return;
  if (item >= (int64_t)job->next_item) return; /* forged */
  sluice__disarm(engine, &lane->deadline);
  lane->item = (uint64_t)item;
  lane->attempt = 1;
  /* Armed here, but ties are broken as if at its start. */
  if (job->has_items) sluice__item_begin(engine, job, lane);
  sluice__arm(engine, &lane->deadline, SLUICE__KIND_ATTEMPT, job->policy.timeout);
  set_serial(engine, job, lane);
}

void sluice__grant_note_start(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  if (job->granted_end != 0 && lane->attempt == 1) set_serial(engine, job, lane);
  if (!has_lane_word(engine, lane)) return;
  /* The driver's caller may let another thread look at it. */
  __atomic_store_n(&engine->grants->item[lane->slot.number], (int32_t)lane->item, __ATOMIC_RELAXED);
}

void sluice__grant_end(struct sluice_engine *engine, struct sluice__job *job) {
  if (job->granted_end == 0) return;
  *next_item_word(engine, job) = SLUICE_GRANT_NONE;
  job->granted_end = 0;
  sluice__list_unlink(&job->granted);
}

void sluice__grant_revoke(struct sluice_engine *engine, struct sluice__job *job) {
  if (job->granted_end == 0) return;
  sluice__grant_sync(engine, job);
  for (uint32_t number = job->first_lane; number != SLUICE__NO_SLOT;) {
    struct sluice__lane *lane = sluice__lane_at(engine, number);
    number = lane->next;
    sluice__grant_sync_lane(engine, job, lane);
  }
  sluice__grant_end(engine, job);
}

void sluice__grant(struct sluice_engine *engine, struct sluice__job *job, struct sluice_decision *decision) {
  if (!has_job_word(engine, job) || job->pulls || job->is_exhausted || job->semaphore != NULL) return;
  uint64_t end = job->next_item + engine->stride - 1;
  if (end > job->policy.items) end = job->policy.items;
  uint64_t room = sluice__window_room(job);
  if (end - job->next_item > room) end = job->next_item + room;
  if (end == job->next_item || end >= SLUICE_GRANT_NONE) {
    sluice__grant_revoke(engine, job);
    return;
  }
  if (job->granted_end == 0) {
    sluice__list_append(&engine->granted, &job->granted);
    job->granted_start = job->next_item;
    job->granted_serial = engine->serial;
  }
  engine->serial += (uint32_t)(end - job->next_item);
  job->granted_end = end;
  *next_item_word(engine, job) = (int32_t)job->next_item;
  sluice__record_grant(engine, job);
  decision->granted = end;
}
