/* What the files of the core share: the engine's data, and the calls that cross its files. */
#ifndef SLUICE_INTERNAL_H
#define SLUICE_INTERNAL_H

#include <assert.h>

#include "backoff.h"
#include "bucket.h"
#include "common.h"
#include "list.h"
#include "mem.h"
#include "rng.h"
#include "slab.h"
#include "sluice.h"
#include "wheel.h"

/* What a deadline is for: what happens when its time has come. */
enum sluice__kind {
  SLUICE__KIND_ATTEMPT,       /* a lane: the attempt has timed out */
  SLUICE__KIND_BACKOFF,       /* a lane: its next attempt starts */
  SLUICE__KIND_OUTLIVED,      /* a lane: its backoff would end after the total timeout */
  SLUICE__KIND_ITEM_OUTLIVED, /* a lane: its backoff would end after the item's timeout */
  SLUICE__KIND_YIELD,         /* a lane that gave way to the loop: no time, only the list */
  SLUICE__KIND_WAIT,          /* a lane that waits at its job's gate: no time, only the list */
  SLUICE__KIND_ROOM,          /* a lane that waits until results are read: no time, only the list */
  SLUICE__KIND_HANDED,        /* a lane that has what it waited for, a permit or room: the same */
  SLUICE__KIND_INVITATION,    /* a job that may have one more lane: the same */
  SLUICE__KIND_TOKEN,         /* a job that was lent a token: the same */
  SLUICE__KIND_ITEM,          /* a lane's item: it has timed out */
  SLUICE__KIND_GATE,          /* a limiter, or a job's own: the first that waits for it may start */
  SLUICE__KIND_TOTAL,         /* a job: it has timed out */
  SLUICE__KIND_GUARD,
  SLUICE__KIND_SLEEP,
  SLUICE__KIND_WAITER, /* a waiter: it has timed out */
  /* Waiters whose wait is over otherwise: no time, only the list. */
  SLUICE__KIND_GRANTED,
  SLUICE__KIND_REFUSED,
  SLUICE__KIND_SHUT
};

/* Where a deadline's link is.
 *
 *   NEWBORN --turn_end--> WHEEL --expire--> READY (backoff, gate, sleep)
 *      |                        \--expire--> HELD --expire--> FINAL --judge--> READY (attempt, item, guard, total,
 *      |                         \-----------expire----------->/                   waiter)
 *      \--turn_end, duration 0--> FINAL or READY
 *   YIELDED --turn_begin--> READY
 *   WAITING (a job's, in the order of arrival) --gate--> NONE
 *   ROOM (a job's) --read--> HANDED
 *   a claim is met: HANDED --hand or next--> NONE
 *
 * next() takes it from READY; disarming takes it from anywhere. */
enum sluice__list {
  SLUICE__LIST_NONE,
  SLUICE__LIST_NEWBORN,
  SLUICE__LIST_WHEEL,
  SLUICE__LIST_HELD,
  SLUICE__LIST_FINAL,
  SLUICE__LIST_YIELDED,
  SLUICE__LIST_WAITING,
  SLUICE__LIST_ROOM,
  SLUICE__LIST_HANDED,
  SLUICE__LIST_READY
};

/* A lane's state, kept in its deadline.
 *
 *   (new) -> RUNNING <-> PARKED        a job's; PULLING where items are pulled before they start
 *   (new) -> PULLING -> RUNNING | PARKED
 *            RUNNING -> REVIEWING -> RUNNING | PARKED
 *   (new) -> GUARD | SLEEP */
enum sluice__state {
  SLUICE__LANE_RUNNING,   /* an attempt is open */
  SLUICE__LANE_PULLING,   /* waits for the source */
  SLUICE__LANE_PARKED,    /* waits for a backoff, a turn, or at the gate */
  SLUICE__LANE_REVIEWING, /* its attempt failed; the caller is to say whether there is another */
  SLUICE__LANE_ALONE      /* a guard or a sleep */
};

struct sluice__lane {
  struct sluice__slot slot;
  struct sluice__deadline deadline;
  uint32_t job;     /* slot number; SLUICE__NO_SLOT for a guard or a sleep */
  uint32_t blocked; /* the engine's `blocked` when the deadline was stamped */
  union {
    struct {
      uint64_t item : 40;
      uint64_t attempt : 23; /* 0: a parked lane that will take the next item */
      uint64_t has_permit : 1;
    };
    uint64_t duration; /* ALONE */
  };
  uint32_t next; /* the job's other lanes, by slot number; SLUICE__NO_SLOT at the ends */
  uint32_t prev;
};

