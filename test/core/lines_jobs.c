/* The jobs of lines.c: what they do with permits, tokens and a window. Nothing of theirs times out but items; the rest
 * is twin.c's. */
#include <string.h>

#include "lines.h"

static int number_of(const struct lines *lines, const struct line_lane *lane) {
  return (int)(lane - lines->lanes);
}

static struct line_job *job_of(struct lines *lines, const struct line_lane *lane) {
  return &lines->jobs[lane->job];
}

static struct line_semaphore *semaphore_of(struct lines *lines, const struct line_job *job) {
  return job->semaphore < 0 ? NULL : &lines->semaphores[job->semaphore];
}

static int pulls(const struct line_job *job) {
  return job->limiter >= 0 || job->policy.source == SLUICE_SOURCE_ASYNC;
}

uint64_t lines__item_due(const struct lines *lines, const struct line_lane *lane) {
  int holds_item = lane->attempt != 0 && lane->doing != LANE_ASKS && lane->doing != LANE_PULLS;
  return holds_item ? lines__due(lane->item_stamp, lines->jobs[lane->job].policy.item_timeout) : SLUICE_NEVER;
}

static int has_next_item(const struct line_job *job) {
  return job->next_item < job->policy.items && !job->is_exhausted;
}

static uint64_t room_of(const struct line_job *job) {
  if (job->policy.window == 0) return UINT64_MAX;
  return job->policy.window - (job->next_item - job->read);
}

/* For a lane that has an item, or for one more. */
static void claim_permit(struct lines *lines, const struct line_job *job) {
  int claim = JOB_CLAIM + (int)(job - lines->jobs);
  struct line *line = &lines->semaphores[job->semaphore].line;
  if (!line_has(line, claim)) line_add(line, claim);
}

static void leave_line(struct lines *lines, struct line_job *job) {
  job->claimant = -1;
  if (line_remove(&lines->semaphores[job->semaphore].line, JOB_CLAIM + (int)(job - lines->jobs)))
    lines__serve(lines, &lines->semaphores[job->semaphore]);
}

static void decline(struct lines *lines, struct line_job *job) {
  if (!job->has_spare) return;
  job->has_spare = 0;
  lines->semaphores[job->semaphore].in_use--;
  lines__serve(lines, &lines->semaphores[job->semaphore]);
}

/* No item is taken any more. */
static void quit(struct lines *lines, struct line_job *job) {
  if (job->semaphore < 0) return;
  leave_line(lines, job);
  decline(lines, job);
  line_remove(&lines->handed, JOB_ENTRY + (int)(job - lines->jobs));
}

static void drop_permit(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  struct line_semaphore *semaphore = semaphore_of(lines, job);
  if (lane->has_permit) {
    lane->has_permit = 0;
    semaphore->in_use--;
    lines__serve(lines, semaphore);
  } else if (job->claimant == number_of(lines, lane)) {
    leave_line(lines, job);
  }
}

/* It waits for nothing any more, but keeps its permit. */
static void stop_waiting(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  int number = number_of(lines, lane);
  line_remove(&lines->handed, LANE_ENTRY + number);
  line_remove(&job->room, number);
  if (line_remove(&job->waiting, number) && job->waiting.count == 0)
    lines__leave_limiter(&lines->limiters[job->limiter], JOB_CLAIM + lane->job);
}

static void free_lane(struct lines *lines, struct line_lane *lane) {
  stop_waiting(lines, lane);
  drop_permit(lines, lane);
  line_remove(&job_of(lines, lane)->lanes, number_of(lines, lane));
  lane->doing = LANE_NONE;
}

static enum sluice_action close_job(struct lines *lines, struct line_job *job, enum sluice_action action) {
  while (job->lanes.count > 0) free_lane(lines, &lines->lanes[job->lanes.at[job->lanes.count - 1]]);
  quit(lines, job);
  line_remove(&lines->roomy, (int)(job - lines->jobs));
  job->is_open = 0;
  return action;
}

static enum sluice_action rest(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  free_lane(lines, lane);
  return job->lanes.count == 0 ? close_job(lines, job, SLUICE_ACTION_DONE) : SLUICE_ACTION_REST;
}

