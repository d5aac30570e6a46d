/* Random jobs, steps and time against a twin that is told everything and looks at all of it each time: what each lane
 * does, when each deadline is due, what each count must be. After each call, sluice_check (by world.c). */
#include <string.h>

#include "backoff.h"
#include "rng.h"
#include "tests.h"
#include "world.h"

enum { JOBS = 5, LANES = 64, ITEMS = 60, STALE = 64, STEPS = 400 };

/* What is not stamped yet is due at some time after the end of this turn. */
#define UNSTAMPED UINT64_MAX

enum doing { NOTHING, RUNNING, PULLING, PARKED, YIELDING, GUARDING, SLEEPING };

struct twin_lane {
  enum doing doing;
  struct sluice_handle handle;
  int job;
  uint64_t item;
  uint32_t attempt;
  uint64_t duration; /* SLUICE_NEVER: none; of a backoff with jitter, the longest */
  uint64_t stamp;    /* when `duration` began, or UNSTAMPED */
};

struct twin_job {
  int is_open;
  struct sluice_handle handle;
  struct sluice_policy policy;
  uint64_t length; /* of the source, whatever the policy says of it */
  uint64_t next_item;
  uint64_t granted_end;
  uint64_t stamp; /* of the total timeout */
  int is_pulling; /* a lane pulls, or is parked before it may */
  int is_exhausted;
  int is_told; /* EVENT_PROGRESS has come, with these: */
  struct sluice_counts told;
  struct sluice_counts counts;
};

struct twin {
  struct world world;
  struct sluice__rng rng;
  struct twin_job jobs[JOBS];
  struct twin_lane lanes[LANES]; /* by slot: the engine reuses the lowest, so there is room for all */
  struct sluice_handle stale[STALE];
  uint64_t stale_count;
  uint64_t observed; /* the first time observed in this turn; 0: none */
  uint64_t ran;
};

static uint64_t up_to(struct twin *twin, uint64_t bound) {
  return sluice__rng_up_to(&twin->rng, bound);
}

static int one_in(struct twin *twin, uint64_t count) {
  return up_to(twin, count - 1) == 0;
}

static void expect_counts(const struct twin_job *job, const struct sluice_counts *counts) {
  EXPECT_EQ(counts->started, job->counts.started);
  EXPECT_EQ(counts->done, job->counts.done);
  EXPECT_EQ(counts->failed, job->counts.failed);
  EXPECT_EQ(counts->retried, job->counts.retried);
  EXPECT_EQ(counts->timed_out, job->counts.timed_out);
  EXPECT_EQ(counts->abandoned, job->counts.abandoned);
}

static int count_lanes(const struct twin *twin, int job) {
  int count = 0;
  for (int i = 0; i < LANES; i++) count += twin->lanes[i].doing != NOTHING && twin->lanes[i].job == job;
  return count;
}

static void forget_lane(struct twin *twin, struct twin_lane *lane) {
  twin->stale[twin->stale_count++ % STALE] = lane->handle;
  lane->doing = NOTHING;
}

static void forget_job(struct twin *twin, struct twin_job *job) {
  int number = (int)(job - twin->jobs);
  expect_counts(job, &twin->world.decision.counts);
  for (int i = 0; i < LANES; i++) {
    if (twin->lanes[i].doing != NOTHING && twin->lanes[i].job == number) forget_lane(twin, &twin->lanes[i]);
  }
  twin->stale[twin->stale_count++ % STALE] = job->handle;
  job->is_open = 0;
}

static struct twin_lane *lane_of(struct twin *twin, struct sluice_handle handle) {
  EXPECT(handle.slot < LANES);
  return &twin->lanes[handle.slot];
}

static struct twin_job *job_of(struct twin *twin, struct sluice_handle handle) {
  for (int i = 0; i < JOBS; i++) {
    if (twin->jobs[i].is_open && same_handle(twin->jobs[i].handle, handle)) return &twin->jobs[i];
  }
  FAIL("a decision about a job that is not open");
}

static int must_yield(const struct twin *twin, const struct twin_job *job) {
  return twin->ran >= job->policy.yield_after;
}

static int has_next_item(const struct twin_job *job) {
  return job->next_item < job->policy.items && !job->is_exhausted;
}

static void settle(struct twin *twin, struct twin_lane *lane, enum sluice_outcome outcome);