/* What a lane's item needs beyond the lane: only in jobs with has_items, in tables beside the lanes' (items.c). */
struct sluice__item {
  struct sluice__deadline
      deadline;       /* `due` less its duration is when the item's time began, also once it is disarmed */
  uint64_t wait;      /* before its latest retry, or planned before the next */
  uint32_t blocked;   /* as in a lane */
  uint32_t lane;      /* slot number */
  uint8_t has_failed; /* for good: the caller is asked about it */
  uint8_t is_told;    /* under review: the recorder knows how the attempt ended */
};

struct sluice__items {
  struct sluice__mem *mem;
  struct sluice__item **chunks; /* of SLUICE__CHUNK_SLOTS; NULL where none of these lanes has needed one yet */
  uint32_t room;
};

/* A place in the line for a semaphore's permits or a limiter's tokens. */
enum sluice__claimant {
  SLUICE__CLAIM_WAITER,
  SLUICE__CLAIM_JOB_PERMIT, /* a job's, for its lane `claimant`, or for one more */
  SLUICE__CLAIM_JOB_TOKEN   /* a job's, for the first lane in `waiting` */
};

struct sluice__claim {
  struct sluice__link link;
  uint64_t weight;
  uint8_t claimant;            /* enum sluice__claimant */
  uint8_t is_unref;            /* waiting for it does not keep the loop alive */
  struct sluice_ticket ticket; /* where the limit is leased: its place in the line of all engines */
};

/* Somebody who waits: a claim and its timeout. */
struct sluice__waiter {
  struct sluice__slot slot;
  struct sluice__deadline deadline;
  struct sluice__claim claim;
  uint64_t duration; /* of the deadline */
  uint64_t since;    /* of a limiter's: when it was asked */
  uint32_t blocked;  /* as in a lane */
  uint32_t owner;    /* slot number of the semaphore or the limiter */
  uint8_t is_draw;   /* a limiter's */
};

struct sluice__semaphore {
  struct sluice__slot slot;
  struct sluice__link claims;
  uint64_t permits;
  uint64_t in_use;
  uint64_t lent;                      /* of these: what lanes hold, and waiters that have not heard of it yet */
  uint64_t waiting;                   /* claims of waiters */
  uint32_t waiting_jobs;              /* of jobs */
  uint32_t jobs;                      /* open on it */
  uint32_t waiters;                   /* those too that have been handed something and have not heard of it yet */
  const struct sluice_lender *lender; /* NULL: its permits are its own */
  void *seat;                         /* the lender's */
};

/* A token bucket and who waits for it: shared, in a slot; or a job's own, without one. */
struct sluice__limiter {
  struct sluice__slot slot;
  struct sluice__link owing;    /* in the engine's `owing`, or nowhere */
  struct sluice__deadline gate; /* armed while there are claims */
  struct sluice__link claims;
  struct sluice__bucket bucket;
  uint64_t waiting;                   /* claims of waiters */
  uint64_t referenced;                /* claims that keep the loop alive */
  uint32_t waiting_jobs;              /* claims of jobs */
  uint32_t jobs;                      /* open on it */
  uint32_t waiters;                   /* as of a semaphore */
  const struct sluice_lender *lender; /* NULL: the bucket is its own */
  void *seat;
};

struct sluice__job {
  struct sluice__slot slot;
  struct sluice__deadline total;
  struct sluice__link waiting;        /* lanes that are to start, first come first served */
  struct sluice__limiter *limiter;    /* where they wait: a shared one, or: */
  struct sluice__limiter own_limiter; /* of `rate`; of no rate where they only wait for abandoned attempts */
  struct sluice__claim token_claim; /* in the limiter's line while lanes wait, unless it is for an abandoned attempt */
  struct sluice__semaphore *semaphore; /* NULL: none */
  struct sluice__claim permit_claim;   /* in the semaphore's line, or nowhere */
  struct sluice__deadline invitation;  /* handed: it has a spare permit */
  struct sluice__deadline token;       /* handed: it was lent a token, for the first lane in `waiting` */
  struct sluice__link roomy;           /* in the engine's `roomy`, or nowhere */
  struct sluice__link room;            /* lanes that wait until results are read */
  uint64_t read;                       /* items, with a window */
  struct sluice__link progress;        /* in the engine's `dirty` or `reporting`, or nowhere */
  struct sluice__link granted;         /* in the engine's `granted`, or nowhere */
  struct sluice_policy policy;
  struct sluice_counts counts;
  uint64_t next_item;
  uint64_t dropped;        /* items that were taken and ended without an outcome: the job was stopped, or drains */
  uint64_t granted_end;    /* 0: no run of items is granted */
  uint64_t granted_start;  /* next_item when the first run in this turn was */
  uint32_t granted_serial; /* the engine's `serial` then: as many are set aside as items are granted */
  uint32_t claimant;       /* the lane that waits for a permit with its item; SLUICE__NO_SLOT: none */
  uint32_t first_lane;     /* SLUICE__NO_SLOT: none */
  uint32_t lane_count;
  uint32_t blocked;   /* as in a lane, for `total` */
  uint8_t pulls;      /* items are pulled before they start: an ASYNC source, or a gate */
  uint8_t is_pulling; /* with `pulls` or a semaphore: a lane waits for the source, or is parked until it may */
  uint8_t is_exhausted;
  uint8_t is_draining;
  uint8_t has_gate;
  uint8_t has_items;
  uint8_t has_spare; /* a permit that no lane has yet */
};

