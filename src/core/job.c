/* A job: items through lanes under one policy.
 *
 *                     join
 *                      |
 *                      v                        FULFILLED, items left: the next item's first attempt
 *   (pulls) PULLING -> RUNNING <--------------------------------------------------.
 *              \       |   |  \_ FULFILLED, none left -> REST, the last lane: DONE
 *               \      |   \____ REJECTED or timed out, retries left -> PARKED (backoff) -> RUNNING, attempt + 1
 *                PARKED|              \-> REVIEWING -> PARKED (backoff)
 *               (gate) \________ REJECTED or timed out, none left -> FAIL, or with COLLECT as if FULFILLED
 *
 * A lane that would start while the loop is owed a turn is PARKED first. Then it has not taken an item yet: items are
 * taken in the order in which they start, so that a source is pulled in the order of its numbers. Where a start may
 * have to wait at the gate, the item is pulled before: an empty source is known to be empty without waiting.
 *
 * A job that failed and drains has RUNNING lanes only, and nothing starts in it any more. */
#include "hooks.h"
#include "internal.h"

_Static_assert(sizeof(struct sluice__deadline) == 32, "a deadline is half a cache line");
_Static_assert(sizeof(struct sluice__lane) == 64, "a lane is a cache line");

static struct sluice__job *job_of(const struct sluice_engine *engine, const struct sluice__lane *lane) {
  return sluice__job_at(engine, lane->job);
}

void sluice__job_mark_dirty(struct sluice_engine *engine, struct sluice__job *job) {
  if ((job->policy.flags & SLUICE_FLAG_PROGRESS) == 0 || !sluice__list_empty(&job->progress)) return;
  sluice__list_append(&engine->dirty, &job->progress);
  engine->referenced++;
}

static void clear_dirty(struct sluice_engine *engine, struct sluice__job *job) {
  if (sluice__list_empty(&job->progress)) return;
  sluice__list_unlink(&job->progress);
  engine->referenced--;
}

static struct sluice__item *item_of(const struct sluice_engine *engine, const struct sluice__lane *lane) {
  return sluice__item_at(engine, lane->slot.number);
}

static void end_item(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  if (job->has_items) sluice__disarm(engine, &item_of(engine, lane)->deadline);
}

/* Nobody has told the recorder yet how its attempt ended. */
static int is_untold(const struct sluice_engine *engine, const struct sluice__lane *lane) {
  if (lane->deadline.state == SLUICE__LANE_REVIEWING) return !item_of(engine, lane)->is_told;
  return lane->deadline.state == SLUICE__LANE_RUNNING;
}

static void free_lane(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  sluice__gate_leave(engine, job, lane);
  if (job->semaphore != NULL) sluice__permit_drop(engine, job, lane);
  end_item(engine, job, lane);
  if (lane->prev == SLUICE__NO_SLOT) job->first_lane = lane->next;
  else sluice__lane_at(engine, lane->prev)->next = lane->next;
  if (lane->next != SLUICE__NO_SLOT) sluice__lane_at(engine, lane->next)->prev = lane->prev;
  job->lane_count--;
  sluice__slab_give_back(&engine->lanes, &lane->slot);
}

/* The lane and its item end without an outcome. */
static void drop_lane(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  job->dropped += lane->deadline.state != SLUICE__LANE_PULLING && lane->attempt != 0;
  free_lane(engine, job, lane);
}

static enum sluice_record_reason close_reason(const struct sluice__job *job, enum sluice_action action) {
  if (action != SLUICE_ACTION_DONE) return SLUICE_REASON_FAIL;
  return job->is_draining ? SLUICE_REASON_DRAIN : SLUICE_REASON_DONE;
}

