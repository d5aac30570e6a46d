#include "twin.h"

#include <string.h>

#include "backoff.h"

void twin_init(struct twin *twin, uint64_t seed) {
  memset(twin, 0, sizeof *twin);
  world_init(&twin->world);
  sluice__rng_init(&twin->rng, seed);
  sluice__rng_init(&twin->waiting, test_seed);
}

void twin_expect_counts(const struct twin_job *job, const struct sluice_counts *counts) {
  EXPECT_EQ(counts->started, job->counts.started);
  EXPECT_EQ(counts->done, job->counts.done);
  EXPECT_EQ(counts->failed, job->counts.failed);
  EXPECT_EQ(counts->retried, job->counts.retried);
  EXPECT_EQ(counts->timed_out, job->counts.timed_out);
  EXPECT_EQ(counts->abandoned, job->counts.abandoned);
}

int twin_count_lanes(const struct twin *twin, int job) {
  int count = 0;
  for (int i = 0; i < LANES; i++) count += twin->lanes[i].doing != NOTHING && twin->lanes[i].job == job;
  return count;
}

static int number_of(const struct twin *twin, const struct twin_job *job) {
  return (int)(job - twin->jobs);
}

int twin__is_of(const struct twin *twin, const struct twin_lane *lane, const struct twin_job *job) {
  return lane->doing != NOTHING && lane->job == number_of(twin, job);
}

void twin_forget_lane(struct twin *twin, struct twin_lane *lane) {
  twin->stale[twin->stale_count++ % STALE] = lane->handle;
  lane->doing = NOTHING;
}

static void forget_job(struct twin *twin, struct twin_job *job) {
  twin_expect_counts(job, &twin->world.decision.counts);
  for (int i = 0; i < LANES; i++) {
    if (twin__is_of(twin, &twin->lanes[i], job)) twin_forget_lane(twin, &twin->lanes[i]);
  }
  twin->stale[twin->stale_count++ % STALE] = job->handle;
  job->is_open = 0;
}

struct twin_lane *twin__lane_of(struct twin *twin, struct sluice_handle handle) {
  EXPECT(handle.slot < LANES);
  return &twin->lanes[handle.slot];
}

struct twin_job *twin__job_of(struct twin *twin, struct sluice_handle handle) {
  for (int i = 0; i < JOBS; i++) {
    if (twin->jobs[i].is_open && same_handle(twin->jobs[i].handle, handle)) return &twin->jobs[i];
  }
  FAIL("a decision about a job that is not open");
}

/* The last time that the engine has heard of. */
static uint64_t time_of(const struct twin *twin) {
  return twin->observed > twin->world.now ? twin->observed : twin->world.now;
}

uint64_t twin__due_of(uint64_t stamp, uint64_t duration) {
  return stamp == UNSTAMPED || duration >= SLUICE_NEVER - stamp ? SLUICE_NEVER : stamp + duration;
}

uint64_t twin__lane_due(const struct twin_lane *lane) {
  return twin__due_of(lane->stamp, lane->duration);
}

int twin__holds_item(const struct twin_lane *lane) {
  return lane->doing == RUNNING || lane->doing == PARKED || lane->doing == WAITING || lane->doing == REVIEWING ||
         (lane->doing == YIELDING && lane->attempt != 0);
}

uint64_t twin__item_due(const struct twin *twin, const struct twin_lane *lane) {
  const struct twin_job *job = &twin->jobs[lane->job];
  if (job->is_draining || !twin__holds_item(lane)) return SLUICE_NEVER;
  return twin__due_of(lane->item_stamp, job->policy.item_timeout);
}

uint64_t twin__total_due(const struct twin_job *job) {
  return job->is_draining ? SLUICE_NEVER : twin__due_of(job->stamp, job->policy.total_timeout);
}

static int must_yield(const struct twin *twin, const struct twin_job *job) {
  return twin->ran >= job->policy.yield_after;
}

int twin__has_next_item(const struct twin_job *job) {
  return job->next_item < job->policy.items && !job->is_exhausted && !job->is_draining;
}