/* The decision is START of this attempt of the lane's item. */
static void begin(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  EXPECT_START(&twin->world, lane->item, lane->attempt);
  lane->doing = RUNNING;
  lane->duration = job->policy.timeout;
  lane->stamp = UNSTAMPED;
  job->granted_end = twin->world.decision.granted;
}

/* The decision is START of the next item, in this lane. The source may turn out to have no such item. */
static void begin_next(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  lane->item = job->next_item++;
  lane->attempt = 1;
  job->counts.started++;
  begin(twin, lane);
  if (job->policy.source == SLUICE_SOURCE_SYNC && lane->item >= job->length)
    settle(twin, lane, SLUICE_OUTCOME_EXHAUSTED);
}

static void expect_rest(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  forget_lane(twin, lane);
  if (count_lanes(twin, lane->job) > 0) {
    EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_REST);
    return;
  }
  EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_DONE);
  EXPECT_EQ(job->counts.done + job->counts.failed, job->counts.started);
  EXPECT_EQ(job->next_item, job->length);
  forget_job(twin, job);
}

/* The lane is free, and the decision is what it does next. */
static void expect_advance(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  int is_async = job->policy.source == SLUICE_SOURCE_ASYNC;
  if (!has_next_item(job) || job->is_pulling) {
    expect_rest(twin, lane);
    return;
  }
  job->is_pulling = is_async;
  if (must_yield(twin, job) && (is_async || job->next_item >= job->policy.limit)) {
    EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_PARK);
    EXPECT_EQ(twin->world.decision.attempt, 0);
    lane->doing = YIELDING;
    lane->attempt = 0;
  } else if (is_async) {
    EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_PULL);
    lane->doing = PULLING;
  } else {
    begin_next(twin, lane);
  }
}

static void expect_retry(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  struct sluice_backoff longest = job->policy.backoff;
  longest.jitter = SLUICE_JITTER_NONE;
  uint64_t delay = sluice__backoff_delay(&longest, lane->attempt, NULL);
  lane->attempt++;
  job->counts.retried++;
  int may_be_at_once = delay == 0 || job->policy.backoff.jitter == SLUICE_JITTER_FULL;
  if (twin->world.decision.action == SLUICE_ACTION_START) {
    EXPECT(may_be_at_once && !must_yield(twin, job));
    begin(twin, lane);
    return;
  }
  EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_PARK);
  EXPECT_EQ(twin->world.decision.attempt, lane->attempt);
  EXPECT(delay > 0 || must_yield(twin, job));
  /* Jitter may have made it 0: then it gives way instead. */
  int may_yield = must_yield(twin, job) && may_be_at_once;
  lane->doing = may_yield ? YIELDING : PARKED;
  lane->duration = delay;
  lane->stamp = UNSTAMPED;
}

/* The lane's attempt has failed, and the decision is what comes of it. */
static void expect_failure(struct twin *twin, struct twin_lane *lane, int may_retry) {
  struct twin_job *job = &twin->jobs[lane->job];
  if (may_retry && lane->attempt - 1 < job->policy.retries) {
    expect_retry(twin, lane);
    return;
  }
  job->counts.failed++;
  if (job->policy.flags & SLUICE_FLAG_COLLECT) {
    expect_advance(twin, lane);
  } else {
    EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_FAIL);
    forget_job(twin, job);
  }
}

/* A fulfilled attempt inside a granted run: no call at all. */
static int moves_on(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  if (job->handle.slot >= SLUICE_GRANT_JOBS) return 0;
  int32_t *word = &twin->world.grants.next_item[job->handle.slot];
  if (*word >= (int64_t)job->granted_end) return 0;
  EXPECT_EQ(*word, job->next_item);
  job->counts.done++;
  job->counts.started++;
  lane->item = job->next_item++;
  lane->attempt = 1;
  lane->duration = job->policy.timeout;
  lane->stamp = UNSTAMPED;
  twin->world.grants.item[lane->handle.slot] = (*word)++;
  if (job->policy.source == SLUICE_SOURCE_SYNC && lane->item >= job->length)
    settle(twin, lane, SLUICE_OUTCOME_EXHAUSTED);
  return 1;
}

