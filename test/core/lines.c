#include "lines.h"

#include <string.h>

void lines_init(struct lines *lines, uint64_t seed) {
  memset(lines, 0, sizeof *lines);
  world_init(&lines->world);
  sluice__rng_init(&lines->rng, seed);
  world_observe(&lines->world, lines->world.now);
}

void line_add(struct line *line, int number) {
  EXPECT(line->count < LINE);
  line->at[line->count++] = number;
}

int line_has(const struct line *line, int number) {
  for (int i = 0; i < line->count; i++) {
    if (line->at[i] == number) return 1;
  }
  return 0;
}

int line_remove(struct line *line, int number) {
  for (int i = 0; i < line->count; i++) {
    if (line->at[i] != number) continue;
    memmove(&line->at[i], &line->at[i + 1], (size_t)(line->count - i - 1) * sizeof *line->at);
    line->count--;
    return 1;
  }
  return 0;
}

uint64_t lines__due(uint64_t stamp, uint64_t duration) {
  return stamp == NOT_YET || duration >= SLUICE_NEVER - stamp ? SLUICE_NEVER : stamp + duration;
}

/* Semaphores. */

uint64_t lines__free_permits(const struct line_semaphore *semaphore) {
  return semaphore->permits > semaphore->in_use ? semaphore->permits - semaphore->in_use : 0;
}

static uint64_t weight_of(const struct lines *lines, int claim) {
  return claim >= JOB_CLAIM ? 1 : lines->waiters[claim].weight;
}

static void hand_waiter(struct lines *lines, int number, enum sluice_event event) {
  lines->waiters[number].handed = event;
  line_add(&lines->handed, number);
}

void lines__serve(struct lines *lines, struct line_semaphore *semaphore) {
  while (semaphore->line.count > 0 && weight_of(lines, semaphore->line.at[0]) <= lines__free_permits(semaphore)) {
    int claim = semaphore->line.at[0];
    line_remove(&semaphore->line, claim);
    semaphore->in_use += weight_of(lines, claim);
    if (claim < JOB_CLAIM) {
      hand_waiter(lines, claim, SLUICE_EVENT_GRANTED);
      continue;
    }
    struct line_job *job = &lines->jobs[claim - JOB_CLAIM];
    if (job->claimant < 0) {
      job->has_spare = 1;
      int entry = JOB_ENTRY + claim - JOB_CLAIM;
      if (!line_has(&lines->handed, entry)) line_add(&lines->handed, entry);
      continue;
    }
    struct line_lane *lane = &lines->lanes[job->claimant];
    lane->has_permit = 1;
    lane->doing = LANE_HANDED;
    line_add(&lines->handed, LANE_ENTRY + job->claimant);
    job->claimant = -1;
  }
}

void lines_make_semaphore(struct lines *lines, int number, uint64_t permits, uint64_t in_use) {
  struct line_semaphore *semaphore = &lines->semaphores[number];
  memset(semaphore, 0, sizeof *semaphore);
  semaphore->handle = world_semaphore(&lines->world, permits, in_use);
  semaphore->is_open = 1;
  semaphore->permits = permits;
  semaphore->in_use = semaphore->mine = in_use;
}

static int count_users(const struct lines *lines, int is_limiter, int number) {
  int count = 0;
  for (int i = 0; i < LINE_JOBS; i++) {
    const struct line_job *job = &lines->jobs[i];
    count += job->is_open && (is_limiter ? job->limiter : job->semaphore) == number;
  }
  return count;
}

static int count_waiters(const struct lines *lines, int is_draw, int number) {
  int count = 0;
  for (int i = 0; i < WAITERS; i++) {
    const struct line_waiter *waiter = &lines->waiters[i];
    count += waiter->is_open && waiter->is_draw == is_draw && waiter->owner == number;
  }
  return count;
}

void lines_close_semaphore(struct lines *lines, int number) {
  struct line_semaphore *semaphore = &lines->semaphores[number];
  int is_used = count_users(lines, 0, number) + count_waiters(lines, 0, number) > 0;
  uint64_t in_use;
  int error = sluice_semaphore_close(lines->world.engine, semaphore->handle, &in_use);
  EXPECT_EQ(error, is_used ? SLUICE_ESTATE : SLUICE_OK);
  world_check(&lines->world);
  if (is_used) return;
  EXPECT_EQ(in_use, semaphore->in_use);
  EXPECT_EQ(in_use, semaphore->mine);
  semaphore->is_open = 0;
  EXPECT_EQ(sluice_give(lines->world.engine, semaphore->handle, 0), SLUICE_ESTALE);
}