void twin_opened(struct twin *twin, struct twin_job *job) {
  const struct sluice_policy *policy = &job->policy;
  job->handle = twin->world.decision.job;
  job->is_open = 1;
  job->stamp = UNSTAMPED;
  job->has_gate = policy->rate.max != 0 || policy->max_abandoned != SLUICE_UNLIMITED;
  job->pulls = job->has_gate || policy->source == SLUICE_SOURCE_ASYNC;
  if (policy->rate.max == 0) return;
  job->burst = policy->rate.burst;
  if (job->burst == 0) job->burst = (uint64_t)((twin_wide)policy->rate.max * 10 * MS / policy->rate.per);
  if (job->burst == 0) job->burst = 1;
  job->level = (twin_wide)job->burst * policy->rate.per;
}

/* The gate. */

static twin_wide level_at(const struct twin_job *job, uint64_t now) {
  twin_wide full = (twin_wide)job->burst * job->policy.rate.per;
  if (now <= job->level_at) return job->level;
  if (job->start_count == 0) return full;
  twin_wide level = job->level + (twin_wide)(now - job->level_at) * job->policy.rate.max;
  return level < full ? level : full;
}

int twin__has_too_many_abandoned(const struct twin_job *job) {
  return job->policy.max_abandoned != SLUICE_UNLIMITED && job->counts.abandoned > job->policy.max_abandoned;
}

int twin__admits(const struct twin_job *job, uint64_t now) {
  if (twin__has_too_many_abandoned(job)) return 0;
  return job->policy.rate.max == 0 || level_at(job, now) >= job->policy.rate.per;
}

/* An attempt starts: there was a token, and no window of the last starts holds too many. */
static void take_token(const struct twin *twin, struct twin_job *job) {
  uint64_t now = time_of(twin);
  EXPECT(twin__admits(job, now));
  const struct sluice_rate *rate = &job->policy.rate;
  if (rate->max == 0) return;
  job->level = level_at(job, now) - rate->per;
  job->level_at = now;
  job->starts[job->start_count++ % STARTS] = now;
  uint64_t known = job->start_count < STARTS ? job->start_count : STARTS;
  for (uint64_t count = 1; count <= known; count++) {
    uint64_t window = now - job->starts[(job->start_count - count) % STARTS];
    EXPECT((twin_wide)count * rate->per <= (twin_wide)job->burst * rate->per + (twin_wide)window * rate->max);
  }
}

enum queue { EMPTY, SOME, UNKNOWN };

/* Who goes on after a wait may come to wait at the gate, and nobody is told. */
int twin__may_have_come(const struct twin *twin, const struct twin_lane *lane) {
  return (lane->doing == PARKED && twin__lane_due(lane) <= twin->world.now) ||
         (lane->doing == YIELDING && lane->attempt != 0);
}

static enum queue queue_of(const struct twin *twin, const struct twin_job *job) {
  enum queue queue = EMPTY;
  for (int i = 0; i < LANES; i++) {
    const struct twin_lane *lane = &twin->lanes[i];
    if (!twin__is_of(twin, lane, job)) continue;
    if (lane->doing == WAITING) return SOME;
    if (twin__may_have_come(twin, lane)) queue = UNKNOWN;
  }
  return queue;
}

static void wait_at_gate(struct twin_job *job, struct twin_lane *lane) {
  lane->doing = WAITING;
  lane->ticket = ++job->ticket;
}

/* Who gave way may have come to the gate at any time since; who ends his backoff comes in this drain. */
void twin__expect_turn_at_gate(const struct twin *twin, const struct twin_lane *lane) {
  if (lane->doing == YIELDING) return;
  uint64_t ticket = lane->doing == WAITING ? lane->ticket : twin->jobs[lane->job].drained_ticket + 1;
  for (int i = 0; i < LANES; i++) {
    const struct twin_lane *other = &twin->lanes[i];
    if (other != lane && other->doing == WAITING && other->job == lane->job) EXPECT(other->ticket >= ticket);
  }
}