static void settle(struct twin *twin, struct twin_lane *lane, enum sluice_outcome outcome) {
  struct twin_job *job = &twin->jobs[lane->job];
  if (outcome == SLUICE_OUTCOME_FULFILLED && moves_on(twin, lane)) return;
  world_step(&twin->world, lane->handle, outcome);
  switch (outcome) {
    case SLUICE_OUTCOME_FULFILLED:
      job->counts.done++;
      expect_advance(twin, lane);
      break;
    case SLUICE_OUTCOME_REJECTED:
    case SLUICE_OUTCOME_REFUSED:
      expect_failure(twin, lane, outcome == SLUICE_OUTCOME_REJECTED);
      break;
    case SLUICE_OUTCOME_PULLED:
      job->is_pulling = 0;
      begin_next(twin, lane);
      break;
    case SLUICE_OUTCOME_EXHAUSTED:
      if (lane->doing == RUNNING) {
        job->next_item--;
        job->counts.started--;
      }
      job->is_pulling = 0;
      job->is_exhausted = 1;
      expect_rest(twin, lane);
      break;
  }
}

static void settle_any(struct twin *twin, struct twin_lane *lane) {
  if (lane->doing == PULLING) {
    int is_over = twin->jobs[lane->job].next_item >= twin->jobs[lane->job].length;
    settle(twin, lane, is_over ? SLUICE_OUTCOME_EXHAUSTED : SLUICE_OUTCOME_PULLED);
  } else if (lane->doing == RUNNING) {
    uint64_t choice = up_to(twin, 9);
    settle(twin, lane,
           choice == 0   ? SLUICE_OUTCOME_REFUSED
           : choice <= 3 ? SLUICE_OUTCOME_REJECTED
                         : SLUICE_OUTCOME_FULFILLED);
  } else if (lane->doing == GUARDING || lane->doing == SLEEPING) {
    world_release(&twin->world, lane->handle);
    forget_lane(twin, lane);
  }
}

static void take_lane(struct twin *twin, enum doing doing, int job) {
  struct twin_lane *lane = lane_of(twin, twin->world.decision.lane);
  EXPECT_EQ(lane->doing, NOTHING);
  *lane = (struct twin_lane){.doing = doing, .handle = twin->world.decision.lane, .job = job, .stamp = UNSTAMPED};
}

static void join(struct twin *twin, int number) {
  struct twin_job *job = &twin->jobs[number];
  uint64_t lanes = (uint64_t)count_lanes(twin, number);
  int has_use = lanes < job->policy.limit && !job->is_pulling && has_next_item(job);
  world_join(&twin->world, job->handle);
  EXPECT_EQ(twin->world.decision.action != SLUICE_ACTION_REST, has_use);
  if (!has_use) return;
  take_lane(twin, RUNNING, number);
  expect_advance(twin, lane_of(twin, twin->world.decision.lane));
}

static uint64_t any_duration(struct twin *twin) {
  static const uint64_t durations[] = {SLUICE_NEVER, SLUICE_NEVER - 1, 0,           1,      999,
                                       MS,           2 * MS,           100 * MS,    SECOND, SECOND,
                                       10 * SECOND,  3600 * SECOND,    SLUICE_NEVER};
  uint64_t duration = durations[up_to(twin, sizeof durations / sizeof *durations - 1)];
  return one_in(twin, 3) ? up_to(twin, SECOND) : duration;
}

static void open(struct twin *twin, int number) {
  struct twin_job *job = &twin->jobs[number];
  memset(job, 0, sizeof *job);
  job->length = up_to(twin, ITEMS);
  job->stamp = UNSTAMPED;
  struct sluice_policy *policy = &job->policy;
  policy->source = (enum sluice_source)up_to(twin, SLUICE_SOURCE_ASYNC);
  int is_known = policy->source == SLUICE_SOURCE_INDEXED || one_in(twin, 2);
  policy->items = is_known ? job->length : SLUICE_UNKNOWN;
  policy->timeout = any_duration(twin);
  policy->total_timeout = one_in(twin, 2) ? SLUICE_NEVER : any_duration(twin);
  policy->yield_after = one_in(twin, 2) ? SLUICE_NEVER : up_to(twin, 5 * MS);
  policy->limit = 1 + (uint32_t)up_to(twin, 7);
  policy->retries = one_in(twin, 9) ? SLUICE_UNLIMITED : (uint32_t)up_to(twin, 3);
  policy->flags = (uint32_t)up_to(twin, 7);
  policy->backoff = (struct sluice_backoff){.delay = one_in(twin, 3) ? 0 : any_duration(twin),
                                            .max_delay = one_in(twin, 3) ? any_duration(twin) : SLUICE_NEVER,
                                            .factor = 1 + (double)up_to(twin, 8) / 4,
                                            .kind = (enum sluice_backoff_kind)up_to(twin, SLUICE_BACKOFF_EXPONENTIAL),
                                            .jitter = (enum sluice_jitter)up_to(twin, SLUICE_JITTER_FULL)};
  world_open(&twin->world, policy);
  if (policy->items == 0 || policy->total_timeout == 0) {
    EXPECT_EQ(twin->world.decision.action, policy->items == 0 ? SLUICE_ACTION_DONE : SLUICE_ACTION_FAIL);
    expect_counts(job, &twin->world.decision.counts);
    return;
  }
  EXPECT_EQ(twin->world.decision.action, 0);
  job->handle = twin->world.decision.job;
  job->is_open = 1;
  while (job->is_open && twin->world.decision.action != SLUICE_ACTION_REST) join(twin, number);
}