struct sluice_engine {
  struct sluice__mem mem;
  struct sluice__slab lanes;
  struct sluice__slab jobs;
  struct sluice__slab waiters;
  struct sluice__slab semaphores;
  struct sluice__slab limiters;
  struct sluice__items items; /* by the lanes' slot numbers */
  struct sluice__rng rng;

  uint64_t now; /* the last time a driver brought in */
  uint32_t serial;
  uint32_t blocked;    /* how long turns of more than 5 ms ran in all, in units of 2^14 ns; wraps */
  uint32_t referenced; /* links in a list below whose owner is not unreferenced, and dirty jobs */
  uint32_t deadlines;  /* links in a list below, referenced or not */
  struct sluice__link newborn;
  struct sluice__link held;
  struct sluice__link final;
  struct sluice__link yielded;
  struct sluice__link handed; /* claims that are met, and lanes that have room */
  struct sluice__link ready;
  struct sluice__link dirty;     /* jobs whose counts changed */
  struct sluice__link reporting; /* jobs whose EVENT_PROGRESS is ready */
  struct sluice__link granted;   /* jobs that were granted a run in this turn */
  struct sluice__link owing;     /* limiters that gave out tokens without asking for the time */
  struct sluice__link roomy;     /* jobs of which lanes go on at the end of this turn */
  struct sluice_grants *grants;  /* NULL: never */
  uint64_t held_until;
  uint32_t rated; /* open jobs with a rate, and who waits for tokens: the clock is read at each step */

  uint64_t turn_began;   /* the first time observed in this turn */
  uint64_t observed;     /* the last time observed */
  uint64_t ran;          /* how long lanes have run in this turn, as far as observed */
  uint32_t stride;       /* steps until the clock is to be read again */
  uint8_t is_turn_fresh; /* nothing observed yet in this turn */

  struct sluice_recorder *recorder; /* NULL: off; see hooks.h */

  struct sluice__wheel wheel;
};

#define SLUICE__BLOCKED_UNIT_BITS 14

static inline struct sluice__lane *sluice__lane_of(struct sluice__deadline *deadline) {
  return SLUICE__CONTAINER(deadline, struct sluice__lane, deadline);
}
static inline struct sluice__item *sluice__item_of(struct sluice__deadline *deadline) {
  return SLUICE__CONTAINER(deadline, struct sluice__item, deadline);
}
static inline struct sluice__limiter *sluice__limiter_of(struct sluice__deadline *deadline) {
  return SLUICE__CONTAINER(deadline, struct sluice__limiter, gate);
}
static inline struct sluice__waiter *sluice__waiter_of(struct sluice__deadline *deadline) {
  return SLUICE__CONTAINER(deadline, struct sluice__waiter, deadline);
}
static inline struct sluice__waiter *sluice__waiter_of_claim(struct sluice__claim *claim) {
  return SLUICE__CONTAINER(claim, struct sluice__waiter, claim);
}
static inline struct sluice__claim *sluice__claim_of(struct sluice__link *link) {
  return SLUICE__CONTAINER(link, struct sluice__claim, link);
}
static inline struct sluice__claim *sluice__claim_of_ticket(struct sluice_ticket *ticket) {
  return SLUICE__CONTAINER(ticket, struct sluice__claim, ticket);
}
static inline struct sluice__job *sluice__job_of_invitation(struct sluice__deadline *deadline) {
  return SLUICE__CONTAINER(deadline, struct sluice__job, invitation);
}
static inline struct sluice__job *sluice__job_of_token(struct sluice__deadline *deadline) {
  return SLUICE__CONTAINER(deadline, struct sluice__job, token);
}
static inline struct sluice__job *sluice__job_of_total(struct sluice__deadline *deadline) {
  return SLUICE__CONTAINER(deadline, struct sluice__job, total);
}
static inline struct sluice__lane *sluice__lane_at(const struct sluice_engine *engine, uint32_t number) {
  return (struct sluice__lane *)sluice__slab_at(&engine->lanes, number);
}
static inline struct sluice__job *sluice__job_at(const struct sluice_engine *engine, uint32_t number) {
  return (struct sluice__job *)sluice__slab_at(&engine->jobs, number);
}
/* Of a lane in a job with has_items. */
static inline struct sluice__item *sluice__item_at(const struct sluice_engine *engine, uint32_t lane) {
  return &engine->items.chunks[lane >> SLUICE__CHUNK_BITS][lane & (SLUICE__CHUNK_SLOTS - 1)];
}
static inline struct sluice__lane *sluice__lane_find(const struct sluice_engine *engine, struct sluice_handle handle) {
  return (struct sluice__lane *)sluice__slab_find(&engine->lanes, handle);
}
static inline struct sluice__job *sluice__job_find(const struct sluice_engine *engine, struct sluice_handle handle) {
  return (struct sluice__job *)sluice__slab_find(&engine->jobs, handle);
}