/* What a lane does. */

/* The decision is START of this attempt of the lane's item. */
void twin__begin(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  EXPECT_START(&twin->world, lane->item, lane->attempt);
  EXPECT(!job->is_draining && !(job->is_stopped && lane->attempt == 1));
  if (job->has_gate) take_token(twin, job);
  lane->doing = RUNNING;
  lane->duration = job->policy.timeout;
  lane->stamp = UNSTAMPED;
  job->granted_end = twin->world.decision.granted;
}

/* The decision is PARK, with the lane's item. */
static void expect_park(const struct twin *twin, const struct twin_lane *lane) {
  EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_PARK);
  EXPECT_EQ(twin->world.decision.attempt, lane->attempt);
  if (lane->attempt != 0) EXPECT_EQ(twin->world.decision.item, lane->item);
}

/* The decision is START of this attempt, or PARK where it has to wait for it. */
static void expect_start(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  enum queue queue = job->has_gate ? queue_of(twin, job) : EMPTY;
  int may_pass = !job->has_gate || (queue != SOME && twin__admits(job, time_of(twin)));
  if (twin->world.decision.action == SLUICE_ACTION_START) {
    EXPECT(may_pass);
    twin__begin(twin, lane);
    return;
  }
  expect_park(twin, lane);
  EXPECT(!may_pass || queue == UNKNOWN);
  wait_at_gate(job, lane);
}

static void hold_item(struct twin_job *job, struct twin_lane *lane) {
  lane->item = job->next_item++;
  lane->attempt = 1;
  lane->item_stamp = UNSTAMPED;
  lane->wait = job->policy.backoff.delay;
}

/* The source may turn out to have no such item. */
static void look_at_source(struct twin *twin, struct twin_lane *lane) {
  const struct twin_job *job = &twin->jobs[lane->job];
  if (job->policy.source == SLUICE_SOURCE_SYNC && !job->pulls && lane->item >= job->length)
    twin_settle(twin, lane, SLUICE_OUTCOME_EXHAUSTED);
}

static void expect_next_item(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  hold_item(job, lane);
  job->counts.started++;
  lane->doing = RUNNING; /* so far */
  expect_start(twin, lane);
  look_at_source(twin, lane);
}

static void end_item(struct twin_job *job, const struct twin_lane *lane) {
  EXPECT(lane->item < job->length && !job->has_ended[lane->item]);
  job->has_ended[lane->item] = 1;
}

static void drop_lane(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  if (twin__holds_item(lane)) {
    end_item(job, lane);
    job->dropped++;
  }
  twin_forget_lane(twin, lane);
}

void twin__expect_rest(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  twin_forget_lane(twin, lane);
  if (twin_count_lanes(twin, lane->job) > 0) {
    EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_REST);
    return;
  }
  EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_DONE);
  EXPECT_EQ(job->counts.done + job->counts.failed + job->dropped, job->counts.started);
  for (uint64_t item = 0; item < job->next_item; item++) EXPECT(job->has_ended[item]);
  if (!job->is_stopped && !job->is_draining) EXPECT(job->next_item == job->length && job->dropped == 0);
  forget_job(twin, job);
}

void twin__expect_pull_or_start(struct twin *twin, struct twin_lane *lane) {
  if (twin->jobs[lane->job].pulls) {
    EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_PULL);
    lane->doing = PULLING;
  } else {
    expect_next_item(twin, lane);
  }
}

/* The lane is free, and the decision is what it does next. */
static void expect_advance(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  if (!twin__has_next_item(job) || job->is_pulling) {
    twin__expect_rest(twin, lane);
    return;
  }
  job->is_pulling = job->pulls;
  int starts_in_call = job->policy.source != SLUICE_SOURCE_ASYNC && job->next_item < job->policy.limit;
  if (must_yield(twin, job) && !starts_in_call) {
    lane->doing = YIELDING;
    lane->attempt = 0;
    expect_park(twin, lane);
  } else {
    twin__expect_pull_or_start(twin, lane);
  }
}

