/* A second dumb twin, of what is waited for: semaphores, limiters, waiters, and the jobs that stand in their lines.
 * Lines are arrays, tokens are counted in fractions that never need dividing. Who is handed what, and in which order,
 * is known exactly; of what time brings, each decision is expected to be right, and none to be missing. */
#ifndef SLUICE_LINES_H
#define SLUICE_LINES_H

#include "rng.h"
#include "world.h"

enum { SEMAPHORES = 3, LIMITERS = 3, WAITERS = 24, LINE_JOBS = 4, JOB_LANES = 6, LINE = 64, TAKES = 64 };

/* What is not stamped yet is due at some time after the end of this turn. */
#define NOT_YET UINT64_MAX

__extension__ typedef unsigned __int128 lines_wide;

/* Numbers in the order in which they came: of waiters, of jobs (+ JOB_CLAIM), of lanes. */
struct line {
  int at[LINE];
  int count;
};
enum { JOB_CLAIM = 1000, LANE_ENTRY = 1000, JOB_ENTRY = 2000 };

struct line_semaphore {
  int is_open;
  struct sluice_handle handle;
  uint64_t permits;
  uint64_t in_use;
  uint64_t mine; /* of these: the test's own */
  struct line line;
};

enum line_gate { GATE_NONE, GATE_NEWBORN, GATE_WAITS, GATE_READY };

struct line_limiter {
  int is_open;
  struct sluice_handle handle;
  struct sluice_rate rate;
  uint64_t burst;
  lines_wide level; /* in units of 1 / per token, at `at` */
  uint64_t at;
  uint64_t shut;
  struct line line;
  enum line_gate gate;
  uint64_t due;
  uint64_t taken_at[TAKES], taken[TAKES]; /* the last ones under this rate */
  uint64_t take_count;
};

struct line_waiter {
  int is_open;
  struct sluice_handle handle;
  int is_draw;
  int owner;
  uint64_t weight;
  uint64_t duration;
  uint64_t stamp;
  uint64_t since;
  int is_unref;
  enum sluice_event handed; /* NONE: it is in the line */
};

enum line_doing {
  LANE_NONE,
  LANE_PULLS,
  LANE_RUNS,
  LANE_CLAIMS,
  LANE_HANDED,
  LANE_GATE,
  LANE_ROOM,
  LANE_BACKOFF,
  LANE_ASKS
};

struct line_lane {
  enum line_doing doing;
  struct sluice_handle handle;
  int job;
  uint64_t item;
  uint32_t attempt; /* 0: it has no item */
  int has_permit;
  uint64_t stamp; /* of the backoff */
  uint64_t item_stamp;
};

struct line_job {
  int is_open;
  struct sluice_handle handle;
  struct sluice_policy policy;
  int semaphore; /* -1: none */
  int limiter;
  uint64_t length;
  uint64_t next_item;
  uint64_t read;
  int is_pulling;
  int is_exhausted;
  int claimant;  /* -1: none */
  int has_spare; /* a permit for one more lane */
  struct line waiting;
  struct line room;
  struct line lanes; /* in the order in which they were made */
  struct sluice_counts counts;
};

struct lines {
  struct world world;
  struct sluice__rng rng;
  struct line_semaphore semaphores[SEMAPHORES];
  struct line_limiter limiters[LIMITERS];
  struct line_waiter waiters[WAITERS];
  struct line_job jobs[LINE_JOBS];
  struct line_lane lanes[LINE_JOBS * JOB_LANES];
  struct line handed; /* waiters, lanes (+ LANE_ENTRY), and jobs that may have one more (+ JOB_ENTRY) */
  struct line roomy;  /* jobs of which lanes go on at the end of the turn */
};

void lines_init(struct lines *lines, uint64_t seed);

/* These call the engine, and expect what it answers. */
void lines_make_semaphore(struct lines *lines, int number, uint64_t permits, uint64_t in_use);
void lines_make_limiter(struct lines *lines, int number, const struct sluice_rate *rate);
void lines_close_semaphore(struct lines *lines, int number);
void lines_close_limiter(struct lines *lines, int number);
void lines_ask(struct lines *lines, int is_draw, int number, uint64_t weight, uint64_t timeout, uint64_t max_waiting,
               uint32_t flags);
void lines_give(struct lines *lines, int number, uint64_t weight);
void lines_resize(struct lines *lines, int number, uint64_t permits);
void lines_reconfigure(struct lines *lines, int number, const struct sluice_rate *rate);
void lines_penalize(struct lines *lines, int number, uint64_t duration);
void lines_shut(struct lines *lines, int is_limiter, int number);
void lines_withdraw(struct lines *lines, int number);
void lines_hand(struct lines *lines);
/* Takes every decision that there is. `is_judged`: nothing that is due is open any more. */
void lines_drain(struct lines *lines, int is_judged);
void lines_end_turn(struct lines *lines);
void lines_expire(struct lines *lines, uint64_t hold);
void lines_expect_levels(struct lines *lines);
void lines_expect_references(struct lines *lines);

/* lines_jobs.c */

void lines_open(struct lines *lines, int number, const struct sluice_policy *policy, int semaphore, int limiter,
                uint64_t length);
void lines_join(struct lines *lines, int number);
void lines_settle(struct lines *lines, struct line_lane *lane, enum sluice_outcome outcome);
void lines_read(struct lines *lines, int number, uint64_t count);
void lines_abort(struct lines *lines, int number);

/* Between the files. */

void line_add(struct line *line, int number);
int line_remove(struct line *line, int number);
int line_has(const struct line *line, int number);
uint64_t lines__free_permits(const struct line_semaphore *semaphore);
void lines__serve(struct lines *lines, struct line_semaphore *semaphore);
int lines__draw(struct lines *lines, struct line_limiter *limiter, uint64_t tokens);
void lines__join_limiter(struct line_limiter *limiter, int claim);
void lines__leave_limiter(struct line_limiter *limiter, int claim);
/* The lane goes on: 0 where it has to wait again, and nobody is told. */
int lines__resume(struct lines *lines, struct line_lane *lane, enum sluice_action *action);
void lines__expect_action(struct lines *lines, struct line_lane *lane, enum sluice_action action);
/* The end of a turn: lanes for which there is room go on. */
void lines__serve_rooms(struct lines *lines);
void lines__item_over(struct lines *lines, struct line_lane *lane);
uint64_t lines__due(uint64_t stamp, uint64_t duration);
uint64_t lines__item_due(const struct lines *lines, const struct line_lane *lane);

#endif