static void close_job(struct sluice_engine *engine, struct sluice__job *job, enum sluice_action action,
                      struct sluice_decision *decision) {
  sluice__grant_sync(engine, job);
  sluice__grant_end(engine, job);
  while (job->first_lane != SLUICE__NO_SLOT) free_lane(engine, job, sluice__lane_at(engine, job->first_lane));
  sluice__disarm(engine, &job->total);
  sluice__window_clear(job);
  clear_dirty(engine, job);
  engine->rated -= sluice__job_is_rated(job);
  sluice__limiter_detach(engine, job);
  if (job->semaphore != NULL) sluice__permit_detach(engine, job);
  sluice__record_job(engine, SLUICE_RECORD_CLOSE, close_reason(job, action), job);
  decision->action = action;
  decision->counts = job->counts;
  sluice__slab_give_back(&engine->jobs, &job->slot);
}

void sluice__job_fail(struct sluice_engine *engine, struct sluice__job *job, struct sluice_decision *decision) {
  if ((job->policy.flags & SLUICE_FLAG_DRAIN) && !job->is_draining) {
    sluice__grant_revoke(engine, job);
    for (uint32_t number = job->first_lane; number != SLUICE__NO_SLOT;) {
      struct sluice__lane *lane = sluice__lane_at(engine, number);
      number = lane->next;
      if (lane->deadline.state == SLUICE__LANE_RUNNING) end_item(engine, job, lane);
      else drop_lane(engine, job, lane);
    }
    if (job->lane_count != 0) {
      sluice__disarm(engine, &job->total);
      job->is_draining = 1;
      job->is_pulling = 0;
      if (job->semaphore != NULL) sluice__permit_quit(engine, job);
      decision->action = SLUICE_ACTION_DRAIN;
      decision->counts = job->counts;
      return;
    }
  }
  close_job(engine, job, SLUICE_ACTION_FAIL, decision);
}

static void run_attempt(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                        struct sluice_decision *decision) {
  lane->deadline.state = SLUICE__LANE_RUNNING;
  sluice__record_start(engine, lane);
  sluice__arm(engine, &lane->deadline, SLUICE__KIND_ATTEMPT, job->policy.timeout);
  sluice__grant_note_start(engine, job, lane);
  decision->action = SLUICE_ACTION_START;
  decision->granted = 0;
  decision->item = lane->item;
  decision->attempt = lane->attempt;
}

static void park(struct sluice__lane *lane, struct sluice_decision *decision) {
  lane->deadline.state = SLUICE__LANE_PARKED;
  decision->action = SLUICE_ACTION_PARK;
  decision->item = lane->item;
  decision->attempt = lane->attempt;
  decision->delay = 0;
}

/* A pause of our own, not a wait: the loop stays alive for it, also for an unreferenced job. */
static void yield(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  lane->deadline.kind = SLUICE__KIND_YIELD;
  lane->deadline.flags = 0;
  sluice__link_into(engine, &lane->deadline, &engine->yielded, SLUICE__LIST_YIELDED);
  sluice__record_lane(engine, SLUICE_RECORD_YIELD, SLUICE_REASON_NONE, lane);
  park(lane, decision);
}

/* The lane's next attempt starts, unless it has to wait for that. */
static void start(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                  struct sluice_decision *decision) {
  if (job->semaphore != NULL && !lane->has_permit && !sluice__permit_take(engine, job, lane)) {
    sluice__permit_wait(engine, job, lane);
    sluice__record_lane(engine, SLUICE_RECORD_PARK, SLUICE_REASON_LIMIT, lane);
    park(lane, decision);
  } else if (!job->has_gate || sluice__gate_pass(engine, job)) {
    run_attempt(engine, job, lane, decision);
  } else {
    sluice__gate_wait(engine, job, lane);
    park(lane, decision);
  }
}

static void rest(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                 struct sluice_decision *decision) {
  free_lane(engine, job, lane);
  if (job->lane_count == 0) close_job(engine, job, SLUICE_ACTION_DONE, decision);
  else decision->action = SLUICE_ACTION_REST;
}

static void start_next_item(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                            struct sluice_decision *decision) {
  lane->item = job->next_item++;
  lane->attempt = 1;
  job->counts.started++;
  sluice__job_mark_dirty(engine, job);
  if (job->has_items) sluice__item_begin(engine, job, lane);
  start(engine, job, lane, decision);
}

