/* Random waiters, jobs and time in the lines of semaphores and limiters, against lines.c. After each call,
 * sluice_check (by world.c). */
#include <string.h>

#include "lines.h"
#include "tests.h"

enum { LINE_STEPS = 500 };

static uint64_t up_to(struct lines *lines, uint64_t bound) {
  return sluice__rng_up_to(&lines->rng, bound);
}

static int one_in(struct lines *lines, uint64_t count) {
  return up_to(lines, count - 1) == 0;
}

static uint64_t any_duration(struct lines *lines) {
  static const uint64_t durations[] = {SLUICE_NEVER, SLUICE_NEVER, 0, 1, 999, MS, 20 * MS, SECOND, 100 * SECOND};
  return one_in(lines, 2) ? up_to(lines, 200 * MS) : durations[up_to(lines, sizeof durations / sizeof *durations - 1)];
}

static struct sluice_rate any_rate(struct lines *lines) {
  static const uint64_t spans[] = {1, 7, 1000, MS, 33 * MS, SECOND, SECOND, 3600 * SECOND, SLUICE_NEVER - 1};
  return (struct sluice_rate){.max = one_in(lines, 8) ? 0 : 1 + up_to(lines, one_in(lines, 2) ? 3 : 50),
                              .per = spans[up_to(lines, sizeof spans / sizeof *spans - 1)],
                              .burst = one_in(lines, 3) ? 0 : 1 + up_to(lines, 5)};
}

static void open(struct lines *lines, int number) {
  uint64_t length = up_to(lines, 30);
  struct sluice_policy policy = policy_of(length, 1 + (uint32_t)up_to(lines, JOB_LANES - 1));
  int semaphore = (int)up_to(lines, SEMAPHORES) - 1, limiter = (int)up_to(lines, LIMITERS) - 1;
  if (semaphore >= 0 && !lines->semaphores[semaphore].is_open) semaphore = -1;
  if (limiter >= 0 && !lines->limiters[limiter].is_open) limiter = -1;
  if (semaphore >= 0) policy.semaphore = lines->semaphores[semaphore].handle;
  if (limiter >= 0) policy.limiter = lines->limiters[limiter].handle;
  policy.source = (enum sluice_source)up_to(lines, SLUICE_SOURCE_ASYNC);
  if (policy.source != SLUICE_SOURCE_INDEXED && one_in(lines, 2)) policy.items = SLUICE_UNKNOWN;
  policy.retries = (uint32_t)up_to(lines, 2);
  /* A wait that ends in a line that nobody is told of: gate.c, and twin.c. */
  policy.backoff = (struct sluice_backoff){.delay = limiter >= 0 || one_in(lines, 2) ? 0 : 1 + up_to(lines, 50 * MS),
                                           .max_delay = SLUICE_NEVER,
                                           .factor = 1,
                                           .kind = SLUICE_BACKOFF_CONSTANT,
                                           .jitter = SLUICE_JITTER_NONE};
  if (policy.backoff.delay == 0 && one_in(lines, 3)) policy.item_timeout = any_duration(lines);
  if (one_in(lines, 2)) policy.window = 1 + up_to(lines, 4);
  policy.flags = one_in(lines, 4) ? 0 : SLUICE_FLAG_COLLECT;
  if (one_in(lines, 3)) policy.flags |= SLUICE_FLAG_VERDICT;
  if (one_in(lines, 4)) policy.flags |= SLUICE_FLAG_UNREF;
  lines_open(lines, number, &policy, semaphore, limiter, length);
}

static void settle_any(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = &lines->jobs[lane->job];
  switch (lane->doing) {
    case LANE_PULLS:
      lines_settle(lines, lane, job->next_item < job->length ? SLUICE_OUTCOME_PULLED : SLUICE_OUTCOME_EXHAUSTED);
      break;
    case LANE_RUNS: {
      uint64_t choice = up_to(lines, 19);
      enum sluice_outcome outcome = SLUICE_OUTCOME_FULFILLED;
      if (choice == 0) outcome = SLUICE_OUTCOME_REFUSED;
      else if (choice <= 5) outcome = SLUICE_OUTCOME_REJECTED;
      else if (choice == 6 && one_in(lines, 6)) outcome = SLUICE_OUTCOME_STOPPED;
      lines_settle(lines, lane, outcome);
      break;
    }
    case LANE_ASKS:
      lines_settle(lines, lane, one_in(lines, 6) ? SLUICE_OUTCOME_STOPPED : SLUICE_OUTCOME_REFUSED);
      break;
    case LANE_NONE:
      break;
    default: { /* it waits: nothing fits */
      struct sluice_decision decision;
      EXPECT_EQ(sluice_step(lines->world.engine, lane->handle, SLUICE_OUTCOME_FULFILLED, &decision), SLUICE_ESTATE);
    }
  }
}