static int is_permit_free(struct lines *lines, const struct line_job *job) {
  const struct line_semaphore *semaphore = semaphore_of(lines, job);
  return job->has_spare || (semaphore->line.count == 0 && lines__free_permits(semaphore) > 0);
}

static int take_permit(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  if (!is_permit_free(lines, job)) return 0;
  int had_spare = job->has_spare;
  if (!had_spare) semaphore_of(lines, job)->in_use++;
  job->has_spare = 0;
  lane->has_permit = 1;
  if (!had_spare) return 1;
  if (has_next_item(job) && (uint32_t)job->lanes.count < job->policy.limit) claim_permit(lines, job); /* for another */
  lines__serve(lines, semaphore_of(lines, job));
  return 1;
}

static enum sluice_action start(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  if (job->semaphore >= 0 && !lane->has_permit && !take_permit(lines, lane)) {
    job->claimant = number_of(lines, lane);
    claim_permit(lines, job);
    lane->doing = LANE_CLAIMS;
    return SLUICE_ACTION_PARK;
  }
  if (job->limiter >= 0) {
    struct line_limiter *limiter = &lines->limiters[job->limiter];
    int is_first = job->waiting.count == 0 && limiter->line.count == 0;
    if (!is_first || !lines__draw(lines, limiter, 1)) {
      line_add(&job->waiting, number_of(lines, lane));
      if (job->waiting.count == 1) lines__join_limiter(limiter, JOB_CLAIM + lane->job);
      lane->doing = LANE_GATE;
      return SLUICE_ACTION_PARK;
    }
  }
  lane->doing = LANE_RUNS;
  return SLUICE_ACTION_START;
}

static enum sluice_action start_next_item(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  lane->item = job->next_item++;
  lane->attempt = 1;
  lane->item_stamp = NOT_YET;
  job->counts.started++;
  return start(lines, lane);
}

static enum sluice_action take_next_item(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  int must_wait = job->semaphore >= 0 && !pulls(job) && !lane->has_permit && !take_permit(lines, lane);
  if (must_wait && job->lanes.count > 1) { /* others run */
    job->is_pulling = 0;
    claim_permit(lines, job);
    return rest(lines, lane);
  }
  job->is_pulling = pulls(job) || must_wait;
  if (!job->is_pulling) return start_next_item(lines, lane);
  lane->doing = LANE_PULLS;
  lane->attempt = 0;
  return SLUICE_ACTION_PULL;
}

static enum sluice_action wait_for_room(struct lines *lines, struct line_lane *lane) {
  lane->doing = LANE_ROOM;
  lane->attempt = 0;
  decline(lines, job_of(lines, lane));
  line_add(&job_of(lines, lane)->room, number_of(lines, lane));
  return SLUICE_ACTION_PARK;
}

static enum sluice_action advance(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  const struct line_semaphore *semaphore = semaphore_of(lines, job);
  lane->attempt = 0;
  if (!has_next_item(job) || job->is_pulling || job->claimant >= 0) return rest(lines, lane);
  int has_room = room_of(job) > 0;
  if (lane->has_permit) {
    int is_own = semaphore->line.count == 1 && semaphore->line.at[0] == JOB_CLAIM + lane->job;
    int is_wanted = (semaphore->line.count > 0 && !is_own) || semaphore->in_use > semaphore->permits;
    if (!has_room || pulls(job) || is_wanted) drop_permit(lines, lane);
  }
  if (has_room) return take_next_item(lines, lane);
  job->is_pulling = pulls(job) || semaphore != NULL;
  return wait_for_room(lines, lane);
}

int lines__resume(struct lines *lines, struct line_lane *lane, enum sluice_action *action) {
  struct line_job *job = job_of(lines, lane);
  if (lane->attempt != 0) *action = start(lines, lane);
  else if (!has_next_item(job)) *action = rest(lines, lane);
  else if (room_of(job) > 0) *action = take_next_item(lines, lane);
  else *action = wait_for_room(lines, lane);
  return *action != SLUICE_ACTION_PARK;
}

/* The source may turn out to have no such item. */
static void look_at_source(struct lines *lines, struct line_lane *lane) {
  const struct line_job *job = job_of(lines, lane);
  int is_new = lane->doing == LANE_RUNS && lane->attempt == 1 && lane->item + 1 == job->next_item;
  if (job->policy.source == SLUICE_SOURCE_SYNC && !pulls(job) && is_new && lane->item >= job->length)
    lines_settle(lines, lane, SLUICE_OUTCOME_EXHAUSTED);
}