/* A lane that has a permit, or can have one now, starts the next item; one that would have to wait pulls it before. */
static void take_next_item(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                           struct sluice_decision *decision) {
  int must_wait = job->semaphore != NULL && !job->pulls && !lane->has_permit && !sluice__permit_take(engine, job, lane);
  if (must_wait && job->lane_count > 1) {
    job->is_pulling = 0;
    sluice__permit_claim(engine, job); /* for another lane, or for this one again */
    rest(engine, job, lane, decision);
    return;
  }
  job->is_pulling = job->pulls || must_wait;
  if (job->is_pulling) {
    lane->deadline.state = SLUICE__LANE_PULLING;
    decision->action = SLUICE_ACTION_PULL;
    decision->item = job->next_item;
    decision->attempt = 0;
  } else {
    start_next_item(engine, job, lane, decision);
  }
}

/* The first `limit` items of a source that can be read at once start inside the call that opened the job, whatever the
 * time. */
static int starts_in_call(const struct sluice__job *job) {
  return job->policy.source != SLUICE_SOURCE_ASYNC && job->semaphore == NULL && job->next_item < job->policy.limit;
}

/* One of its lanes sees to the next item, or waits for a permit with it: no other takes one. */
static int is_taking(const struct sluice__job *job) {
  return job->is_pulling || job->claimant != SLUICE__NO_SLOT;
}

static void wait_for_room(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                          struct sluice_decision *decision) {
  if (job->semaphore != NULL) sluice__permit_decline(engine, job); /* its reader may take for ever */
  sluice__window_wait(engine, job, lane);
  sluice__record_lane(engine, SLUICE_RECORD_PARK, SLUICE_REASON_ROOM, lane);
  park(lane, decision);
}

/* A lane is free: it takes the next item in the same turn, unless the loop is owed one. */
static void advance(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                    struct sluice_decision *decision) {
  if (!sluice__job_has_next_item(job) || is_taking(job)) {
    rest(engine, job, lane, decision);
    return;
  }
  int has_room = sluice__window_room(job) > 0;
  int must_yield = sluice__must_yield(engine, job) && !starts_in_call(job);
  if (lane->has_permit && (!has_room || must_yield || job->pulls || sluice__permit_is_wanted(job)))
    sluice__permit_drop(engine, job, lane);
  if (has_room && !must_yield) {
    take_next_item(engine, job, lane, decision);
    return;
  }
  job->is_pulling = job->pulls || job->semaphore != NULL;
  lane->attempt = 0;
  if (must_yield) yield(engine, lane, decision);
  else wait_for_room(engine, job, lane, decision);
}

static void retry(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane, uint64_t delay,
                  struct sluice_decision *decision) {
  sluice__record_wait(engine, SLUICE_RECORD_RETRY, SLUICE_REASON_NONE, lane, delay);
  if (lane->attempt < SLUICE_ATTEMPT_MAX) lane->attempt++;
  job->counts.retried++;
  if (delay > 0) {
    /* A wait without end is kept until it is stamped: it may outlive a total timeout. */
    sluice__arm(engine, &lane->deadline, SLUICE__KIND_BACKOFF, delay < SLUICE_NEVER ? delay : SLUICE_NEVER - 1);
    sluice__record_wait(engine, SLUICE_RECORD_PARK, SLUICE_REASON_BACKOFF, lane, delay);
    park(lane, decision);
    decision->delay = delay;
  } else if (sluice__must_yield(engine, job)) {
    yield(engine, lane, decision);
  } else {
    start(engine, job, lane, decision);
  }
}