void lines_give(struct lines *lines, int number, uint64_t weight) {
  struct line_semaphore *semaphore = &lines->semaphores[number];
  if (weight > semaphore->mine) {
    EXPECT_EQ(sluice_give(lines->world.engine, semaphore->handle, weight), SLUICE_EINVAL);
    return;
  }
  world_give(&lines->world, semaphore->handle, weight);
  semaphore->mine -= weight;
  semaphore->in_use -= weight;
  lines__serve(lines, semaphore);
}

/* Waiters that ask for more than `most` leave the line. */
static void dismiss(struct lines *lines, struct line *line, uint64_t most, enum sluice_event event) {
  for (int i = 0; i < line->count;) {
    int claim = line->at[i];
    if (claim >= JOB_CLAIM || lines->waiters[claim].weight <= most) {
      i++;
      continue;
    }
    line_remove(line, claim);
    hand_waiter(lines, claim, event);
  }
}

void lines_resize(struct lines *lines, int number, uint64_t permits) {
  struct line_semaphore *semaphore = &lines->semaphores[number];
  world_resize(&lines->world, semaphore->handle, permits);
  semaphore->permits = permits;
  dismiss(lines, &semaphore->line, permits, SLUICE_EVENT_REFUSED);
  lines__serve(lines, semaphore);
}

/* Limiters. */

static uint64_t capacity_of(const struct line_limiter *limiter) {
  return limiter->rate.max == 0 ? SLUICE_PERMIT_MAX : limiter->burst;
}

static void set_rate(struct line_limiter *limiter, const struct sluice_rate *rate) {
  limiter->rate = *rate;
  limiter->take_count = 0;
  if (rate->max == 0) return;
  limiter->burst = rate->burst;
  if (limiter->burst == 0) limiter->burst = (uint64_t)((lines_wide)rate->max * 10 * MS / rate->per);
  if (limiter->burst == 0) limiter->burst = 1;
}

static void refill(struct line_limiter *limiter, uint64_t until) {
  if (until <= limiter->at) return;
  lines_wide full = (lines_wide)limiter->burst * limiter->rate.per;
  limiter->level += (lines_wide)(until - limiter->at) * limiter->rate.max;
  if (limiter->level > full) limiter->level = full;
  limiter->at = until;
}

static uint64_t tokens_in(const struct line_limiter *limiter) {
  return (uint64_t)(limiter->level / limiter->rate.per);
}

/* Whatever was asked of it: no more than its burst and what accrues, between any two of them. */
static void note_take(struct line_limiter *limiter, uint64_t tokens, uint64_t now) {
  uint64_t place = limiter->take_count++;
  limiter->taken_at[place % TAKES] = now;
  limiter->taken[place % TAKES] = tokens;
  lines_wide sum = 0;
  for (uint64_t back = 0; back <= place && back < TAKES; back++) {
    uint64_t other = (place - back) % TAKES;
    sum += limiter->taken[other];
    lines_wide span = now - limiter->taken_at[other];
    EXPECT(sum * limiter->rate.per <= (lines_wide)limiter->burst * limiter->rate.per + span * limiter->rate.max);
  }
}

int lines__draw(struct lines *lines, struct line_limiter *limiter, uint64_t tokens) {
  uint64_t now = lines->world.now;
  if (now < limiter->shut) return 0;
  if (limiter->rate.max == 0) return 1;
  refill(limiter, now);
  if (limiter->level < (lines_wide)tokens * limiter->rate.per) return 0;
  limiter->level -= (lines_wide)tokens * limiter->rate.per;
  note_take(limiter, tokens, now);
  return 1;
}

