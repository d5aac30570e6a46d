/* A job: items through lanes under one policy.
 *
 *                     join
 *                      |
 *                      v                      FULFILLED, items left: the next item's first attempt
 *   (ASYNC) PULLING -> RUNNING <------------------------------------------------.
 *                      |   |  \_ FULFILLED, none left -> REST, the last lane: DONE
 *                      |   \____ REJECTED or timed out, retries left -> PARKED (backoff) -> RUNNING, attempt + 1
 *                      \________ REJECTED or timed out, none left -> FAIL, or with COLLECT as if FULFILLED
 *
 * A lane that would start while the loop is owed a turn is PARKED first. Then it has not taken an item yet: items are
 * taken in the order in which they start, so that a source is pulled in the order of its numbers. */
#include <string.h>

#include "internal.h"

_Static_assert(sizeof(struct sluice__deadline) == 32, "a deadline is half a cache line");
_Static_assert(sizeof(struct sluice__lane) == 64, "a lane is a cache line");

static struct sluice__job *job_of(const struct sluice_engine *engine, const struct sluice__lane *lane) {
  return sluice__job_at(engine, lane->job);
}

static void mark_dirty(struct sluice_engine *engine, struct sluice__job *job) {
  if ((job->policy.flags & SLUICE_FLAG_PROGRESS) == 0 || !sluice__list_empty(&job->progress)) return;
  sluice__list_append(&engine->dirty, &job->progress);
  engine->referenced++;
}

static void clear_dirty(struct sluice_engine *engine, struct sluice__job *job) {
  if (sluice__list_empty(&job->progress)) return;
  sluice__list_unlink(&job->progress);
  engine->referenced--;
}

static void free_lane(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  sluice__disarm(engine, &lane->deadline);
  if (lane->prev == SLUICE__NO_SLOT) job->first_lane = lane->next;
  else sluice__lane_at(engine, lane->prev)->next = lane->next;
  if (lane->next != SLUICE__NO_SLOT) sluice__lane_at(engine, lane->next)->prev = lane->prev;
  job->lane_count--;
  sluice__slab_give_back(&engine->lanes, &lane->slot);
}

static int has_lane_word(const struct sluice_engine *engine, const struct sluice__lane *lane) {
  return engine->grants != NULL && lane->slot.number < SLUICE_GRANT_LANES;
}

static int has_grant_word(const struct sluice_engine *engine, const struct sluice__job *job) {
  return engine->grants != NULL && job->slot.number < SLUICE_GRANT_JOBS;
}

static int32_t *next_item_word(const struct sluice_engine *engine, const struct sluice__job *job) {
  return &engine->grants->next_item[job->slot.number];
}

void sluice__job_sync(struct sluice_engine *engine, struct sluice__job *job) {
  if (job->granted_end == 0) return;
  int64_t next_item = *next_item_word(engine, job);
  int64_t taken = next_item - (int64_t)job->next_item;
  if (taken <= 0 || next_item > (int64_t)job->granted_end) return; /* nothing, or forged */
  job->next_item += (uint64_t)taken;
  job->counts.started += (uint64_t)taken;
  job->counts.done += (uint64_t)taken;
  mark_dirty(engine, job);
}

/* Where items start without our knowing, ties between first attempts are broken by the items' order: their own. */
static uint32_t granted_serial(const struct sluice__job *job, const struct sluice__lane *lane) {
  return job->granted_serial + (uint32_t)(lane->item - job->granted_start);
}

void sluice__job_sync_lane(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  if (job->granted_end == 0 || !has_lane_word(engine, lane)) return;
  int64_t item = engine->grants->item[lane->slot.number];
  if (lane->deadline.state != SLUICE__LANE_RUNNING || item <= (int64_t)lane->item) return;
  if (item >= (int64_t)job->next_item) return; /* forged */
  sluice__disarm(engine, &lane->deadline);
  lane->item = (uint64_t)item;
  lane->attempt = 1;
  /* Armed here, but ties are broken as if at its start. */
  sluice__arm(engine, &lane->deadline, SLUICE__KIND_ATTEMPT, job->policy.timeout);
  lane->deadline.serial = granted_serial(job, lane);
}