static void review(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                   struct sluice_decision *decision) {
  uint32_t attempt = (uint32_t)lane->attempt;
  uint32_t retries = job->policy.retries;
  if (lane->deadline.state != SLUICE__LANE_REVIEWING) item_of(engine, lane)->is_told = !is_untold(engine, lane);
  lane->deadline.state = SLUICE__LANE_REVIEWING;
  decision->action = SLUICE_ACTION_REVIEW;
  if (item_of(engine, lane)->has_failed) {
    decision->attempt = decision->retries_left = 0;
    decision->delay = decision->item_elapsed = 0;
    return;
  }
  decision->attempt = attempt < SLUICE_ATTEMPT_MAX ? attempt + 1 : attempt;
  decision->retries_left = retries == SLUICE_UNLIMITED ? retries : retries - (attempt - 1);
  decision->delay = item_of(engine, lane)->wait;
  decision->item_elapsed = sluice__item_elapsed(engine, job, lane);
}

static int has_retry_left(const struct sluice__job *job, const struct sluice__lane *lane) {
  return (uint32_t)lane->attempt - 1 < job->policy.retries || job->policy.retries == SLUICE_UNLIMITED;
}

/* Whether the caller is asked about this item, which has failed: once. */
static int has_verdict_to_come(const struct sluice_engine *engine, const struct sluice__job *job,
                               const struct sluice__lane *lane) {
  return (job->policy.flags & SLUICE_FLAG_VERDICT) != 0 && !job->is_draining && !item_of(engine, lane)->has_failed;
}

/* The item has failed for good. */
static void give_up(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                    struct sluice_decision *decision) {
  end_item(engine, job, lane);
  if (is_untold(engine, lane)) sluice__record_lane(engine, SLUICE_RECORD_FAIL, SLUICE_REASON_NONE, lane);
  if (has_verdict_to_come(engine, job, lane)) {
    item_of(engine, lane)->has_failed = 1;
    lane->deadline.state = SLUICE__LANE_PARKED; /* its attempt is over */
    review(engine, job, lane, decision);
    return;
  }
  job->counts.failed++;
  sluice__job_mark_dirty(engine, job);
  lane->deadline.state = SLUICE__LANE_PARKED;
  lane->attempt = 0; /* the lane holds no item now */
  if (job->is_draining) rest(engine, job, lane, decision);
  else if (job->policy.flags & SLUICE_FLAG_COLLECT) advance(engine, job, lane, decision);
  else sluice__job_fail(engine, job, decision);
}

static void fail(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                 struct sluice_decision *decision) {
  if (!has_retry_left(job, lane) || job->is_draining) {
    give_up(engine, job, lane, decision);
    return;
  }
  uint64_t previous = job->has_items ? item_of(engine, lane)->wait : 0;
  uint64_t delay = sluice__backoff_delay(&job->policy.backoff, (uint32_t)lane->attempt, previous, &engine->rng);
  if (job->has_items) item_of(engine, lane)->wait = delay;
  if (job->policy.flags & SLUICE_FLAG_REVIEW) review(engine, job, lane, decision);
  else retry(engine, job, lane, delay, decision);
}

/* What the lane's attempt comes to is nobody's business any more. */
static void abandon(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                    enum sluice_record_reason reason, struct sluice_decision *decision) {
  sluice__record_lane(engine, SLUICE_RECORD_TIMEOUT, reason, lane);
  if (lane->deadline.state == SLUICE__LANE_RUNNING) {
    sluice__record_lane(engine, SLUICE_RECORD_ABANDON, SLUICE_REASON_NONE, lane);
    job->counts.timed_out++;
    job->counts.abandoned++;
    sluice__job_mark_dirty(engine, job);
  }
  sluice__gate_leave(engine, job, lane);
  if (job->claimant == lane->slot.number) sluice__permit_drop(engine, job, lane);
  sluice__slab_renew(&lane->slot);
  lane->deadline.state = SLUICE__LANE_PARKED; /* its attempt is over */
  decision->lane = sluice__slot_handle(&lane->slot);
}

void sluice__job_timed_out(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  struct sluice__job *job = job_of(engine, lane);
  abandon(engine, job, lane, SLUICE_REASON_ATTEMPT, decision);
  fail(engine, job, lane, decision);
}

