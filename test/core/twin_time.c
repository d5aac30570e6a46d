/* The twin and time: what is due, and what each event does. */
#include <string.h>

#include "twin.h"

static uint64_t left_of(uint64_t stamp, uint64_t duration, uint64_t now) {
  if (duration >= SLUICE_NEVER) return SLUICE_NEVER;
  if (stamp == UNSTAMPED) return duration;
  uint64_t due = twin__due_of(stamp, duration);
  if (due == SLUICE_NEVER) return SLUICE_NEVER;
  return due > now ? due - now : 0;
}

void twin_remaining(struct twin *twin, const struct twin_lane *lane) {
  uint64_t now = twin->world.now;
  if (lane->doing == PULLING || lane->doing == PARKED || lane->doing == YIELDING || lane->doing == WAITING) {
    EXPECT_EQ(sluice_remaining(twin->world.engine, lane->handle, now, &twin->world.decision), SLUICE_ESTATE);
    return;
  }
  uint64_t left = lane->doing == REVIEWING ? SLUICE_NEVER : left_of(lane->stamp, lane->duration, now);
  if (lane->job >= 0 && !twin->jobs[lane->job].is_draining) {
    const struct twin_job *job = &twin->jobs[lane->job];
    uint64_t of_item = left_of(lane->item_stamp, job->policy.item_timeout, now);
    uint64_t of_total = left_of(job->stamp, job->policy.total_timeout, now);
    if (of_item < left) left = of_item;
    if (of_total < left) left = of_total;
  }
  EXPECT_EQ(world_remaining(&twin->world, lane->handle), left);
}

void twin_end_turn(struct twin *twin) {
  uint64_t now = twin->world.now;
  world_end_turn(&twin->world);
  for (int i = 0; i < LANES; i++) {
    if (twin->lanes[i].stamp == UNSTAMPED) twin->lanes[i].stamp = now;
    if (twin->lanes[i].item_stamp == UNSTAMPED) twin->lanes[i].item_stamp = now;
  }
  for (int i = 0; i < JOBS; i++) {
    struct twin_job *job = &twin->jobs[i];
    job->granted_end = 0;
    job->stamped_ticket = job->ticket;
    job->is_gate_fresh = 0;
    if (job->stamp == UNSTAMPED) job->stamp = now;
  }
  twin->turn_began = twin->ran = 0;
}

static void expect_elapsed(const struct twin *twin, uint64_t stamp, uint64_t duration) {
  EXPECT(stamp != UNSTAMPED && twin->world.now - stamp >= duration); /* never early */
  EXPECT_EQ(twin->world.decision.elapsed, twin->world.now - stamp);
  EXPECT_EQ(twin->world.decision.blocked, 0);
}

/* The lane's attempt, or what it waits for, is over without an outcome: its handle is another now. */
static void abandon(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  if (lane->doing == RUNNING) {
    job->counts.timed_out++;
    job->counts.abandoned++;
  }
  EXPECT_EQ(twin->world.decision.lane.slot, lane->handle.slot);
  EXPECT(!same_handle(twin->world.decision.lane, lane->handle));
  twin->stale[twin->stale_count++ % STALE] = lane->handle;
  lane->handle = twin->world.decision.lane;
}

/* On a tie: the total, the item, the attempt. (One without any duration is not kept from being the first.) */
static void on_timed_out(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  EXPECT_EQ(lane->doing, RUNNING);
  if (lane->duration > 0)
    EXPECT(twin__lane_due(lane) < twin__item_due(twin, lane) && twin__lane_due(lane) < twin__total_due(job));
  expect_elapsed(twin, lane->stamp, job->policy.timeout);
  abandon(twin, lane);
  twin__expect_failure(twin, lane);
}

static void on_item(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  EXPECT(twin__holds_item(lane) && !job->is_draining);
  /* Else it would have been outlived. */
  EXPECT(lane->doing != PARKED || twin__may_have_come(twin, lane) || lane->stamp == UNSTAMPED);
  if (job->policy.item_timeout > 0) EXPECT(twin__item_due(twin, lane) < twin__total_due(job));
  expect_elapsed(twin, lane->item_stamp, job->policy.item_timeout);
  abandon(twin, lane);
  twin__expect_give_up(twin, lane);
}