/* Time. */

static uint64_t due_of(uint64_t stamp, uint64_t duration) {
  return stamp == UNSTAMPED || duration >= SLUICE_NEVER - stamp ? SLUICE_NEVER : stamp + duration;
}

static uint64_t lane_due(const struct twin_lane *lane) {
  return due_of(lane->stamp, lane->duration);
}

static uint64_t total_due(const struct twin_job *job) {
  return due_of(job->stamp, job->policy.total_timeout);
}

static void end_turn(struct twin *twin) {
  twin->world.now += one_in(twin, 2) ? 0 : up_to(twin, 3 * MS);
  world_end_turn(&twin->world);
  for (int i = 0; i < LANES; i++) {
    if (twin->lanes[i].stamp == UNSTAMPED) twin->lanes[i].stamp = twin->world.now;
  }
  for (int i = 0; i < JOBS; i++) {
    twin->jobs[i].granted_end = 0;
    if (twin->jobs[i].stamp == UNSTAMPED) twin->jobs[i].stamp = twin->world.now;
  }
  twin->observed = twin->ran = 0;
}

static void expect_elapsed(const struct twin *twin, uint64_t stamp, uint64_t duration) {
  EXPECT(stamp != UNSTAMPED && twin->world.now - stamp >= duration); /* never early */
  EXPECT_EQ(twin->world.decision.elapsed, twin->world.now - stamp);
  EXPECT_EQ(twin->world.decision.blocked, 0);
}

static void on_timed_out(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  EXPECT_EQ(lane->doing, RUNNING);
  expect_elapsed(twin, lane->stamp, job->policy.timeout);
  job->counts.timed_out++;
  job->counts.abandoned++;
  twin->stale[twin->stale_count++ % STALE] = lane->handle;
  lane->handle = twin->world.decision.lane;
  expect_failure(twin, lane, 1);
}

static void on_resumed(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  EXPECT_SAME(lane->handle, twin->world.decision.lane);
  if (lane->doing == PARKED) {
    if (job->policy.backoff.jitter == SLUICE_JITTER_NONE) EXPECT(twin->world.now >= lane_due(lane));
  } else {
    EXPECT_EQ(lane->doing, YIELDING);
  }
  if (lane->attempt != 0) {
    begin(twin, lane);
  } else if (job->policy.source == SLUICE_SOURCE_ASYNC) {
    EXPECT_EQ(twin->world.decision.action, SLUICE_ACTION_PULL);
    lane->doing = PULLING;
  } else if (has_next_item(job)) {
    begin_next(twin, lane);
  } else {
    expect_rest(twin, lane);
  }
}

static void on_outlived(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  EXPECT(lane->doing == PARKED || job->policy.backoff.jitter == SLUICE_JITTER_FULL);
  EXPECT_SAME(lane->handle, twin->world.decision.lane);
  EXPECT(lane->stamp != UNSTAMPED && total_due(job) < SLUICE_NEVER);
  EXPECT(total_due(job) < lane_due(lane)); /* with jitter, at least the longest wait ends after it */
  EXPECT_EQ(twin->world.decision.elapsed, twin->world.now - job->stamp);
  job->counts.retried--;
  job->counts.failed++;
  forget_job(twin, job);
}

static void on_progress(struct twin *twin, struct twin_job *job) {
  EXPECT(job->policy.flags & SLUICE_FLAG_PROGRESS);
  expect_counts(job, &twin->world.decision.counts);
  /* The counts have changed since; only an item that never was comes and goes. */
  if (job->is_told && !job->is_exhausted) EXPECT(memcmp(&job->told, &job->counts, sizeof job->told) != 0);
  job->told = job->counts;
  job->is_told = 1;
}