/* When there will be so many tokens; SLUICE_NEVER and above is never. */
static uint64_t ready_for(const struct line_limiter *limiter, uint64_t tokens, uint64_t now) {
  lines_wide ready = now;
  if (limiter->rate.max != 0) {
    lines_wide wanted = (lines_wide)tokens * limiter->rate.per, max = limiter->rate.max;
    if (limiter->level < wanted) ready = limiter->at + (wanted - limiter->level + max - 1) / max;
    if (ready < now) ready = now;
  }
  if (ready < limiter->shut) ready = limiter->shut;
  return ready > SLUICE_NEVER ? SLUICE_NEVER : (uint64_t)ready;
}

void lines_make_limiter(struct lines *lines, int number, const struct sluice_rate *rate) {
  struct line_limiter *limiter = &lines->limiters[number];
  memset(limiter, 0, sizeof *limiter);
  limiter->handle = world_limiter(&lines->world, rate->max, rate->per, rate->burst);
  limiter->is_open = 1;
  set_rate(limiter, rate);
  limiter->level = (lines_wide)limiter->burst * rate->per;
}

void lines_close_limiter(struct lines *lines, int number) {
  struct line_limiter *limiter = &lines->limiters[number];
  int is_used = count_users(lines, 1, number) + count_waiters(lines, 1, number) > 0;
  EXPECT_EQ(sluice_limiter_close(lines->world.engine, limiter->handle), is_used ? SLUICE_ESTATE : SLUICE_OK);
  world_check(&lines->world);
  limiter->is_open = is_used;
}

static void rearm(struct line_limiter *limiter) {
  limiter->gate = limiter->line.count > 0 ? GATE_NEWBORN : GATE_NONE;
}

void lines__join_limiter(struct line_limiter *limiter, int claim) {
  line_add(&limiter->line, claim);
  if (limiter->gate == GATE_NONE) limiter->gate = GATE_NEWBORN;
}

void lines__leave_limiter(struct line_limiter *limiter, int claim) {
  int was_head = limiter->line.count > 0 && limiter->line.at[0] == claim;
  if (!line_remove(&limiter->line, claim)) return;
  if (was_head || limiter->gate == GATE_NONE) rearm(limiter);
}

void lines_reconfigure(struct lines *lines, int number, const struct sluice_rate *rate) {
  struct line_limiter *limiter = &lines->limiters[number];
  int had_rate = limiter->rate.max != 0;
  uint64_t held = 0;
  if (had_rate) {
    refill(limiter, lines->world.now);
    held = tokens_in(limiter);
  }
  world_reconfigure(&lines->world, limiter->handle, rate->max, rate->per, rate->burst);
  set_rate(limiter, rate);
  if (rate->max != 0) {
    if (!had_rate || held > limiter->burst) held = limiter->burst;
    limiter->level = (lines_wide)held * rate->per;
    if (!had_rate) limiter->at = lines->world.now > limiter->shut ? lines->world.now : limiter->shut;
  }
  dismiss(lines, &limiter->line, capacity_of(limiter), SLUICE_EVENT_REFUSED);
  rearm(limiter);
}

void lines_penalize(struct lines *lines, int number, uint64_t duration) {
  struct line_limiter *limiter = &lines->limiters[number];
  uint64_t now = lines->world.now;
  world_penalize(&lines->world, limiter->handle, duration);
  rearm(limiter);
  uint64_t until = lines__due(now, duration);
  if (until <= limiter->shut) return;
  limiter->shut = until;
  if (limiter->rate.max == 0) return;
  refill(limiter, now);
  lines_wide one = limiter->rate.per;
  if (limiter->level < one) limiter->level += (lines_wide)(until - limiter->at) * limiter->rate.max;
  if (limiter->level > one) limiter->level = one; /* at most one at its end */
  limiter->at = until;
}

void lines_shut(struct lines *lines, int is_limiter, int number) {
  struct sluice_engine *engine = lines->world.engine;
  if (is_limiter) {
    EXPECT_EQ(sluice_limiter_shut(engine, lines->limiters[number].handle), SLUICE_OK);
    dismiss(lines, &lines->limiters[number].line, 0, SLUICE_EVENT_SHUT);
    rearm(&lines->limiters[number]);
  } else {
    EXPECT_EQ(sluice_semaphore_shut(engine, lines->semaphores[number].handle), SLUICE_OK);
    dismiss(lines, &lines->semaphores[number].line, 0, SLUICE_EVENT_SHUT);
    lines__serve(lines, &lines->semaphores[number]);
  }
  world_check(&lines->world);
}