/* Into a list, from nowhere; and out of whichever it is in. These two keep the engine's counts. */
static inline void sluice__link_into(struct sluice_engine *engine, struct sluice__deadline *deadline,
                                     struct sluice__link *head, enum sluice__list list) {
  assert(deadline->list == SLUICE__LIST_NONE);
  sluice__list_append(head, &deadline->link);
  deadline->list = (uint8_t)list;
  engine->deadlines++;
  engine->referenced += (deadline->flags & SLUICE_FLAG_UNREF) == 0;
}
static inline void sluice__disarm(struct sluice_engine *engine, struct sluice__deadline *deadline) {
  if (deadline->list == SLUICE__LIST_NONE) return;
  sluice__list_unlink(&deadline->link); /* the same for the wheel's slots */
  deadline->list = SLUICE__LIST_NONE;
  engine->deadlines--;
  engine->referenced -= (deadline->flags & SLUICE_FLAG_UNREF) == 0;
}
/* Into the newborns: the duration begins at the end of this turn. A duration of never is not kept. */
static inline void sluice__arm(struct sluice_engine *engine, struct sluice__deadline *deadline, enum sluice__kind kind,
                               uint64_t duration) {
  if (duration >= SLUICE_NEVER) return;
  deadline->kind = (uint8_t)kind;
  deadline->due = duration;
  deadline->serial = engine->serial++;
  sluice__link_into(engine, deadline, &engine->newborn, SLUICE__LIST_NEWBORN);
}
static inline void sluice__deadline_init(struct sluice__deadline *deadline, enum sluice__state state, uint32_t flags) {
  sluice__list_init(&deadline->link);
  deadline->kind = 0;
  deadline->list = SLUICE__LIST_NONE;
  deadline->state = (uint8_t)state;
  deadline->flags = (uint8_t)flags;
}

static inline void sluice__claim_init(struct sluice__claim *claim, enum sluice__claimant claimant, uint32_t flags) {
  sluice__list_init(&claim->link);
  claim->weight = 1;
  claim->claimant = (uint8_t)claimant;
  claim->is_unref = (flags & SLUICE_FLAG_UNREF) != 0;
  sluice_ticket_init(&claim->ticket);
  claim->ticket.is_job = claimant != SLUICE__CLAIM_WAITER;
}

/* The latest time that anybody has brought in. */
static inline uint64_t sluice__time(const struct sluice_engine *engine) {
  return engine->observed > engine->now ? engine->observed : engine->now;
}

/* engine.c */

/* Fills in `elapsed` and `blocked` of a deadline that was due at `due`. */
void sluice__report_time(const struct sluice_engine *engine, uint64_t due, uint64_t duration, uint32_t blocked_then,
                         struct sluice_decision *decision);
/* A lane has what it waited for: sluice_hand() tells it. Its deadline is in no list. */
void sluice__hand_lane(struct sluice_engine *engine, struct sluice__lane *lane);

/* items.c */