void sluice__job_item_over(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  struct sluice__job *job = job_of(engine, lane);
  abandon(engine, job, lane, SLUICE_REASON_ITEM, decision);
  give_up(engine, job, lane, decision);
}

void sluice__job_outlived(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  struct sluice__job *job = job_of(engine, lane);
  sluice__grant_sync(engine, job); /* its lanes may have been granted a run since the stamp */
  job->counts.retried--;           /* the retry never was */
  int is_item = lane->deadline.kind == SLUICE__KIND_ITEM_OUTLIVED;
  enum sluice_record_reason reason = is_item ? SLUICE_REASON_ITEM : SLUICE_REASON_TOTAL;
  abandon(engine, job, lane, reason, decision);
  give_up(engine, job, lane, decision);
}

static enum sluice_record_reason wake_reason(const struct sluice__lane *lane) {
  if (lane->deadline.kind == SLUICE__KIND_BACKOFF) return SLUICE_REASON_BACKOFF;
  if (lane->deadline.kind == SLUICE__KIND_YIELD) return SLUICE_REASON_YIELD;
  return lane->attempt != 0 ? SLUICE_REASON_LIMIT : SLUICE_REASON_ROOM; /* HANDED */
}

int sluice__job_resume(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  struct sluice__job *job = job_of(engine, lane);
  lane->deadline.flags = (uint8_t)(job->policy.flags & SLUICE_FLAG_UNREF);
  sluice__grant_sync(engine, job);
  sluice__record_lane(engine, SLUICE_RECORD_WAKE, wake_reason(lane), lane);
  if (lane->attempt != 0) start(engine, job, lane, decision);
  else if (!sluice__job_has_next_item(job)) rest(engine, job, lane, decision);
  else if (sluice__window_room(job) > 0) take_next_item(engine, job, lane, decision);
  else wait_for_room(engine, job, lane, decision); /* another was faster */
  return decision->action != SLUICE_ACTION_PARK;
}

void sluice__job_start(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision) {
  struct sluice__job *job = job_of(engine, lane);
  int is_rated = (int)sluice__job_is_rated(job);
  sluice__record_lane(engine, SLUICE_RECORD_WAKE, is_rated ? SLUICE_REASON_RATE : SLUICE_REASON_ABANDONED, lane);
  run_attempt(engine, job, lane, decision);
}