/* Waiters. */

static int free_waiter(const struct lines *lines) {
  for (int i = 0; i < WAITERS; i++) {
    if (!lines->waiters[i].is_open) return i;
  }
  return -1;
}

static uint64_t count_in_line(const struct line *line, int of_jobs) {
  uint64_t count = 0;
  for (int i = 0; i < line->count; i++) count += (line->at[i] >= JOB_CLAIM) == of_jobs;
  return count;
}

/* What the call is to answer. */
static int expected_answer(struct lines *lines, int is_draw, int number, uint64_t weight, uint64_t max_waiting,
                           enum sluice_event *event) {
  struct line_semaphore *semaphore = &lines->semaphores[number];
  struct line_limiter *limiter = &lines->limiters[number];
  const struct line *line = is_draw ? &limiter->line : &semaphore->line;
  *event = SLUICE_EVENT_NONE;
  if (weight == 0 || weight > (is_draw ? capacity_of(limiter) : semaphore->permits)) return SLUICE_EINVAL;
  if (line->count == 0) {
    int is_free = is_draw ? lines__draw(lines, limiter, weight) : weight <= lines__free_permits(semaphore);
    if (is_free && !is_draw) {
      semaphore->in_use += weight;
      semaphore->mine += weight;
    }
    if (is_free) *event = SLUICE_EVENT_GRANTED;
    if (is_free) return SLUICE_OK;
  }
  return count_in_line(line, 0) >= max_waiting ? SLUICE_ECROWDED : SLUICE_OK;
}

void lines_ask(struct lines *lines, int is_draw, int number, uint64_t weight, uint64_t timeout, uint64_t max_waiting,
               uint32_t flags) {
  struct world *world = &lines->world;
  int place = free_waiter(lines);
  if (place < 0) return;
  enum sluice_event event;
  int expected = expected_answer(lines, is_draw, number, weight, max_waiting, &event);
  if (is_draw) world_observe(world, world->now);
  struct sluice_handle handle = is_draw ? lines->limiters[number].handle : lines->semaphores[number].handle;
  int error = is_draw ? sluice_draw(world->engine, handle, weight, timeout, max_waiting, flags, &world->decision)
                      : sluice_acquire(world->engine, handle, weight, timeout, max_waiting, flags, &world->decision);
  EXPECT_EQ(error, expected);
  world_check(world);
  if (error != SLUICE_OK) return;
  EXPECT_EQ(world->decision.event, event);
  if (event == SLUICE_EVENT_GRANTED) return;
  lines->waiters[place] = (struct line_waiter){.is_open = 1,
                                               .handle = world->decision.lane,
                                               .is_draw = is_draw,
                                               .owner = number,
                                               .weight = weight,
                                               .duration = timeout,
                                               .stamp = NOT_YET,
                                               .since = world->now,
                                               .is_unref = (flags & SLUICE_FLAG_UNREF) != 0,
                                               .handed = SLUICE_EVENT_NONE};
  if (is_draw) lines__join_limiter(&lines->limiters[number], place);
  else line_add(&lines->semaphores[number].line, place);
}

/* It leaves its line, or gives back what it was handed. */
static void leave(struct lines *lines, int number) {
  struct line_waiter *waiter = &lines->waiters[number];
  waiter->is_open = 0;
  if (waiter->is_draw) {
    lines__leave_limiter(&lines->limiters[waiter->owner], number);
    return;
  }
  struct line_semaphore *semaphore = &lines->semaphores[waiter->owner];
  line_remove(&semaphore->line, number);
  if (waiter->handed == SLUICE_EVENT_GRANTED) semaphore->in_use -= waiter->weight;
  lines__serve(lines, semaphore);
}

void lines_withdraw(struct lines *lines, int number) {
  struct line_waiter *waiter = &lines->waiters[number];
  if (!waiter->is_open) {
    if (waiter->handle.generation != 0) EXPECT_EQ(sluice_withdraw(lines->world.engine, waiter->handle), SLUICE_ESTALE);
    return;
  }
  world_withdraw(&lines->world, waiter->handle);
  line_remove(&lines->handed, number);
  leave(lines, number);
}

/* Decisions. */

