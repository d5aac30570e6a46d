/* The engine's dumb twin: it is told everything, looks at all of it each time, and expects each decision. What it draws
 * from is a copy of the engine's generator, so that it knows every wait exactly. */
#ifndef SLUICE_TWIN_H
#define SLUICE_TWIN_H

#include "rng.h"
#include "world.h"

enum { JOBS = 5, LANES = 64, ITEMS = 60, STALE = 64, STARTS = 64 };

/* What is not stamped yet is due at some time after the end of this turn. */
#define UNSTAMPED UINT64_MAX

__extension__ typedef unsigned __int128 twin_wide; /* no overflow, whatever the rate */

enum doing { NOTHING, RUNNING, PULLING, PARKED, YIELDING, WAITING, REVIEWING, GUARDING, SLEEPING };

struct twin_lane {
  enum doing doing;
  struct sluice_handle handle;
  int job;
  uint64_t item;
  uint32_t attempt;
  uint64_t duration;   /* SLUICE_NEVER: none */
  uint64_t stamp;      /* when `duration` began, or UNSTAMPED */
  uint64_t item_stamp; /* the same for the item's time */
  uint64_t wait;       /* before the latest retry, or planned before the next */
  uint64_t ticket;     /* WAITING: its place in the queue; some share one */
};

struct twin_job {
  int is_open;
  struct sluice_handle handle;
  struct sluice_policy policy;
  uint64_t length; /* of the source, whatever the policy says of it */
  uint64_t next_item;
  uint64_t granted_end;
  uint64_t stamp; /* of the total timeout */
  int pulls;
  int has_gate;
  int is_pulling; /* a lane pulls, or is parked before it may */
  int is_exhausted;
  int is_stopped;
  int is_draining;
  uint8_t has_ended[ITEMS + 1]; /* by item: it has an outcome, or was dropped */
  uint64_t dropped;
  twin_wide level; /* of the bucket, in units of 1 / per token */
  uint64_t level_at;
  uint64_t burst;
  uint64_t starts[STARTS]; /* the times of the last ones */
  uint64_t start_count;
  uint64_t ticket;         /* the last one given out */
  uint64_t stamped_ticket; /* the last one at the end of the last turn */
  uint64_t drained_ticket; /* the last one before this drain */
  int is_gate_fresh;       /* something has opened it in this turn */
  int is_told;             /* EVENT_PROGRESS has come, with these: */
  struct sluice_counts told;
  struct sluice_counts counts;
};

struct twin {
  struct world world;
  struct sluice__rng rng;     /* what the test does */
  struct sluice__rng waiting; /* the same numbers as the engine's */
  struct twin_job jobs[JOBS];
  struct twin_lane lanes[LANES]; /* by slot: the engine reuses the lowest, so there is room for all */
  struct sluice_handle stale[STALE];
  uint64_t stale_count;
  uint64_t turn_began; /* the first time observed in this turn; 0: none */
  uint64_t observed;   /* the last time observed, in any turn */
  uint64_t ran;
};

void twin_init(struct twin *twin, uint64_t seed);

/* What has just been opened, with the policy and the length that `job` has. */
void twin_opened(struct twin *twin, struct twin_job *job);
void twin_take_lane(struct twin *twin, enum doing doing, int job);
void twin_forget_lane(struct twin *twin, struct twin_lane *lane);

/* These call the engine, and expect what it answers. */
void twin_join(struct twin *twin, int job);
void twin_settle(struct twin *twin, struct twin_lane *lane, enum sluice_outcome outcome);
void twin_plan(struct twin *twin, struct twin_lane *lane, enum sluice_outcome outcome, uint64_t delay);
void twin_abort(struct twin *twin, struct twin_job *job);
void twin_late(struct twin *twin, struct twin_job *job);
void twin_remaining(struct twin *twin, const struct twin_lane *lane);
void twin_end_turn(struct twin *twin);
/* Takes every decision that time has brought. */
void twin_drain(struct twin *twin);

int twin_count_lanes(const struct twin *twin, int job);
void twin_expect_counts(const struct twin_job *job, const struct sluice_counts *counts);
/* After a judgement that held nothing back: what was due is not open any more. */
void twin_expect_nothing_overdue(const struct twin *twin);
void twin_expect_references(const struct twin *twin);

/* Between the twin's files. */

int twin__is_of(const struct twin *twin, const struct twin_lane *lane, const struct twin_job *job);
struct twin_lane *twin__lane_of(struct twin *twin, struct sluice_handle handle);
struct twin_job *twin__job_of(struct twin *twin, struct sluice_handle handle);
uint64_t twin__due_of(uint64_t stamp, uint64_t duration);
uint64_t twin__lane_due(const struct twin_lane *lane);
int twin__holds_item(const struct twin_lane *lane);
uint64_t twin__item_due(const struct twin *twin, const struct twin_lane *lane);
uint64_t twin__total_due(const struct twin_job *job);
int twin__has_next_item(const struct twin_job *job);
int twin__has_too_many_abandoned(const struct twin_job *job);
int twin__admits(const struct twin_job *job, uint64_t now);
int twin__may_have_come(const struct twin *twin, const struct twin_lane *lane);
void twin__expect_turn_at_gate(const struct twin *twin, const struct twin_lane *lane);
void twin__begin(struct twin *twin, struct twin_lane *lane);
void twin__expect_rest(struct twin *twin, struct twin_lane *lane);
void twin__expect_pull_or_start(struct twin *twin, struct twin_lane *lane);
void twin__expect_fail(struct twin *twin, struct twin_job *job);
void twin__expect_give_up(struct twin *twin, struct twin_lane *lane);
void twin__expect_failure(struct twin *twin, struct twin_lane *lane);

#endif