void lines__expect_action(struct lines *lines, struct line_lane *lane, enum sluice_action action) {
  const struct sluice_decision *decision = &lines->world.decision;
  struct line_job *job = job_of(lines, lane);
  EXPECT_EQ(decision->action, action);
  if (action >= SLUICE_ACTION_DRAIN) EXPECT(memcmp(&decision->counts, &job->counts, sizeof job->counts) == 0);
  if (action == SLUICE_ACTION_PARK || action == SLUICE_ACTION_START || action == SLUICE_ACTION_PULL)
    EXPECT_EQ(decision->attempt, lane->attempt);
  if (action == SLUICE_ACTION_REVIEW) EXPECT_EQ(decision->attempt, 0);
  if (action == SLUICE_ACTION_START || (action == SLUICE_ACTION_PARK && lane->attempt != 0))
    EXPECT_EQ(decision->item, lane->item);
  EXPECT(!job->is_open || job->policy.window == 0 || job->next_item - job->read <= job->policy.window);
  if (action == SLUICE_ACTION_START) look_at_source(lines, lane);
}

static enum sluice_action fail_item(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  job->counts.failed++;
  if (job->policy.flags & SLUICE_FLAG_COLLECT) return advance(lines, lane);
  return close_job(lines, job, SLUICE_ACTION_FAIL);
}

static enum sluice_action give_up(struct lines *lines, struct line_lane *lane) {
  if ((job_of(lines, lane)->policy.flags & SLUICE_FLAG_VERDICT) == 0) return fail_item(lines, lane);
  lane->doing = LANE_ASKS;
  return SLUICE_ACTION_REVIEW;
}

void lines__item_over(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  if (lane->doing == LANE_RUNS) {
    job->counts.timed_out++;
    job->counts.abandoned++;
  }
  stop_waiting(lines, lane);
  if (job->claimant == number_of(lines, lane)) drop_permit(lines, lane);
  lines__expect_action(lines, lane, give_up(lines, lane));
}

static enum sluice_action reject(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  if (lane->attempt - 1 >= job->policy.retries) return give_up(lines, lane);
  lane->attempt++;
  job->counts.retried++;
  if (job->policy.backoff.delay == 0) return start(lines, lane);
  lane->doing = LANE_BACKOFF;
  lane->stamp = NOT_YET;
  return SLUICE_ACTION_PARK;
}

static uint64_t room_for_waiting(const struct line_job *job) {
  return has_next_item(job) ? room_of(job) : UINT64_MAX;
}

static void hand_first(struct lines *lines, struct line_job *job) {
  int number = job->room.at[0];
  line_remove(&job->room, number);
  lines->lanes[number].doing = LANE_HANDED;
  line_add(&lines->handed, LANE_ENTRY + number);
}

static void serve_room(struct lines *lines, struct line_job *job) {
  for (uint64_t left = room_for_waiting(job); left > 0 && job->room.count > 0; left--) hand_first(lines, job);
}

void lines__serve_rooms(struct lines *lines) {
  for (int i = 0; i < lines->roomy.count; i++) serve_room(lines, &lines->jobs[lines->roomy.at[i]]);
  lines->roomy.count = 0;
}

static enum sluice_action exhaust(struct lines *lines, struct line_lane *lane) {
  struct line_job *job = job_of(lines, lane);
  if (lane->doing == LANE_PULLS) {
    job->is_pulling = 0;
  } else {
    job->next_item--;
    job->counts.started--;
    if (job->read > job->next_item) job->read = job->next_item;
  }
  job->is_exhausted = 1;
  serve_room(lines, job);
  if (job->claimant < 0) quit(lines, job);
  return rest(lines, lane);
}

static enum sluice_action stop(struct lines *lines, struct line_lane *stopping) {
  struct line_job *job = job_of(lines, stopping);
  for (int i = job->lanes.count - 1; i >= 0; i--) {
    struct line_lane *lane = &lines->lanes[job->lanes.at[i]];
    int is_idle = lane->doing != LANE_RUNS && lane->doing != LANE_ASKS && lane->attempt <= 1;
    if (is_idle) free_lane(lines, lane);
  }
  job->is_exhausted = 1;
  job->is_pulling = 0;
  quit(lines, job);
  if (stopping->doing == LANE_ASKS) return fail_item(lines, stopping);
  job->counts.done++;
  return advance(lines, stopping);
}