static void on_event(struct twin *twin) {
  const struct sluice_decision *decision = &twin->world.decision;
  switch (decision->event) {
    case SLUICE_EVENT_TIMED_OUT:
      on_timed_out(twin, lane_of(twin, decision->lane));
      break;
    case SLUICE_EVENT_RESUMED:
      on_resumed(twin, lane_of(twin, decision->lane));
      break;
    case SLUICE_EVENT_OUTLIVED:
      on_outlived(twin, lane_of(twin, decision->lane));
      break;
    case SLUICE_EVENT_TOTAL: {
      struct twin_job *job = job_of(twin, decision->job);
      expect_elapsed(twin, job->stamp, job->policy.total_timeout);
      EXPECT_EQ(decision->action, SLUICE_ACTION_FAIL);
      forget_job(twin, job);
      break;
    }
    case SLUICE_EVENT_EXPIRED:
    case SLUICE_EVENT_SLEPT: {
      struct twin_lane *lane = lane_of(twin, decision->lane);
      EXPECT_EQ(lane->doing, decision->event == SLUICE_EVENT_SLEPT ? SLEEPING : GUARDING);
      EXPECT_SAME(lane->handle, decision->lane);
      expect_elapsed(twin, lane->stamp, lane->duration);
      forget_lane(twin, lane);
      break;
    }
    case SLUICE_EVENT_PROGRESS:
      on_progress(twin, job_of(twin, decision->job));
      break;
    case SLUICE_EVENT_NONE:
      break;
  }
}

static void drain(struct twin *twin) {
  while (world_next(&twin->world) != SLUICE_EVENT_NONE) on_event(twin);
  EXPECT(!sluice_is_ready(twin->world.engine));
}

/* Nothing that was due before the last judgement is still open. */
static void expect_nothing_overdue(const struct twin *twin) {
  for (int i = 0; i < LANES; i++) {
    const struct twin_lane *lane = &twin->lanes[i];
    if (lane->doing == NOTHING || lane->doing == PULLING || lane->doing == YIELDING) continue;
    EXPECT(lane_due(lane) > twin->world.now);
    if (lane->doing != PARKED || lane->stamp == UNSTAMPED) continue;
    const struct twin_job *job = &twin->jobs[lane->job];
    int is_exact = job->policy.backoff.jitter == SLUICE_JITTER_NONE;
    EXPECT(!is_exact || total_due(job) == SLUICE_NEVER || lane_due(lane) <= total_due(job)); /* else outlived */
  }
  for (int i = 0; i < JOBS; i++) EXPECT(!twin->jobs[i].is_open || total_due(&twin->jobs[i]) > twin->world.now);
}

static void pass_time(struct twin *twin) {
  uint64_t next = sluice_next_expiry(twin->world.engine);
  uint64_t target = one_in(twin, 4) ? twin->world.now + any_duration(twin) / 2 : next;
  /* Never to the end of the world: what is armed there is let go. */
  if (target < SLUICE_NEVER / 4 && target > twin->world.now) twin->world.now = target;
}

static void turn(struct twin *twin) {
  end_turn(twin);
  pass_time(twin);
  if (one_in(twin, 4)) { /* after a block: held, and then due */
    uint64_t hold = 1 + up_to(twin, 25 * MS);
    world_expire(&twin->world, hold);
    world_judge(&twin->world);
    drain(twin);
    twin->world.now += hold + up_to(twin, MS);
    end_turn(twin);
  }
  world_expire(&twin->world, 0);
  if (one_in(twin, 2)) { /* what arrives in the poll */
    for (int i = 0; i < LANES; i++) {
      if (one_in(twin, 4)) settle_any(twin, &twin->lanes[i]);
    }
  }
  world_judge(&twin->world);
  if (one_in(twin, 2)) {
    world_begin_turn(&twin->world);
    twin->observed = twin->ran = 0;
  }
  drain(twin);
  /* A deadline of what moved on by itself is armed now, though it is stamped only later. */
  expect_nothing_overdue(twin);
}

static void observe(struct twin *twin) {
  uint64_t now = twin->world.now + up_to(twin, 6 * MS);
  if (twin->observed == 0) twin->observed = now;
  if (now < twin->observed) now = twin->observed;
  world_observe(&twin->world, now);
  twin->ran = now - twin->observed;
}

static void wait_alone(struct twin *twin) {
  uint64_t duration = any_duration(twin);
  uint32_t flags = (uint32_t)up_to(twin, 1);
  int is_sleep = one_in(twin, 2);
  if (is_sleep) world_sleep(&twin->world, duration, flags);
  else world_guard(&twin->world, duration, flags);
  take_lane(twin, is_sleep ? SLEEPING : GUARDING, -1);
  lane_of(twin, twin->world.decision.lane)->duration = duration;
}