static void end_grant(struct sluice_engine *engine, struct sluice__job *job) {
  if (job->granted_end == 0) return;
  *next_item_word(engine, job) = SLUICE_GRANT_NONE;
  job->granted_end = 0;
  sluice__list_unlink(&job->granted);
}

void sluice__job_revoke(struct sluice_engine *engine, struct sluice__job *job) {
  if (job->granted_end == 0) return;
  sluice__job_sync(engine, job);
  for (uint32_t number = job->first_lane; number != SLUICE__NO_SLOT;) {
    struct sluice__lane *lane = sluice__lane_at(engine, number);
    number = lane->next;
    sluice__job_sync_lane(engine, job, lane);
  }
  end_grant(engine, job);
}

/* After START: lets the job's lanes go on by themselves for as many items as the clock need not be read. */
static void grant(struct sluice_engine *engine, struct sluice__job *job, struct sluice_decision *decision) {
  if (!has_grant_word(engine, job) || job->policy.source == SLUICE_SOURCE_ASYNC) return;
  uint64_t end = job->next_item + engine->stride - 1;
  if (end > job->policy.items) end = job->policy.items;
  if (end <= job->next_item || end >= SLUICE_GRANT_NONE) {
    sluice__job_revoke(engine, job);
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
  decision->granted = end;
}

void sluice__job_close(struct sluice_engine *engine, struct sluice__job *job, enum sluice_action action,
                       struct sluice_decision *decision) {
  sluice__job_sync(engine, job);
  end_grant(engine, job);
  while (job->first_lane != SLUICE__NO_SLOT) free_lane(engine, job, sluice__lane_at(engine, job->first_lane));
  sluice__disarm(engine, &job->total);
  clear_dirty(engine, job);
  decision->action = action;
  decision->counts = job->counts;
  sluice__slab_give_back(&engine->jobs, &job->slot);
}

static void run_attempt(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                        struct sluice_decision *decision) {
  lane->deadline.state = SLUICE__LANE_RUNNING;
  sluice__arm(engine, &lane->deadline, SLUICE__KIND_ATTEMPT, job->policy.timeout);
  if (job->granted_end != 0 && lane->attempt == 1) lane->deadline.serial = granted_serial(job, lane);
  if (has_lane_word(engine, lane)) engine->grants->item[lane->slot.number] = (int32_t)lane->item;
  decision->action = SLUICE_ACTION_START;
  decision->granted = 0;
  decision->item = lane->item;
  decision->attempt = lane->attempt;
}

static void park(struct sluice__lane *lane, struct sluice_decision *decision) {
  lane->deadline.state = SLUICE__LANE_PARKED;
  decision->action = SLUICE_ACTION_PARK;
  decision->attempt = lane->attempt;
}

static void yield(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  lane->deadline.kind = SLUICE__KIND_YIELD;
  lane->deadline.flags =
      0; /* a pause of our own, not a wait: the loop stays alive for it, also for an unreferenced job */
  sluice__link_into(engine, &lane->deadline, &engine->yielded, SLUICE__LIST_YIELDED);
  park(lane, decision);
}

static void rest(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                 struct sluice_decision *decision) {
  free_lane(engine, job, lane);
  if (job->lane_count == 0) sluice__job_close(engine, job, SLUICE_ACTION_DONE, decision);
  else decision->action = SLUICE_ACTION_REST;
}

static int has_next_item(const struct sluice__job *job) {
  return job->next_item < job->policy.items && !job->is_exhausted;
}

static void start_next_item(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                            struct sluice_decision *decision) {
  lane->item = job->next_item++;
  lane->attempt = 1;
  job->counts.started++;
  mark_dirty(engine, job);
  run_attempt(engine, job, lane, decision);
}

static void take_next_item(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                           struct sluice_decision *decision) {
  if (job->policy.source == SLUICE_SOURCE_ASYNC) {
    lane->deadline.state = SLUICE__LANE_PULLING;
    decision->action = SLUICE_ACTION_PULL;
  } else {
    start_next_item(engine, job, lane, decision);
  }
}

/* The first `limit` items of a source that can be read at once start inside the call that opened the job, whatever the
 * time. */
static int starts_in_call(const struct sluice__job *job) {
  return job->policy.source != SLUICE_SOURCE_ASYNC && job->next_item < job->policy.limit;
}

/* A lane is free: it takes the next item in the same turn, unless the loop is owed one. */
static void advance(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                    struct sluice_decision *decision) {
  if (!has_next_item(job) || job->is_pulling) {
    rest(engine, job, lane, decision);
    return;
  }
  job->is_pulling = job->policy.source == SLUICE_SOURCE_ASYNC;
  if (sluice__must_yield(engine, job) && !starts_in_call(job)) {
    lane->attempt = 0;
    yield(engine, lane, decision);
  } else {
    take_next_item(engine, job, lane, decision);
  }
}

static void retry(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                  struct sluice_decision *decision) {
  uint64_t delay = sluice__backoff_delay(&job->policy.backoff, (uint32_t)lane->attempt, &engine->rng);
  if (lane->attempt < SLUICE_ATTEMPT_MAX) lane->attempt++;
  job->counts.retried++;
  if (delay > 0) {
    /* A wait without end is kept until it is stamped: it may outlive a total timeout. */
    sluice__arm(engine, &lane->deadline, SLUICE__KIND_BACKOFF, delay < SLUICE_NEVER ? delay : SLUICE_NEVER - 1);
    park(lane, decision);
  } else if (sluice__must_yield(engine, job)) {
    yield(engine, lane, decision);
  } else {
    run_attempt(engine, job, lane, decision);
  }
}

static void fail(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane, int may_retry,
                 struct sluice_decision *decision) {
  uint32_t retries_used = (uint32_t)lane->attempt - 1;
  if (may_retry && (retries_used < job->policy.retries || job->policy.retries == SLUICE_UNLIMITED)) {
    retry(engine, job, lane, decision);
    return;
  }
  job->counts.failed++;
  if (job->policy.flags & SLUICE_FLAG_COLLECT) advance(engine, job, lane, decision);
  else sluice__job_close(engine, job, SLUICE_ACTION_FAIL, decision);
}

void sluice__job_timed_out(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  struct sluice__job *job = job_of(engine, lane);
  job->counts.timed_out++;
  job->counts.abandoned++;
  mark_dirty(engine, job);
  sluice__slab_renew(&lane->slot);
  decision->lane = sluice__slot_handle(&lane->slot);
  fail(engine, job, lane, 1, decision);
}

void sluice__job_resume(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  struct sluice__job *job = job_of(engine, lane);
  lane->deadline.flags = (uint8_t)(job->policy.flags & SLUICE_FLAG_UNREF);
  sluice__job_sync(engine, job);
  if (lane->attempt != 0) {
    run_attempt(engine, job, lane, decision);
  } else if (has_next_item(job)) {
    take_next_item(engine, job, lane, decision);
  } else {
    rest(engine, job, lane, decision);
  }
}

static int policy_valid(const struct sluice_policy *policy) {
  if (policy->limit == 0 || policy->source > SLUICE_SOURCE_ASYNC) return 0;
  if (policy->items > SLUICE_ITEM_MAX && policy->items != SLUICE_UNKNOWN) return 0;
  if (policy->items == SLUICE_UNKNOWN && policy->source == SLUICE_SOURCE_INDEXED) return 0;
  if (policy->flags & ~(uint32_t)(SLUICE_FLAG_UNREF | SLUICE_FLAG_PROGRESS | SLUICE_FLAG_COLLECT)) return 0;
  return sluice__backoff_valid(&policy->backoff);
}

int sluice_open(struct sluice_engine *engine, const struct sluice_policy *policy, struct sluice_decision *decision) {
  if (!policy_valid(policy)) return SLUICE_EINVAL;
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
  sluice__deadline_init(&job->total, SLUICE__LANE_ALONE, policy->flags & SLUICE_FLAG_UNREF);
  sluice__arm(engine, &job->total, SLUICE__KIND_TOTAL, policy->total_timeout);
  decision->job = sluice__slot_handle(slot);
  return SLUICE_OK;
}

int sluice_join(struct sluice_engine *engine, struct sluice_handle handle, struct sluice_decision *decision) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  sluice__job_sync(engine, job);
  int is_full = job->lane_count >= job->policy.limit && job->policy.limit != SLUICE_UNLIMITED;
  if (is_full || job->is_pulling || !has_next_item(job)) {
    decision->action = SLUICE_ACTION_REST;
    return SLUICE_OK;
  }
  struct sluice__slot *slot;
  int error = sluice__slab_take(&engine->lanes, &slot);
  if (error != SLUICE_OK) return error;
  struct sluice__lane *lane = (struct sluice__lane *)slot;
  sluice__deadline_init(&lane->deadline, SLUICE__LANE_PARKED, job->policy.flags & SLUICE_FLAG_UNREF);
  lane->job = job->slot.number;
  lane->prev = SLUICE__NO_SLOT;
  lane->next = job->first_lane;
  if (lane->next != SLUICE__NO_SLOT) sluice__lane_at(engine, lane->next)->prev = slot->number;
  job->first_lane = slot->number;
  job->lane_count++;
  decision->lane = sluice__slot_handle(slot);
  advance(engine, job, lane, decision);
  return SLUICE_OK;
}