int sluice_join(struct sluice_engine *engine, struct sluice_handle handle, struct sluice_decision *decision) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  sluice__grant_sync(engine, job);
  int had_spare = job->has_spare;
  int is_full = job->lane_count >= job->policy.limit && job->policy.limit != SLUICE_UNLIMITED;
  /* One that waits for room is enough. Of those that run some will; but where one pulls at a time the others rest then.
   */
  int is_one_by_one = job->pulls || job->semaphore != NULL;
  int has_waiting = !sluice__list_empty(&job->room) || (job->lane_count > 0 && !is_one_by_one);
  int has_no_room = sluice__window_room(job) == 0 && has_waiting;
  int is_useless = is_full || has_no_room || is_taking(job) || !sluice__job_has_next_item(job);
  if (!is_useless && job->semaphore != NULL && job->lane_count > 0 && !sluice__permit_is_free(job)) {
    sluice__permit_claim(engine, job);
    is_useless = !job->has_spare; /* one that was leased has become free just now */
  }
  if (is_useless) {
    if (job->semaphore != NULL) sluice__permit_decline(engine, job);
    decision->action = SLUICE_ACTION_REST;
    return SLUICE_OK;
  }
  struct sluice__slot *slot;
  int error = sluice__slab_take(&engine->lanes, &slot);
  if (error != SLUICE_OK) return error;
  if (job->has_items) error = sluice__items_reach(&engine->items, slot->number);
  if (error != SLUICE_OK) {
    sluice__slab_give_back(&engine->lanes, slot);
    return error;
  }
  struct sluice__lane *lane = (struct sluice__lane *)slot;
  sluice__deadline_init(&lane->deadline, SLUICE__LANE_PARKED, job->policy.flags & SLUICE_FLAG_UNREF);
  lane->job = job->slot.number;
  lane->item = lane->attempt = lane->has_permit = 0;
  lane->prev = SLUICE__NO_SLOT;
  lane->next = job->first_lane;
  if (lane->next != SLUICE__NO_SLOT) sluice__lane_at(engine, lane->next)->prev = slot->number;
  job->first_lane = slot->number;
  job->lane_count++;
  decision->lane = sluice__slot_handle(slot);
  advance(engine, job, lane, decision);
  /* Looking whether a permit is free has leased it: it is not held by a pull, or by who gives way. */
  if (!had_spare && decision->action != SLUICE_ACTION_START && !lane->has_permit) sluice__permit_decline(engine, job);
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
    if (job->policy.source != SLUICE_SOURCE_SYNC || job->pulls || !is_latest) return SLUICE_ESTATE;
    sluice__grant_revoke(engine, job);
    sluice__record_void(engine, lane);
    job->next_item--;
    if (job->read > job->next_item) job->read = job->next_item;
    job->counts.started--;
    sluice__job_mark_dirty(engine, job);
  } else if (lane->deadline.state == SLUICE__LANE_PULLING) {
    job->is_pulling = 0;
  } else {
    return SLUICE_ESTATE;
  }
  job->is_exhausted = 1;
  sluice__window_serve(engine, job);
  if (job->semaphore != NULL && job->claimant == SLUICE__NO_SLOT) sluice__permit_quit(engine, job);
  rest(engine, job, lane, decision);
  return SLUICE_OK;
}

static int settle(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                  enum sluice_outcome outcome, struct sluice_decision *decision) {
  if (lane->deadline.state != SLUICE__LANE_RUNNING) return SLUICE_ESTATE;
  sluice__disarm(engine, &lane->deadline);
  sluice__job_mark_dirty(engine, job);
  switch (outcome) {
    case SLUICE_OUTCOME_FULFILLED:
      sluice__record_lane(engine, SLUICE_RECORD_SETTLE, SLUICE_REASON_NONE, lane);
      job->counts.done++;
      end_item(engine, job, lane);
      advance(engine, job, lane, decision);
      break;
    case SLUICE_OUTCOME_REJECTED:
      fail(engine, job, lane, decision);
      break;
    default: /* REFUSED */
      give_up(engine, job, lane, decision);
  }
  return SLUICE_OK;
}

/* The caller has looked at the failed attempt of this lane. */
static int reviewed(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                    enum sluice_outcome outcome, struct sluice_decision *decision) {
  if (lane->deadline.state != SLUICE__LANE_REVIEWING) return SLUICE_ESTATE;
  if (outcome == SLUICE_OUTCOME_RETRY && item_of(engine, lane)->has_failed) return SLUICE_ESTATE;
  sluice__job_mark_dirty(engine, job);
  if (outcome == SLUICE_OUTCOME_RETRY) retry(engine, job, lane, item_of(engine, lane)->wait, decision);
  else give_up(engine, job, lane, decision);
  return SLUICE_OK;
}

/* A lane that has started nothing: it pulls, or waits to, or holds an item that waits for its first attempt. */
static int is_idle(const struct sluice__lane *lane) {
  return lane->deadline.state == SLUICE__LANE_PULLING ||
         (lane->deadline.state == SLUICE__LANE_PARKED && lane->attempt <= 1);
}

