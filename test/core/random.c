/* Random jobs, steps and time against a twin that is told everything. After each call, sluice_check (by world.c). */
#include <string.h>

#include "tests.h"
#include "twin.h"

enum { STEPS = 400 };

static uint64_t up_to(struct twin *twin, uint64_t bound) {
  return sluice__rng_up_to(&twin->rng, bound);
}

static int one_in(struct twin *twin, uint64_t count) {
  return up_to(twin, count - 1) == 0;
}

static uint64_t any_duration(struct twin *twin) {
  static const uint64_t durations[] = {SLUICE_NEVER, SLUICE_NEVER - 1, 0,           1,      999,
                                       MS,           2 * MS,           100 * MS,    SECOND, SECOND,
                                       10 * SECOND,  3600 * SECOND,    SLUICE_NEVER};
  uint64_t duration = durations[up_to(twin, sizeof durations / sizeof *durations - 1)];
  return one_in(twin, 3) ? up_to(twin, SECOND) : duration;
}

static void settle_running(struct twin *twin, struct twin_lane *lane) {
  uint64_t choice = up_to(twin, 19);
  enum sluice_outcome outcome = SLUICE_OUTCOME_FULFILLED;
  if (choice == 0) outcome = SLUICE_OUTCOME_REFUSED;
  else if (choice <= 6) outcome = SLUICE_OUTCOME_REJECTED;
  else if (choice == 7 && one_in(twin, 8)) outcome = SLUICE_OUTCOME_STOPPED;
  twin_settle(twin, lane, outcome);
}

static void settle_review(struct twin *twin, struct twin_lane *lane) {
  switch (up_to(twin, 7)) {
    case 0:
      twin_settle(twin, lane, SLUICE_OUTCOME_REFUSED);
      break;
    case 1:
      twin_plan(twin, lane, SLUICE_OUTCOME_WAIT, any_duration(twin));
      break;
    case 2:
      twin_plan(twin, lane, SLUICE_OUTCOME_WISH, any_duration(twin));
      break;
    default:
      twin_settle(twin, lane, SLUICE_OUTCOME_RETRY);
  }
}

static void settle_any(struct twin *twin, struct twin_lane *lane) {
  switch (lane->doing) {
    case PULLING: {
      int is_over = twin->jobs[lane->job].next_item >= twin->jobs[lane->job].length;
      twin_settle(twin, lane, is_over ? SLUICE_OUTCOME_EXHAUSTED : SLUICE_OUTCOME_PULLED);
      break;
    }
    case RUNNING:
      settle_running(twin, lane);
      break;
    case REVIEWING:
      settle_review(twin, lane);
      break;
    case GUARDING:
    case SLEEPING:
      world_release(&twin->world, lane->handle);
      twin_forget_lane(twin, lane);
      break;
    default:
      break;
  }
}

/* Not so large that it is rounded: see bucket.c for those. */
static struct sluice_rate any_rate(struct twin *twin) {
  static const uint64_t spans[] = {1, 7, 1000, MS, 33 * MS, SECOND, SECOND, 3600 * SECOND};
  return (struct sluice_rate){.max = 1 + up_to(twin, one_in(twin, 2) ? 3 : 1000),
                              .per = spans[up_to(twin, sizeof spans / sizeof *spans - 1)],
                              .burst = one_in(twin, 2) ? 0 : 1 + up_to(twin, 5)};
}

static struct sluice_policy any_policy(struct twin *twin, uint64_t length) {
  struct sluice_policy policy;
  memset(&policy, 0, sizeof policy);
  policy.source = (enum sluice_source)up_to(twin, SLUICE_SOURCE_ASYNC);
  int is_known = policy.source == SLUICE_SOURCE_INDEXED || one_in(twin, 2);
  policy.items = is_known ? length : SLUICE_UNKNOWN;
  policy.timeout = any_duration(twin);
  policy.item_timeout = one_in(twin, 2) ? SLUICE_NEVER : any_duration(twin);
  policy.total_timeout = one_in(twin, 2) ? SLUICE_NEVER : any_duration(twin);
  policy.yield_after = one_in(twin, 2) ? SLUICE_NEVER : up_to(twin, 5 * MS);
  policy.limit = 1 + (uint32_t)up_to(twin, 7);
  policy.retries = one_in(twin, 9) ? SLUICE_UNLIMITED : (uint32_t)up_to(twin, 3);
  policy.max_abandoned = one_in(twin, 4) ? (uint32_t)up_to(twin, 2) : SLUICE_UNLIMITED;
  if (one_in(twin, 3)) policy.rate = any_rate(twin);
  policy.flags = (uint32_t)up_to(twin, 2 * SLUICE_FLAG_DRAIN - 1);
  if (one_in(twin, 2)) policy.flags &= ~(uint32_t)SLUICE_FLAG_REVIEW;
  policy.backoff = (struct sluice_backoff){.delay = one_in(twin, 3) ? 0 : any_duration(twin),
                                           .max_delay = one_in(twin, 3) ? any_duration(twin) : SLUICE_NEVER,
                                           .factor = 1 + (double)up_to(twin, 8) / 4,
                                           .kind = (enum sluice_backoff_kind)up_to(twin, SLUICE_BACKOFF_DECORRELATED),
                                           .jitter = (enum sluice_jitter)up_to(twin, SLUICE_JITTER_FULL)};
  return policy;
}