static void try_job(struct lines *lines, int number) {
  const struct line_job *job = &lines->jobs[number];
  if (!job->is_open) {
    open(lines, number);
    return;
  }
  uint64_t choice = up_to(lines, 19);
  if (choice == 0) lines_abort(lines, number);
  else if (choice < 8) lines_read(lines, number, up_to(lines, 3));
  else lines_join(lines, number);
}

static void try_semaphore(struct lines *lines, int number) {
  struct line_semaphore *semaphore = &lines->semaphores[number];
  if (!semaphore->is_open) {
    lines_make_semaphore(lines, number, 1 + up_to(lines, 4), up_to(lines, 4));
    return;
  }
  uint64_t choice = up_to(lines, 19);
  if (choice == 0) lines_close_semaphore(lines, number);
  else if (choice == 1) lines_resize(lines, number, 1 + up_to(lines, 5));
  else if (choice == 2) lines_shut(lines, 0, number);
  else if (choice < 11) lines_give(lines, number, up_to(lines, semaphore->mine + one_in(lines, 8)));
  else
    lines_ask(lines, 0, number, up_to(lines, semaphore->permits), any_duration(lines),
              one_in(lines, 3) ? up_to(lines, 4) : UINT64_MAX, one_in(lines, 3) ? SLUICE_FLAG_UNREF : 0);
}

static void try_limiter(struct lines *lines, int number) {
  struct line_limiter *limiter = &lines->limiters[number];
  struct sluice_rate rate = any_rate(lines);
  if (!limiter->is_open) {
    lines_make_limiter(lines, number, &rate);
    return;
  }
  uint64_t choice = up_to(lines, 19);
  if (choice == 0) lines_close_limiter(lines, number);
  else if (choice == 1) lines_reconfigure(lines, number, &rate);
  else if (choice == 2) lines_shut(lines, 1, number);
  else if (choice == 3) lines_penalize(lines, number, one_in(lines, 9) ? SLUICE_NEVER : up_to(lines, 100 * MS));
  else
    lines_ask(lines, 1, number, up_to(lines, limiter->rate.max == 0 ? 9 : limiter->burst + one_in(lines, 9)),
              any_duration(lines), one_in(lines, 3) ? up_to(lines, 4) : UINT64_MAX,
              one_in(lines, 3) ? SLUICE_FLAG_UNREF : 0);
}

static void pass_time(struct lines *lines) {
  lines_end_turn(lines);
  uint64_t next = sluice_next_expiry(lines->world.engine), *now = &lines->world.now;
  if (one_in(lines, 3)) *now += up_to(lines, 100 * MS);
  else if (next < SLUICE_NEVER / 4 && next > *now) *now = next;
  if (one_in(lines, 4)) { /* the loop was kept: held, and then due */
    uint64_t hold = 1 + up_to(lines, 25 * MS);
    lines_expire(lines, hold);
    world_judge(&lines->world);
    if (one_in(lines, 2)) lines_drain(lines, 0);
    *now += hold;
    lines_end_turn(lines);
  }
  lines_expire(lines, 0);
  if (one_in(lines, 2)) { /* what arrives in the poll wins */
    for (int i = 0; i < SEMAPHORES; i++) {
      if (lines->semaphores[i].is_open) lines_give(lines, i, up_to(lines, lines->semaphores[i].mine));
    }
  }
  world_judge(&lines->world);
  lines_drain(lines, 1);
}

static void play(uint64_t seed) {
  static struct lines lines;
  lines_init(&lines, seed);
  for (int step = 0; step < LINE_STEPS; step++) {
    switch (up_to(&lines, 15)) {
      case 0:
      case 1:
        pass_time(&lines);
        break;
      case 2:
      case 3:
      case 4:
        try_semaphore(&lines, (int)up_to(&lines, SEMAPHORES - 1));
        break;
      case 5:
      case 6:
        try_limiter(&lines, (int)up_to(&lines, LIMITERS - 1));
        break;
      case 7:
        lines_withdraw(&lines, (int)up_to(&lines, WAITERS - 1));
        break;
      case 8:
        lines_hand(&lines);
        break;
      case 9:
      case 10:
      case 11:
        try_job(&lines, (int)up_to(&lines, LINE_JOBS - 1));
        break;
      default:
        settle_any(&lines, &lines.lanes[up_to(&lines, LINE_JOBS * JOB_LANES - 1)]);
    }
    if (step % 4 == 0) lines_expect_levels(&lines);
    if (step % 16 == 0) lines_expect_references(&lines);
  }
  world_fini(&lines.world);
}

void test_random_lines_agree_with_their_twin(void) {
  for (uint64_t round = 0; round < 25 * test_rounds; round++) play(test_seed + round * 0x9e3779b97f4a7c15u);
}