/* The first that was handed something, and is told of it; 0 where there is nobody. The decision is about it. */
static int expect_handed(struct lines *lines) {
  struct world *world = &lines->world;
  while (lines->handed.count > 0) {
    int entry = lines->handed.at[0];
    line_remove(&lines->handed, entry);
    if (entry >= JOB_ENTRY) {
      const struct line_job *job = &lines->jobs[entry - JOB_ENTRY];
      if (!job->has_spare) continue; /* one of its lanes has taken it */
      EXPECT_EQ(world->decision.event, SLUICE_EVENT_ROOM);
      EXPECT_EQ(world->decision.action, 0);
      EXPECT_SAME(world->decision.job, job->handle);
      return 1;
    }
    if (entry >= LANE_ENTRY) {
      struct line_lane *lane = &lines->lanes[entry - LANE_ENTRY];
      enum sluice_action action;
      struct sluice_decision decision = world->decision;
      EXPECT(lane->doing == LANE_HANDED);
      if (!lines__resume(lines, lane, &action)) continue;
      EXPECT_EQ(decision.event, SLUICE_EVENT_RESUMED);
      EXPECT_SAME(decision.lane, lane->handle);
      lines__expect_action(lines, lane, action);
      return 1;
    }
    struct line_waiter *waiter = &lines->waiters[entry];
    EXPECT_EQ(world->decision.event, waiter->handed);
    EXPECT_SAME(world->decision.lane, waiter->handle);
    EXPECT_EQ(world->decision.action, 0);
    waiter->is_open = 0;
    if (waiter->handed == SLUICE_EVENT_GRANTED) lines->semaphores[waiter->owner].mine += waiter->weight;
    return 1;
  }
  return 0;
}

void lines_hand(struct lines *lines) {
  EXPECT_EQ(sluice_has_handed(lines->world.engine), lines->handed.count > 0);
  world_hand(&lines->world);
  if (!expect_handed(lines)) EXPECT_EQ(lines->world.decision.event, SLUICE_EVENT_NONE);
}

static int waiter_of(const struct lines *lines, struct sluice_handle handle) {
  for (int i = 0; i < WAITERS; i++) {
    if (lines->waiters[i].is_open && same_handle(lines->waiters[i].handle, handle)) return i;
  }
  FAIL("a decision about a waiter that is not open");
}

/* The head of a line has its tokens; what comes next may have them too. */
static void served(struct lines *lines, struct line_limiter *limiter, int claim) {
  EXPECT_EQ(limiter->gate, GATE_READY);
  EXPECT_EQ(limiter->line.at[0], claim);
  EXPECT(lines__draw(lines, limiter, weight_of(lines, claim)));
  line_remove(&limiter->line, claim);
  if (claim >= JOB_CLAIM && lines->jobs[claim - JOB_CLAIM].waiting.count > 0) line_add(&limiter->line, claim);
  uint64_t now = lines->world.now;
  rearm(limiter);
  if (limiter->line.count > 0 && ready_for(limiter, weight_of(lines, limiter->line.at[0]), now) <= now)
    limiter->gate = GATE_READY;
}

static void expect_waiter_event(struct lines *lines) {
  const struct sluice_decision *decision = &lines->world.decision;
  int number = waiter_of(lines, decision->lane);
  struct line_waiter *waiter = &lines->waiters[number];
  EXPECT_EQ(waiter->handed, SLUICE_EVENT_NONE);
  if (decision->event == SLUICE_EVENT_GRANTED) { /* a semaphore's are handed */
    EXPECT(waiter->is_draw);
    EXPECT_EQ(decision->elapsed, lines->world.now - waiter->since);
    served(lines, &lines->limiters[waiter->owner], number);
    waiter->is_open = 0;
    return;
  }
  EXPECT_EQ(decision->event, SLUICE_EVENT_OVERTIME);
  EXPECT(lines__due(waiter->stamp, waiter->duration) <= lines->world.now);
  EXPECT_EQ(decision->elapsed, lines->world.now - waiter->stamp);
  leave(lines, number);
}

static struct line_lane *lane_of(struct lines *lines, struct sluice_handle handle) {
  for (int i = 0; i < LINE_JOBS * JOB_LANES; i++) {
    struct line_lane *lane = &lines->lanes[i];
    if (lane->doing != LANE_NONE && lane->handle.slot == handle.slot) return lane;
  }
  FAIL("a decision about a lane that is gone");
}