void sluice__items_init(struct sluice__items *items, struct sluice__mem *mem);
void sluice__items_fini(struct sluice__items *items);
/* Makes room for this lane's item. Errors: SLUICE_ENOMEM. */
int sluice__items_reach(struct sluice__items *items, uint32_t lane);
/* What has been taken from the allocator, in bytes. */
uint64_t sluice__items_memory(const struct sluice__items *items);
/* The lane takes an item: its time begins with the end of this turn. */
void sluice__item_begin(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane);
/* How long ago its time began; 0 within that turn. */
uint64_t sluice__item_elapsed(const struct sluice_engine *engine, const struct sluice__job *job,
                              const struct sluice__lane *lane);

/* gate.c */

/* Whether an attempt may start now, before all that wait; takes its token. */
int sluice__gate_pass(struct sluice_engine *engine, struct sluice__job *job);
/* The lane, whose deadline is in no list, waits behind the others. */
void sluice__gate_wait(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane);
/* The lane stops waiting, at a gate or for time; its deadline is in no list afterwards. */
void sluice__gate_leave(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane);
/* Something has changed for those that wait: an abandoned attempt has ended, a lane has come or gone. */
void sluice__gate_update(struct sluice_engine *engine, struct sluice__job *job);
/* Whether timed-out attempts keep this job from starting others. */
int sluice__gate_is_shut(const struct sluice__job *job);

/* limiter.c */

void sluice__limiter_init(struct sluice__limiter *limiter, const struct sluice_rate *rate);
/* Into the line, and out of it; a claim that is in none is left alone. */
void sluice__limiter_join(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim);
void sluice__limiter_leave(struct sluice_engine *engine, struct sluice__limiter *limiter, struct sluice__claim *claim);
/* The time of its gate has come: 1, and `decision` gets who goes on; 0: nobody. */
int sluice__limiter_next(struct sluice_engine *engine, struct sluice__limiter *limiter,
                         struct sluice_decision *decision);
/* When the gate, which is being stamped, is due. */
uint64_t sluice__limiter_due(const struct sluice_engine *engine, struct sluice__limiter *limiter);
/* What the ticket of a claim in this leased limiter's line came to. */
void sluice__limiter_lent(struct sluice_engine *engine, struct sluice__claim *claim, int is_granted);
/* The token that a job was lent is used: 1, and `decision` gets who goes on; or nobody needs it any more: 0. */
int sluice__token_next(struct sluice_engine *engine, struct sluice__job *job, struct sluice_decision *decision);
/* The job is about to end, without lanes. */
void sluice__limiter_detach(struct sluice_engine *engine, struct sluice__job *job);
/* The end of a turn: tokens that were given out in it are accounted for. */
void sluice__limiters_turn(struct sluice_engine *engine);
struct sluice__limiter *sluice__limiter_find(const struct sluice_engine *engine, struct sluice_handle handle);

/* semaphore.c */

/* Takes a permit for this lane: the job's spare one, or one that is free while nobody waits: 1; or 0. */
int sluice__permit_take(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane);
/* Whether it would: a permit that is lent is the job's spare one then. */
int sluice__permit_is_free(struct sluice__job *job);
/* The job joins the line, if it is not in it, for one more lane than it has. */
void sluice__permit_claim(struct sluice_engine *engine, struct sluice__job *job);
/* The same for this lane, whose deadline is in no list: handed over when it has its permit. */
void sluice__permit_wait(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane);
/* The job has no use for a spare permit. */
void sluice__permit_decline(struct sluice_engine *engine, struct sluice__job *job);
/* No item is taken any more, and no lane of the job waits for a permit: nor does the job. */
void sluice__permit_quit(struct sluice_engine *engine, struct sluice__job *job);
/* The job is about to end, without lanes: it leaves the semaphore. */
void sluice__permit_detach(struct sluice_engine *engine, struct sluice__job *job);
/* The lane gives back its permit, or leaves the line; it may have none. */
void sluice__permit_drop(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane);
/* What the ticket of a claim in this leased semaphore's line came to. */
void sluice__semaphore_lent(struct sluice_engine *engine, struct sluice__claim *claim, int is_granted);
/* Whether somebody else waits for the permit that a lane of this job holds, or it is one too many. */
int sluice__permit_is_wanted(const struct sluice__job *job);
/* The waiter hears of the permits that were handed to it: they are the caller's now. */
void sluice__acquire_told(struct sluice_engine *engine, struct sluice__waiter *waiter);
struct sluice__semaphore *sluice__semaphore_find(const struct sluice_engine *engine, struct sluice_handle handle);

/* waiter.c */