static int pulled(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                  struct sluice_decision *decision) {
  if (lane->deadline.state != SLUICE__LANE_PULLING) return SLUICE_ESTATE;
  job->is_pulling = 0;
  start_next_item(engine, job, lane, decision);
  return SLUICE_OK;
}

static int exhausted(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                     struct sluice_decision *decision) {
  if (lane->deadline.state == SLUICE__LANE_RUNNING) {
    /* A SYNC source had no item for the START just answered: the item never was. */
    int is_latest = lane->attempt == 1 && lane->item + 1 == job->next_item;
    if (job->policy.source != SLUICE_SOURCE_SYNC || !is_latest) return SLUICE_ESTATE;
    sluice__job_revoke(engine, job);
    job->next_item--;
    job->counts.started--;
    mark_dirty(engine, job);
  } else if (lane->deadline.state == SLUICE__LANE_PULLING) {
    job->is_pulling = 0;
  } else {
    return SLUICE_ESTATE;
  }
  job->is_exhausted = 1;
  rest(engine, job, lane, decision);
  return SLUICE_OK;
}

static int settle(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                  enum sluice_outcome outcome, struct sluice_decision *decision) {
  if (lane->deadline.state != SLUICE__LANE_RUNNING) return SLUICE_ESTATE;
  sluice__disarm(engine, &lane->deadline);
  mark_dirty(engine, job);
  if (outcome == SLUICE_OUTCOME_FULFILLED) {
    job->counts.done++;
    advance(engine, job, lane, decision);
  } else {
    fail(engine, job, lane, outcome == SLUICE_OUTCOME_REJECTED, decision);
  }
  return SLUICE_OK;
}