static void expect_lane_event(struct lines *lines) {
  const struct sluice_decision *decision = &lines->world.decision;
  struct line_lane *lane = lane_of(lines, decision->lane);
  if (decision->event == SLUICE_EVENT_ITEM) {
    EXPECT(lines__item_due(lines, lane) <= lines->world.now);
    EXPECT_EQ(decision->elapsed, lines->world.now - lane->item_stamp);
    EXPECT(!same_handle(lane->handle, decision->lane));
    lane->handle = decision->lane;
    lines__item_over(lines, lane);
    return;
  }
  EXPECT_EQ(decision->event, SLUICE_EVENT_RESUMED);
  EXPECT_SAME(decision->lane, lane->handle);
  struct line_job *job = &lines->jobs[lane->job];
  if (lane->doing == LANE_GATE) {
    EXPECT_EQ(job->waiting.at[0], (int)(lane - lines->lanes));
    line_remove(&job->waiting, (int)(lane - lines->lanes));
    served(lines, &lines->limiters[job->limiter], JOB_CLAIM + lane->job);
    lane->doing = LANE_RUNS;
    lines__expect_action(lines, lane, SLUICE_ACTION_START);
    return;
  }
  EXPECT_EQ(lane->doing, LANE_BACKOFF);
  EXPECT(lines__due(lane->stamp, job->policy.backoff.delay) <= lines->world.now);
  enum sluice_action action;
  EXPECT(lines__resume(lines, lane, &action));
  lines__expect_action(lines, lane, action);
}

static void expect_nothing_overdue(const struct lines *lines) {
  uint64_t now = lines->world.now;
  for (int i = 0; i < WAITERS; i++) {
    const struct line_waiter *waiter = &lines->waiters[i];
    EXPECT(!waiter->is_open || lines__due(waiter->stamp, waiter->duration) > now);
  }
  for (int i = 0; i < LINE_JOBS * JOB_LANES; i++) {
    const struct line_lane *lane = &lines->lanes[i];
    if (lane->doing == LANE_NONE) continue;
    EXPECT(lines__item_due(lines, lane) > now);
    if (lane->doing == LANE_BACKOFF) EXPECT(lines__due(lane->stamp, lines->jobs[lane->job].policy.backoff.delay) > now);
  }
}

void lines_drain(struct lines *lines, int is_judged) {
  for (;;) {
    int had_handed = lines->handed.count > 0;
    enum sluice_event event = world_next(&lines->world);
    if (had_handed && expect_handed(lines)) continue;
    if (event == SLUICE_EVENT_NONE) break;
    int is_waiters = event == SLUICE_EVENT_GRANTED || event == SLUICE_EVENT_OVERTIME;
    if (is_waiters) expect_waiter_event(lines);
    else expect_lane_event(lines);
  }
  EXPECT(!sluice_is_ready(lines->world.engine));
  for (int i = 0; i < LIMITERS; i++) EXPECT(lines->limiters[i].gate != GATE_READY);
  if (is_judged) expect_nothing_overdue(lines);
}

/* Time. */

void lines_end_turn(struct lines *lines) {
  world_end_turn(&lines->world);
  uint64_t now = lines->world.now;
  lines__serve_rooms(lines);
  for (int i = 0; i < WAITERS; i++) {
    if (lines->waiters[i].stamp == NOT_YET) lines->waiters[i].stamp = now;
  }
  for (int i = 0; i < LINE_JOBS * JOB_LANES; i++) {
    if (lines->lanes[i].stamp == NOT_YET) lines->lanes[i].stamp = now;
    if (lines->lanes[i].item_stamp == NOT_YET) lines->lanes[i].item_stamp = now;
  }
  for (int i = 0; i < LIMITERS; i++) {
    struct line_limiter *limiter = &lines->limiters[i];
    if (limiter->gate != GATE_NEWBORN) continue;
    limiter->due = ready_for(limiter, weight_of(lines, limiter->line.at[0]), now);
    limiter->gate = limiter->due >= SLUICE_NEVER ? GATE_NONE : limiter->due <= now ? GATE_READY : GATE_WAITS;
  }
}