/* A waiter with `claim` filled in, not yet in any line. Errors: SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice__waiter_new(struct sluice_engine *engine, uint64_t weight, uint64_t timeout, uint32_t flags,
                       struct sluice__waiter **waiter);
/* Its wait, in no line any more, is over: handed over as `kind`. */
void sluice__waiter_hand(struct sluice_engine *engine, struct sluice__waiter *waiter, enum sluice__kind kind);
/* It is in no line, and gone without a word. */
void sluice__waiter_cancel(struct sluice_engine *engine, struct sluice__waiter *waiter);
/* It is gone: `decision` says so. */
void sluice__waiter_end(struct sluice_engine *engine, struct sluice__waiter *waiter, enum sluice_event event,
                        struct sluice_decision *decision);
/* The same for one whose deadline, in no list any more, was ready or handed. */
void sluice__waiter_next(struct sluice_engine *engine, struct sluice__waiter *waiter, struct sluice_decision *decision);
/* It leaves its line, and gives back what it was handed; its deadline stays. */
void sluice__waiter_leave(struct sluice_engine *engine, struct sluice__waiter *waiter);
/* The two of sluice__waiter_leave(). */
void sluice__acquire_leave(struct sluice_engine *engine, struct sluice__waiter *waiter);
void sluice__draw_leave(struct sluice_engine *engine, struct sluice__waiter *waiter);

/* window.c */

/* How many more items may be taken. */
uint64_t sluice__window_room(const struct sluice__job *job);
/* Lanes that wait go on: as many as there is room for, or all where no item is left. */
void sluice__window_serve(struct sluice_engine *engine, struct sluice__job *job);
/* The lane, whose deadline is in no list, waits until some may. */
void sluice__window_wait(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane);
/* The end of a turn: lanes that may go on do. */
void sluice__window_turn(struct sluice_engine *engine);
/* The job is about to end. */
void sluice__window_clear(struct sluice__job *job);

/* grant.c */

/* Reads what lanes have taken of a granted run. */
void sluice__grant_sync(struct sluice_engine *engine, struct sluice__job *job);
/* The same for this lane of it, after the job. */
void sluice__grant_sync_lane(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane);
/* The end of a turn: reads what the job's lanes have taken, and takes the rest back. */
void sluice__grant_revoke(struct sluice_engine *engine, struct sluice__job *job);
/* The job is about to end: what is left of the run is nobody's. */
void sluice__grant_end(struct sluice_engine *engine, struct sluice__job *job);
/* After START: lets the job's lanes go on by themselves for as many items as the clock need not be read. */
void sluice__grant(struct sluice_engine *engine, struct sluice__job *job, struct sluice_decision *decision);
/* An attempt of this lane starts: writes the lane's word, and gives a first attempt in a run its serial. */
void sluice__grant_note_start(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane);

/* job.c */

/* The attempt of this lane, whose deadline is in no list, was abandoned: the lane's handle is renewed, and `decision`
 * gets what it does next. */
void sluice__job_timed_out(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision);
/* The item of this lane is over, whatever the lane does; the same for the rest. */
void sluice__job_item_over(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision);
/* The backoff of this lane would have ended too late; the same for the rest. */
void sluice__job_outlived(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision);
/* A parked lane goes on: `decision` gets what it does. 0: it waits at the gate. */
int sluice__job_resume(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision);
/* A lane has passed the gate: `decision` gets its attempt. */
void sluice__job_start(struct sluice_engine *engine, struct sluice__lane *lane, struct sluice_decision *decision);
/* A count has changed: a job with FLAG_PROGRESS has something to tell. */
void sluice__job_mark_dirty(struct sluice_engine *engine, struct sluice__job *job);
/* The job has failed: it is closed (FAIL), or drains (DRAIN). */
void sluice__job_fail(struct sluice_engine *engine, struct sluice__job *job, struct sluice_decision *decision);

/* Whether the clock has to be read before its decisions: 1 or 0. */
static inline uint32_t sluice__job_is_rated(const struct sluice__job *job) {
  return job->limiter != &job->own_limiter || job->limiter->bucket.max != 0;
}

static inline int sluice__job_has_next_item(const struct sluice__job *job) {
  return job->next_item < job->policy.items && !job->is_exhausted && !job->is_draining;
}

/* Whether lanes have run so long in this turn that the loop must turn before another start. */
static inline int sluice__must_yield(const struct sluice_engine *engine, const struct sluice__job *job) {
  return engine->ran >= job->policy.yield_after;
}

#endif