int sluice_step(struct sluice_engine *engine, struct sluice_handle handle, enum sluice_outcome outcome,
                struct sluice_decision *decision) {
  struct sluice__lane *lane = sluice__lane_find(engine, handle);
  if (lane == NULL) return SLUICE_ESTALE;
  if (lane->deadline.state == SLUICE__LANE_ALONE) return SLUICE_ESTATE;
  struct sluice__job *job = job_of(engine, lane);
  sluice__job_sync(engine, job);
  sluice__job_sync_lane(engine, job, lane);
  int error = SLUICE_EINVAL;
  switch (outcome) {
    case SLUICE_OUTCOME_FULFILLED:
    case SLUICE_OUTCOME_REJECTED:
    case SLUICE_OUTCOME_REFUSED:
      error = settle(engine, job, lane, outcome, decision);
      break;
    case SLUICE_OUTCOME_PULLED:
      error = pulled(engine, job, lane, decision);
      break;
    case SLUICE_OUTCOME_EXHAUSTED:
      error = exhausted(engine, job, lane, decision);
      break;
  }
  if (error == SLUICE_OK && decision->action == SLUICE_ACTION_START) grant(engine, job, decision);
  return error;
}

int sluice_abort(struct sluice_engine *engine, struct sluice_handle handle, struct sluice_decision *decision) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  sluice__job_close(engine, job, SLUICE_ACTION_FAIL, decision);
  return SLUICE_OK;
}

int sluice_late(struct sluice_engine *engine, struct sluice_handle handle) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  if (job->counts.abandoned == 0) return SLUICE_ESTATE;
  job->counts.abandoned--;
  mark_dirty(engine, job);
  return SLUICE_OK;
}

int sluice_count(struct sluice_engine *engine, struct sluice_handle handle, struct sluice_decision *decision) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  sluice__job_sync(engine, job);
  decision->counts = job->counts;
  return SLUICE_OK;
}