void lines_expire(struct lines *lines, uint64_t hold) {
  world_observe(&lines->world, lines->world.now);
  world_expire(&lines->world, hold);
  for (int i = 0; i < LIMITERS; i++) {
    struct line_limiter *limiter = &lines->limiters[i];
    if (limiter->gate == GATE_WAITS && limiter->due <= lines->world.now) limiter->gate = GATE_READY;
  }
}

/* What can be seen. */

static void expect_level(const struct sluice_level *level, uint64_t available, uint64_t capacity,
                         const struct line *line, int users) {
  EXPECT_EQ(level->available, line->count == 0 ? available : 0);
  EXPECT_EQ(level->capacity, capacity);
  EXPECT_EQ(level->waiting, line->count);
  EXPECT_EQ(level->jobs, users);
}

void lines_expect_levels(struct lines *lines) {
  for (int i = 0; i < SEMAPHORES; i++) {
    const struct line_semaphore *semaphore = &lines->semaphores[i];
    if (!semaphore->is_open) continue;
    struct sluice_level level = world_semaphore_level(&lines->world, semaphore->handle);
    expect_level(&level, lines__free_permits(semaphore), semaphore->permits, &semaphore->line,
                 count_users(lines, 0, i));
    uint64_t held = semaphore->mine; /* none is lost, none is made */
    for (int k = 0; k < WAITERS; k++) {
      const struct line_waiter *waiter = &lines->waiters[k];
      if (waiter->is_open && !waiter->is_draw && waiter->owner == i && waiter->handed == SLUICE_EVENT_GRANTED)
        held += waiter->weight;
    }
    for (int k = 0; k < LINE_JOBS * JOB_LANES; k++) {
      const struct line_lane *lane = &lines->lanes[k];
      held += lane->doing != LANE_NONE && lane->has_permit && lines->jobs[lane->job].semaphore == i;
    }
    for (int k = 0; k < LINE_JOBS; k++)
      held += lines->jobs[k].is_open && lines->jobs[k].has_spare && lines->jobs[k].semaphore == i;
    EXPECT_EQ(held, semaphore->in_use);
  }
  for (int i = 0; i < LIMITERS; i++) {
    struct line_limiter *limiter = &lines->limiters[i];
    if (!limiter->is_open) continue;
    struct sluice_level level = world_limiter_level(&lines->world, limiter->handle);
    uint64_t available = SLUICE_PERMIT_MAX;
    if (limiter->rate.max != 0) {
      if (lines->world.now >= limiter->shut) refill(limiter, lines->world.now);
      available = tokens_in(limiter);
    }
    if (lines->world.now < limiter->shut) available = 0;
    expect_level(&level, available, capacity_of(limiter), &limiter->line, count_users(lines, 1, i));
  }
}

static int is_referenced(const struct lines *lines) {
  if (lines->handed.count > 0) return 1;
  for (int i = 0; i < WAITERS; i++) {
    const struct line_waiter *waiter = &lines->waiters[i];
    if (waiter->is_open && !waiter->is_unref && lines__due(waiter->stamp, waiter->duration) < SLUICE_NEVER) return 1;
  }
  for (int i = 0; i < LINE_JOBS * JOB_LANES; i++) {
    const struct line_lane *lane = &lines->lanes[i];
    if (lane->doing == LANE_NONE || (lines->jobs[lane->job].policy.flags & SLUICE_FLAG_UNREF) != 0) continue;
    if (lane->doing == LANE_BACKOFF || lines__item_due(lines, lane) < SLUICE_NEVER) return 1;
  }
  for (int i = 0; i < LIMITERS; i++) {
    const struct line_limiter *limiter = &lines->limiters[i];
    for (int k = 0; limiter->gate != GATE_NONE && k < limiter->line.count; k++) {
      int claim = limiter->line.at[k];
      int is_unref = claim < JOB_CLAIM ? lines->waiters[claim].is_unref
                                       : (lines->jobs[claim - JOB_CLAIM].policy.flags & SLUICE_FLAG_UNREF) != 0;
      if (!is_unref) return 1;
    }
  }
  return 0;
}

/* At the end of a turn: what is newborn may be let go when it is stamped. */
void lines_expect_references(struct lines *lines) {
  lines_end_turn(lines);
  EXPECT_EQ(sluice_is_referenced(lines->world.engine), is_referenced(lines));
}