static int stopped(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *stopping,
                   struct sluice_decision *decision) {
  int is_verdict =
      stopping->deadline.state == SLUICE__LANE_REVIEWING && item_of(engine, stopping)->has_failed; /* FLAG_VERDICT */
  if (stopping->deadline.state != SLUICE__LANE_RUNNING && !is_verdict) return SLUICE_ESTATE;
  sluice__grant_revoke(engine, job);
  for (uint32_t number = job->first_lane; number != SLUICE__NO_SLOT;) {
    struct sluice__lane *lane = sluice__lane_at(engine, number);
    number = lane->next;
    if (is_idle(lane)) drop_lane(engine, job, lane);
  }
  job->is_exhausted = 1;
  job->is_pulling = 0;
  if (job->semaphore != NULL) sluice__permit_quit(engine, job);
  if (is_verdict) return reviewed(engine, job, stopping, SLUICE_OUTCOME_REFUSED, decision);
  return settle(engine, job, stopping, SLUICE_OUTCOME_FULFILLED, decision);
}

static int step(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane,
                enum sluice_outcome outcome, struct sluice_decision *decision) {
  switch (outcome) {
    case SLUICE_OUTCOME_FULFILLED:
    case SLUICE_OUTCOME_REJECTED:
      return settle(engine, job, lane, outcome, decision);
    case SLUICE_OUTCOME_REFUSED:
      if (lane->deadline.state == SLUICE__LANE_REVIEWING) return reviewed(engine, job, lane, outcome, decision);
      return settle(engine, job, lane, outcome, decision);
    case SLUICE_OUTCOME_PULLED:
      return pulled(engine, job, lane, decision);
    case SLUICE_OUTCOME_EXHAUSTED:
      return exhausted(engine, job, lane, decision);
    case SLUICE_OUTCOME_STOPPED:
      return stopped(engine, job, lane, decision);
    case SLUICE_OUTCOME_RETRY:
      return reviewed(engine, job, lane, outcome, decision);
    case SLUICE_OUTCOME_WAIT:
    case SLUICE_OUTCOME_WISH:
      break; /* sluice_plan()'s */
  }
  return SLUICE_EINVAL;
}

int sluice_step(struct sluice_engine *engine, struct sluice_handle handle, enum sluice_outcome outcome,
                struct sluice_decision *decision) {
  struct sluice__lane *lane = sluice__lane_find(engine, handle);
  if (lane == NULL) return SLUICE_ESTALE;
  if (lane->deadline.state == SLUICE__LANE_ALONE) return SLUICE_ESTATE;
  struct sluice__job *job = job_of(engine, lane);
  sluice__grant_sync(engine, job);
  sluice__grant_sync_lane(engine, job, lane);
  int error = step(engine, job, lane, outcome, decision);
  if (error == SLUICE_OK && decision->action == SLUICE_ACTION_START) sluice__grant(engine, job, decision);
  return error;
}

int sluice_plan(struct sluice_engine *engine, struct sluice_handle handle, enum sluice_outcome outcome, uint64_t delay,
                struct sluice_decision *decision) {
  struct sluice__lane *lane = sluice__lane_find(engine, handle);
  if (lane == NULL) return SLUICE_ESTALE;
  if (lane->deadline.state != SLUICE__LANE_REVIEWING) return SLUICE_ESTATE;
  if (outcome != SLUICE_OUTCOME_WAIT && outcome != SLUICE_OUTCOME_WISH) return SLUICE_EINVAL;
  struct sluice__job *job = job_of(engine, lane);
  if (item_of(engine, lane)->has_failed) return SLUICE_ESTATE;
  sluice__grant_sync(engine, job);
  if (outcome == SLUICE_OUTCOME_WISH && delay > job->policy.backoff.max_delay) {
    give_up(engine, job, lane, decision);
    return SLUICE_OK;
  }
  if (outcome == SLUICE_OUTCOME_WAIT) delay = sluice__backoff_bound(&job->policy.backoff, delay, &engine->rng);
  item_of(engine, lane)->wait = delay;
  review(engine, job, lane, decision);
  return SLUICE_OK;
}

int sluice_abort(struct sluice_engine *engine, struct sluice_handle handle, struct sluice_decision *decision) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  sluice__record_job(engine, SLUICE_RECORD_ABORT, SLUICE_REASON_NONE, job);
  sluice__job_fail(engine, job, decision);
  return SLUICE_OK;
}