void lines_settle(struct lines *lines, struct line_lane *lane, enum sluice_outcome outcome) {
  struct line_job *job = job_of(lines, lane);
  if (job->limiter >= 0) world_observe(&lines->world, lines->world.now);
  world_step(&lines->world, lane->handle, outcome);
  enum sluice_action action;
  switch (outcome) {
    case SLUICE_OUTCOME_FULFILLED:
      job->counts.done++;
      action = advance(lines, lane);
      break;
    case SLUICE_OUTCOME_REJECTED:
      action = reject(lines, lane);
      break;
    case SLUICE_OUTCOME_REFUSED:
      action = lane->doing == LANE_ASKS ? fail_item(lines, lane) : give_up(lines, lane);
      break;
    case SLUICE_OUTCOME_PULLED:
      job->is_pulling = 0;
      action = start_next_item(lines, lane);
      break;
    case SLUICE_OUTCOME_EXHAUSTED:
      action = exhaust(lines, lane);
      break;
    default:
      action = stop(lines, lane);
  }
  lines__expect_action(lines, lane, action);
}

void lines_open(struct lines *lines, int number, const struct sluice_policy *policy, int semaphore, int limiter,
                uint64_t length) {
  struct line_job *job = &lines->jobs[number];
  memset(job, 0, sizeof *job);
  job->policy = *policy;
  job->semaphore = semaphore;
  job->limiter = limiter;
  job->length = length;
  job->claimant = -1;
  world_open(&lines->world, policy);
  if (policy->items == 0) {
    EXPECT_EQ(lines->world.decision.action, SLUICE_ACTION_DONE);
    return;
  }
  job->handle = lines->world.decision.job;
  job->is_open = 1;
}

void lines_join(struct lines *lines, int number) {
  struct line_job *job = &lines->jobs[number];
  if (job->limiter >= 0) world_observe(&lines->world, lines->world.now);
  enum sluice_action action = world_join(&lines->world, job->handle);
  int is_full = job->lanes.count >= (int)job->policy.limit;
  int is_one_by_one = pulls(job) || job->semaphore >= 0;
  int has_waiting = job->room.count > 0 || (job->lanes.count > 0 && !is_one_by_one);
  int has_no_room = room_of(job) == 0 && has_waiting;
  int is_useless = is_full || has_no_room || job->is_pulling || job->claimant >= 0 || !has_next_item(job);
  if (!is_useless && job->semaphore >= 0 && job->lanes.count > 0 && !is_permit_free(lines, job)) {
    claim_permit(lines, job);
    is_useless = 1;
  }
  if (is_useless) {
    if (job->semaphore >= 0) decline(lines, job);
    EXPECT_EQ(action, SLUICE_ACTION_REST);
    return;
  }
  int place = number * JOB_LANES;
  while (lines->lanes[place].doing != LANE_NONE) place++;
  struct line_lane *lane = &lines->lanes[place];
  memset(lane, 0, sizeof *lane);
  lane->handle = lines->world.decision.lane;
  lane->job = number;
  lane->doing = LANE_RUNS; /* so far */
  line_add(&job->lanes, place);
  lines__expect_action(lines, lane, advance(lines, lane));
}

void lines_read(struct lines *lines, int number, uint64_t count) {
  struct line_job *job = &lines->jobs[number];
  world_read(&lines->world, job->handle, count);
  uint64_t unread = job->next_item - job->read;
  job->read += count < unread ? count : unread;
  uint64_t room = room_for_waiting(job);
  if (room > 0 && job->room.count > 0) hand_first(lines, job);
  if (room > 1 && job->room.count > 0 && !line_has(&lines->roomy, number)) line_add(&lines->roomy, number);
}

void lines_abort(struct lines *lines, int number) {
  struct line_job *job = &lines->jobs[number];
  EXPECT_EQ(world_abort(&lines->world, job->handle), close_job(lines, job, SLUICE_ACTION_FAIL));
  EXPECT(memcmp(&lines->world.decision.counts, &job->counts, sizeof job->counts) == 0);
}