static void on_resumed(struct twin *twin, struct twin_lane *lane) {
  struct twin_job *job = &twin->jobs[lane->job];
  EXPECT_SAME(lane->handle, twin->world.decision.lane);
  EXPECT(lane->doing == WAITING || lane->doing == YIELDING || lane->doing == PARKED);
  if (lane->doing == PARKED) EXPECT(twin->world.now >= twin__lane_due(lane));
  if (lane->attempt != 0) {
    if (job->has_gate) twin__expect_turn_at_gate(twin, lane);
    twin__begin(twin, lane);
  } else if (twin__has_next_item(job)) {
    twin__expect_pull_or_start(twin, lane);
  } else {
    twin__expect_rest(twin, lane);
  }
}

static void on_outlived(struct twin *twin, struct twin_lane *lane, int is_total) {
  struct twin_job *job = &twin->jobs[lane->job];
  uint64_t due = twin__lane_due(lane), of_item = twin__item_due(twin, lane), of_total = twin__total_due(job);
  EXPECT(lane->doing == PARKED && lane->stamp != UNSTAMPED);
  if (is_total) EXPECT(of_total < due && (of_total <= of_item || due <= of_item));
  else EXPECT(of_item < due && (of_item < of_total || due <= of_total));
  EXPECT_EQ(twin->world.decision.elapsed, twin->world.now - (is_total ? job->stamp : lane->item_stamp));
  abandon(twin, lane);
  job->counts.retried--;
  twin__expect_give_up(twin, lane);
}

static void on_total(struct twin *twin, struct twin_job *job) {
  EXPECT(!job->is_draining);
  expect_elapsed(twin, job->stamp, job->policy.total_timeout);
  twin__expect_fail(twin, job);
}

static void on_alone(struct twin *twin, struct twin_lane *lane, enum doing doing) {
  EXPECT_EQ(lane->doing, doing);
  EXPECT_SAME(lane->handle, twin->world.decision.lane);
  expect_elapsed(twin, lane->stamp, lane->duration);
  EXPECT_EQ(twin->world.decision.action, 0);
  twin_forget_lane(twin, lane);
}

static void on_progress(struct twin *twin, struct twin_job *job) {
  EXPECT(job->policy.flags & SLUICE_FLAG_PROGRESS);
  twin_expect_counts(job, &twin->world.decision.counts);
  /* The counts have changed since; only an item that never was comes and goes, and the review of one that failed. */
  int may_be_same = job->is_exhausted || (job->policy.flags & SLUICE_FLAG_REVIEW) != 0;
  if (job->is_told && !may_be_same) EXPECT(memcmp(&job->told, &job->counts, sizeof job->told) != 0);
  job->told = job->counts;
  job->is_told = 1;
}

static void on_event(struct twin *twin) {
  const struct sluice_decision *decision = &twin->world.decision;
  switch (decision->event) {
    case SLUICE_EVENT_TIMED_OUT:
      on_timed_out(twin, twin__lane_of(twin, decision->lane));
      break;
    case SLUICE_EVENT_ITEM:
      on_item(twin, twin__lane_of(twin, decision->lane));
      break;
    case SLUICE_EVENT_RESUMED:
      on_resumed(twin, twin__lane_of(twin, decision->lane));
      break;
    case SLUICE_EVENT_OUTLIVED:
    case SLUICE_EVENT_ITEM_OUTLIVED:
      on_outlived(twin, twin__lane_of(twin, decision->lane), decision->event == SLUICE_EVENT_OUTLIVED);
      break;
    case SLUICE_EVENT_TOTAL:
      on_total(twin, twin__job_of(twin, decision->job));
      break;
    case SLUICE_EVENT_EXPIRED:
      on_alone(twin, twin__lane_of(twin, decision->lane), GUARDING);
      break;
    case SLUICE_EVENT_SLEPT:
      on_alone(twin, twin__lane_of(twin, decision->lane), SLEEPING);
      break;
    case SLUICE_EVENT_PROGRESS:
      on_progress(twin, twin__job_of(twin, decision->job));
      break;
    case SLUICE_EVENT_NONE:
      break;
    case SLUICE_EVENT_ROOM:
    case SLUICE_EVENT_GRANTED:
    case SLUICE_EVENT_OVERTIME:
    case SLUICE_EVENT_REFUSED:
    case SLUICE_EVENT_SHUT:
      FAIL("an event of nobody: %d", (int)decision->event);
  }
}