/* The job has failed. A lane that was busy with the failure holds no item any more. */
void twin__expect_fail(struct twin *twin, struct twin_job *job) {
  int running = 0;
  for (int i = 0; i < LANES; i++) running += twin__is_of(twin, &twin->lanes[i], job) && twin->lanes[i].doing == RUNNING;
  if ((job->policy.flags & SLUICE_FLAG_DRAIN) == 0 || job->is_draining || running == 0) {
    EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_FAIL);
    forget_job(twin, job);
    return;
  }
  EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_DRAIN);
  twin_expect_counts(job, &twin->world.decision.counts);
  for (int i = 0; i < LANES; i++) {
    struct twin_lane *lane = &twin->lanes[i];
    if (twin__is_of(twin, lane, job) && lane->doing != RUNNING) drop_lane(twin, lane);
  }
  job->is_draining = 1;
  job->is_pulling = 0;
  job->granted_end = 0;
}

/* The lane's item has failed for good. */
void twin__expect_give_up(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  job->counts.failed++;
  end_item(job, lane);
  lane->doing = YIELDING; /* it is, and with nothing */
  lane->attempt = 0;
  if (job->is_draining) twin__expect_rest(twin, lane);
  else if (job->policy.flags & SLUICE_FLAG_COLLECT) expect_advance(twin, lane);
  else twin__expect_fail(twin, job);
}

static void expect_retry(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  lane->attempt++;
  job->counts.retried++;
  if (lane->wait == 0 && !must_yield(twin, job)) {
    lane->doing = RUNNING; /* so far */
    expect_start(twin, lane);
    return;
  }
  expect_park(twin, lane);
  lane->doing = lane->wait == 0 ? YIELDING : PARKED;
  lane->duration = lane->wait;
  lane->stamp = UNSTAMPED;
}

static void expect_review(struct twin *twin, struct twin_lane *lane) {
  const struct sluice_decision *decision = &twin->world.decision;
  uint32_t retries = twin->jobs[lane->job].policy.retries;
  EXPECT_EQ(decision->action, SLUICE_ACTION_REVIEW);
  EXPECT_EQ(decision->attempt, lane->attempt + 1);
  EXPECT_EQ(decision->retries_left, retries == SLUICE_UNLIMITED ? retries : retries - (lane->attempt - 1));
  EXPECT_EQ(decision->delay, lane->wait);
  EXPECT_EQ(decision->item_elapsed, lane->item_stamp == UNSTAMPED ? 0 : time_of(twin) - lane->item_stamp);
  lane->doing = REVIEWING;
}

/* The lane's attempt has failed, and the decision is what comes of it. */
void twin__expect_failure(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  if (job->is_draining || lane->attempt - 1 >= job->policy.retries) {
    twin__expect_give_up(twin, lane);
    return;
  }
  lane->wait = sluice__backoff_delay(&job->policy.backoff, lane->attempt, lane->wait, &twin->waiting);
  if (job->policy.flags & SLUICE_FLAG_REVIEW) expect_review(twin, lane);
  else expect_retry(twin, lane);
}

/* A fulfilled attempt inside a granted run: no call at all. */
static int moves_on(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  if (job->handle.slot >= SLUICE_GRANT_JOBS) return 0;
  int32_t *word = &twin->world.grants.next_item[job->handle.slot];
  if (*word >= (int64_t)job->granted_end) return 0;
  EXPECT(!job->pulls && !job->is_draining && !job->is_stopped);
  EXPECT_EQ(*word, job->next_item);
  job->counts.done++;
  job->counts.started++;
  end_item(job, lane);
  hold_item(job, lane);
  lane->duration = job->policy.timeout;
  lane->stamp = UNSTAMPED;
  twin->world.grants.item[lane->handle.slot] = (*word)++;
  look_at_source(twin, lane);
  return 1;
}