static void open(struct twin *twin, int number) {
  struct twin_job *job = &twin->jobs[number];
  memset(job, 0, sizeof *job);
  job->length = up_to(twin, ITEMS);
  job->policy = any_policy(twin, job->length);
  world_open(&twin->world, &job->policy);
  if (job->policy.items == 0 || job->policy.total_timeout == 0) {
    EXPECT_EQ(twin->world.decision.action, job->policy.items == 0 ? SLUICE_ACTION_DONE : SLUICE_ACTION_FAIL);
    twin_expect_counts(job, &twin->world.decision.counts);
    return;
  }
  EXPECT_EQ(twin->world.decision.action, 0);
  twin_opened(twin, job);
  while (job->is_open && twin->world.decision.action != SLUICE_ACTION_REST) twin_join(twin, number);
}

static void end_turn(struct twin *twin) {
  twin->world.now += one_in(twin, 2) ? 0 : up_to(twin, 3 * MS);
  twin_end_turn(twin);
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
    twin_drain(twin);
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
    twin->turn_began = twin->ran = 0;
  }
  twin_drain(twin);
  twin_expect_nothing_overdue(twin);
}

static void observe(struct twin *twin) {
  uint64_t now = twin->world.now + up_to(twin, 6 * MS);
  if (now < twin->observed) now = twin->observed;
  if (twin->turn_began == 0) twin->turn_began = now;
  world_observe(&twin->world, now);
  twin->observed = now;
  twin->ran = now - twin->turn_began;
}

static void wait_alone(struct twin *twin) {
  uint64_t duration = any_duration(twin);
  uint32_t flags = (uint32_t)up_to(twin, 1);
  int is_sleep = one_in(twin, 2);
  if (is_sleep) world_sleep(&twin->world, duration, flags);
  else world_guard(&twin->world, duration, flags);
  uint32_t slot = twin->world.decision.lane.slot;
  twin_take_lane(twin, is_sleep ? SLEEPING : GUARDING, -1);
  twin->lanes[slot].duration = duration;
}

static void try_stale(struct twin *twin) {
  if (twin->stale_count == 0) return;
  struct sluice_handle handle = twin->stale[up_to(twin, twin->stale_count < STALE ? twin->stale_count - 1 : STALE - 1)];
  struct sluice_decision decision;
  for (int i = 0; i < JOBS; i++) {
    if (twin->jobs[i].is_open && same_handle(twin->jobs[i].handle, handle)) return; /* a lane's, and now a job's */
  }
  const struct twin_lane *lane = &twin->lanes[handle.slot];
  if (same_handle(lane->handle, handle) && lane->doing != NOTHING) return;
  EXPECT_EQ(sluice_step(twin->world.engine, handle, SLUICE_OUTCOME_FULFILLED, &decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_plan(twin->world.engine, handle, SLUICE_OUTCOME_WAIT, 0, &decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_remaining(twin->world.engine, handle, 0, &decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_join(twin->world.engine, handle, &decision), SLUICE_ESTALE);
  EXPECT_EQ(sluice_release(twin->world.engine, handle), SLUICE_ESTALE);
  world_check(&twin->world);
}

/* Outcomes that do not fit what the lane does are refused, and change nothing. */
static void try_misfit(struct twin *twin, const struct twin_lane *lane) {
  static const enum sluice_outcome misfits[] = {
      [RUNNING] = SLUICE_OUTCOME_RETRY,      [PULLING] = SLUICE_OUTCOME_STOPPED,
      [PARKED] = SLUICE_OUTCOME_FULFILLED,   [YIELDING] = SLUICE_OUTCOME_RETRY,
      [WAITING] = SLUICE_OUTCOME_EXHAUSTED,  [REVIEWING] = SLUICE_OUTCOME_REJECTED,
      [GUARDING] = SLUICE_OUTCOME_FULFILLED, [SLEEPING] = SLUICE_OUTCOME_RETRY};
  if (lane->doing == NOTHING) return;
  struct sluice_decision decision;
  EXPECT_EQ(sluice_step(twin->world.engine, lane->handle, misfits[lane->doing], &decision), SLUICE_ESTATE);
  if (lane->doing != REVIEWING)
    EXPECT_EQ(sluice_plan(twin->world.engine, lane->handle, SLUICE_OUTCOME_WISH, 0, &decision), SLUICE_ESTATE);
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
      twin_abort(twin, job);
      break;
    case 1:
    case 2:
      if (job->counts.abandoned != 0) twin_late(twin, job);
      break;
    case 3: {
      struct sluice_counts counts = world_count(&twin->world, job->handle);
      twin_expect_counts(job, &counts);
      break;
    }
    default:
      twin_join(twin, number);
  }
}

static struct twin_lane *any_lane(struct twin *twin) {
  return &twin->lanes[up_to(twin, LANES - 1) & up_to(twin, LANES - 1)]; /* the lower, the busier */
}

static void play(uint64_t seed) {
  static struct twin twin;
  twin_init(&twin, seed);
  if (one_in(&twin, 2)) {
    world_share_grants(&twin.world);
    for (int i = 0; i < 6; i++) world_observe(&twin.world, twin.world.now);
    twin.turn_began = twin.observed = twin.world.now;
  }
  for (int step = 0; step < STEPS; step++) {
    switch (up_to(&twin, 17)) {
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
        try_misfit(&twin, any_lane(&twin));
        break;
      case 6: {
        const struct twin_lane *lane = any_lane(&twin);
        if (lane->doing != NOTHING) twin_remaining(&twin, lane);
        break;
      }
      case 7:
      case 8:
        try_job(&twin, (int)up_to(&twin, JOBS - 1));
        break;
      default:
        settle_any(&twin, any_lane(&twin));
    }
    if (step % 8 == 0) twin_expect_references(&twin);
  }
  world_fini(&twin.world);
}

void test_random_jobs_agree_with_their_twin(void) {
  for (uint64_t round = 0; round < 150 * test_rounds; round++) play(test_seed + round * 0x9e3779b97f4a7c15u);
}