void twin_drain(struct twin *twin) {
  for (int i = 0; i < JOBS; i++) twin->jobs[i].drained_ticket = twin->jobs[i].ticket;
  while (world_next(&twin->world) != SLUICE_EVENT_NONE) on_event(twin);
  EXPECT(!sluice_is_ready(twin->world.engine));
  for (int i = 0; i < JOBS; i++) {
    struct twin_job *job = &twin->jobs[i];
    job->ticket += job->is_open; /* for those that came to the gate without a word */
    for (int k = 0; k < LANES && job->is_open; k++) {
      struct twin_lane *lane = &twin->lanes[k];
      if (!twin__is_of(twin, lane, job) || lane->doing != PARKED || twin__lane_due(lane) > twin->world.now) continue;
      EXPECT(job->has_gate);
      lane->doing = WAITING;
      lane->ticket = job->ticket;
    }
  }
}

/* Who waits at a gate that lets him pass is not kept waiting. */
static void expect_gate_shut(const struct twin *twin, const struct twin_job *job) {
  if (twin->observed > twin->world.now) return; /* the gate's time may be then */
  if (job->is_gate_fresh || !twin__admits(job, twin->world.now)) return;
  for (int i = 0; i < LANES; i++) {
    const struct twin_lane *lane = &twin->lanes[i];
    if (twin__is_of(twin, lane, job) && lane->doing == WAITING) EXPECT(lane->ticket > job->stamped_ticket);
  }
}

void twin_expect_nothing_overdue(const struct twin *twin) {
  for (int i = 0; i < LANES; i++) {
    const struct twin_lane *lane = &twin->lanes[i];
    if (lane->doing == RUNNING || lane->doing == PARKED || lane->doing == GUARDING || lane->doing == SLEEPING)
      EXPECT(twin__lane_due(lane) > twin->world.now);
    if (lane->job < 0 || !twin__holds_item(lane)) continue;
    EXPECT(twin__item_due(twin, lane) > twin->world.now);
    if (lane->doing != PARKED || lane->stamp == UNSTAMPED) continue;
    uint64_t due = twin__lane_due(lane), of_item = twin__item_due(twin, lane),
             of_total = twin__total_due(&twin->jobs[lane->job]);
    EXPECT((of_item == SLUICE_NEVER || due <= of_item) && (of_total == SLUICE_NEVER || due <= of_total)); /* outlived */
  }
  for (int i = 0; i < JOBS; i++) {
    if (!twin->jobs[i].is_open) continue;
    EXPECT(twin__total_due(&twin->jobs[i]) > twin->world.now);
    expect_gate_shut(twin, &twin->jobs[i]);
  }
}

void twin_expect_references(const struct twin *twin) {
  int is_referenced = 0;
  for (int i = 0; i < JOBS; i++) {
    const struct twin_job *job = &twin->jobs[i];
    if (!job->is_open) continue;
    if (job->policy.flags & SLUICE_FLAG_PROGRESS) return; /* it may be about to tell */
    if (job->stamp == UNSTAMPED) return;
    is_referenced |= twin__total_due(job) < SLUICE_NEVER && (job->policy.flags & SLUICE_FLAG_UNREF) == 0;
  }
  for (int i = 0; i < LANES; i++) {
    const struct twin_lane *lane = &twin->lanes[i];
    if (lane->doing == NOTHING || lane->doing == PULLING) continue;
    if (lane->job < 0) return; /* guards and sleeps: see alone.c */
    const struct twin_job *job = &twin->jobs[lane->job];
    int is_unreferenced = (job->policy.flags & SLUICE_FLAG_UNREF) != 0;
    if (twin__holds_item(lane)) {
      if (lane->item_stamp == UNSTAMPED) return;
      is_referenced |= twin__item_due(twin, lane) < SLUICE_NEVER && !is_unreferenced;
    }
    switch (lane->doing) {
      case YIELDING:
        if (lane->attempt != 0 && job->has_gate) return; /* it may have come to the gate */
        is_referenced = 1;                               /* our own pause, for an unreferenced job too */
        break;
      case WAITING:
        if (twin__has_too_many_abandoned(job)) return; /* the gate may still be armed for a token */
        is_referenced |= !is_unreferenced;
        break;
      case REVIEWING:
        break;
      default:
        if (lane->stamp == UNSTAMPED) return;
        is_referenced |= twin__lane_due(lane) < SLUICE_NEVER && !is_unreferenced;
    }
  }
  EXPECT_EQ(sluice_is_referenced(twin->world.engine), is_referenced);
}