/* Whether nothing has started in this lane that a stopped job would wait for. */
static int is_idle(const struct twin_lane *lane) {
  return lane->doing == PULLING || (lane->doing == YIELDING && lane->attempt == 0) ||
         (lane->doing == WAITING && lane->attempt == 1);
}

static void stop(struct twin *twin, struct twin_lane *stopping) {
  struct twin_job *job = &twin->jobs[stopping->job];
  for (int i = 0; i < LANES; i++) {
    struct twin_lane *lane = &twin->lanes[i];
    if (twin__is_of(twin, lane, job) && lane != stopping && is_idle(lane)) drop_lane(twin, lane);
  }
  job->is_stopped = job->is_exhausted = 1;
  job->is_pulling = 0;
  job->granted_end = 0;
}

void twin_settle(struct twin *twin, struct twin_lane *lane, enum sluice_outcome outcome) {
  struct twin_job *job = &twin->jobs[lane->job];
  if (outcome == SLUICE_OUTCOME_FULFILLED && moves_on(twin, lane)) return;
  world_step(&twin->world, lane->handle, outcome);
  switch (outcome) {
    case SLUICE_OUTCOME_STOPPED:
      stop(twin, lane);
      /* fall through */
    case SLUICE_OUTCOME_FULFILLED:
      job->counts.done++;
      end_item(job, lane);
      expect_advance(twin, lane);
      break;
    case SLUICE_OUTCOME_REJECTED:
      twin__expect_failure(twin, lane);
      break;
    case SLUICE_OUTCOME_REFUSED:
      twin__expect_give_up(twin, lane);
      break;
    case SLUICE_OUTCOME_PULLED:
      job->is_pulling = 0;
      expect_next_item(twin, lane);
      break;
    case SLUICE_OUTCOME_EXHAUSTED:
      if (lane->doing == RUNNING) {
        job->next_item--;
        job->counts.started--;
      }
      job->is_pulling = 0;
      job->is_exhausted = 1;
      twin__expect_rest(twin, lane);
      break;
    case SLUICE_OUTCOME_RETRY:
      expect_retry(twin, lane);
      break;
    default:
      FAIL("not an outcome of step()");
  }
}

void twin_plan(struct twin *twin, struct twin_lane *lane, enum sluice_outcome outcome, uint64_t delay) {
  const struct sluice_backoff *backoff = &twin->jobs[lane->job].policy.backoff;
  world_plan(&twin->world, lane->handle, outcome, delay);
  if (outcome == SLUICE_OUTCOME_WISH && delay > backoff->max_delay) {
    twin__expect_give_up(twin, lane);
    return;
  }
  lane->wait = outcome == SLUICE_OUTCOME_WISH ? delay : sluice__backoff_bound(backoff, delay, &twin->waiting);
  expect_review(twin, lane);
}

void twin_take_lane(struct twin *twin, enum doing doing, int job) {
  struct twin_lane *lane = twin__lane_of(twin, twin->world.decision.lane);
  EXPECT_EQ(lane->doing, NOTHING);
  *lane = (struct twin_lane){.doing = doing, .handle = twin->world.decision.lane, .job = job, .stamp = UNSTAMPED};
}

void twin_join(struct twin *twin, int number) {
  struct twin_job *job = &twin->jobs[number];
  uint64_t lanes = (uint64_t)twin_count_lanes(twin, number);
  int has_use = lanes < job->policy.limit && !job->is_pulling && twin__has_next_item(job);
  world_join(&twin->world, job->handle);
  EXPECT_EQ(twin->world.decision.action != SLUICE_ACTION_REST, has_use);
  if (!has_use) return;
  twin_take_lane(twin, RUNNING, number);
  expect_advance(twin, twin__lane_of(twin, twin->world.decision.lane));
}

void twin_abort(struct twin *twin, struct twin_job *job) {
  world_abort(&twin->world, job->handle);
  twin__expect_fail(twin, job);
}

void twin_late(struct twin *twin, struct twin_job *job) {
  world_late(&twin->world, job->handle);
  job->counts.abandoned--;
  job->is_gate_fresh = 1;
}