static void try_stale(struct twin *twin) {
  if (twin->stale_count == 0) return;
  struct sluice_handle handle = twin->stale[up_to(twin, twin->stale_count < STALE ? twin->stale_count - 1 : STALE - 1)];
  struct sluice_decision decision;
  for (int i = 0; i < JOBS; i++) {
    if (twin->jobs[i].is_open && same_handle(twin->jobs[i].handle, handle)) return; /* a lane's, and now a job's */
  }
  if (same_handle(lane_of(twin, handle)->handle, handle) && lane_of(twin, handle)->doing != NOTHING) return;
  EXPECT_EQ(sluice_step(twin->world.engine, handle, SLUICE_OUTCOME_FULFILLED, &decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_join(twin->world.engine, handle, &decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_release(twin->world.engine, handle), SLUICE_ESTALE);
  world_check(&twin->world);
}

static void try_job(struct twin *twin, int number) {
  struct twin_job *job = &twin->jobs[number];
  if (!job->is_open) {
    open(twin, number);
    return;
  }
  switch (up_to(twin, 9)) {
    case 0:
      world_abort(&twin->world, job->handle);
      forget_job(twin, job);
      break;
    case 1:
      if (job->counts.abandoned == 0) break;
      world_late(&twin->world, job->handle);
      job->counts.abandoned--;
      break;
    case 2:
    case 3: {
      struct sluice_counts counts = world_count(&twin->world, job->handle);
      expect_counts(job, &counts);
      break;
    }
    default:
      join(twin, number);
  }
}

static void expect_references(const struct twin *twin) {
  int is_referenced = 0;
  for (int i = 0; i < JOBS; i++) {
    const struct twin_job *job = &twin->jobs[i];
    if (!job->is_open) continue;
    if (job->policy.flags & SLUICE_FLAG_PROGRESS) return; /* it may be about to tell */
    if (job->stamp == UNSTAMPED || job->policy.backoff.jitter == SLUICE_JITTER_FULL) return; /* not known */
    is_referenced |= total_due(job) < SLUICE_NEVER && (job->policy.flags & SLUICE_FLAG_UNREF) == 0;
  }
  for (int i = 0; i < LANES; i++) {
    const struct twin_lane *lane = &twin->lanes[i];
    if (lane->doing == NOTHING || lane->doing == PULLING) continue;
    if (lane->job < 0) return; /* guards and sleeps: see alone.c */
    if (lane->doing == YIELDING) {
      is_referenced = 1; /* a pause of our own, not a wait: for an unreferenced job too */
      continue;
    }
    if (lane->stamp == UNSTAMPED) return;
    is_referenced |= lane_due(lane) < SLUICE_NEVER && (twin->jobs[lane->job].policy.flags & SLUICE_FLAG_UNREF) == 0;
  }
  EXPECT_EQ(sluice_is_referenced(twin->world.engine), is_referenced);
}

static void play(uint64_t seed) {
  static struct twin twin;
  memset(&twin, 0, sizeof twin);
  world_init(&twin.world);
  sluice__rng_init(&twin.rng, seed);
  if (one_in(&twin, 2)) {
    world_share_grants(&twin.world);
    for (int i = 0; i < 6; i++) world_observe(&twin.world, twin.world.now);
    twin.observed = twin.world.now;
  }
  for (int step = 0; step < STEPS; step++) {
    switch (up_to(&twin, 15)) {
      case 0:
      case 1:
        turn(&twin);
        break;
      case 2:
        observe(&twin);
        break;
      case 3:
        if (twin.lanes[LANES / 2].doing == NOTHING) wait_alone(&twin);
        break;
      case 4:
        try_stale(&twin);
        break;
      case 5:
      case 6:
        try_job(&twin, (int)up_to(&twin, JOBS - 1));
        break;
      default:
        settle_any(&twin, &twin.lanes[up_to(&twin, LANES - 1) & up_to(&twin, LANES - 1)]);
    }
    if (step % 8 == 0) expect_references(&twin);
  }
  world_fini(&twin.world);
}

void test_random_jobs_agree_with_their_twin(void) {
  for (uint64_t round = 0; round < 150 * test_rounds; round++) play(test_seed + round * 0x9e3779b97f4a7c15u);
}
