/* A common limit that the engines of several worlds lease, without locks: what src/uv/commons.c is between threads.
 *
 * It goes along with a plain model of the line (an array) and of the permits or tokens (one number); each call is
 * expected to decide what the model does, and nobody may be left without being told or without a timer. */
#ifndef SLUICE_LENDER_H
#define SLUICE_LENDER_H

#include "common.h"
#include "world.h"

enum { LENDER_SEATS = 4, LENDER_LINE = 256 };

__extension__ typedef unsigned __int128 lender_wide;

struct lender_entry {
  struct sluice_ticket *ticket;
  int seat;
  uint64_t weight;
  enum sluice_ticket_state state;
};

struct lender_queue {
  struct lender_entry at[LENDER_LINE];
  int count;
};

struct lender;

struct lender_seat {
  struct sluice_seat seat; /* first, so that one is the other */
  struct lender *lender;
  struct world *world;
  struct sluice_handle handle;
  int number;
  int is_open;
  int has_news; /* it was woken, or has asked, since it last looked */
  uint64_t timer;
  uint64_t held; /* the model's */
  struct lender_queue inbox;
};

struct lender {
  struct sluice_common common;
  struct lender_seat seats[LENDER_SEATS];
  const uint64_t *clock;
  void (*meanwhile)(struct lender *lender); /* what others do before the next take() with a ticket; once */
  uint64_t calls;
  /* The model's: */
  struct lender_queue line;
  uint64_t permits;
  uint64_t in_use;
  struct sluice_rate rate;
  lender_wide level; /* tokens in units of 1 / per, at `at` */
  uint64_t at;
  uint64_t shut;
};

/* `clock` is looked at whenever something is decided. */
void lender_permits(struct lender *lender, const uint64_t *clock, uint64_t permits);
void lender_tokens(struct lender *lender, const uint64_t *clock, uint64_t max, uint64_t per, uint64_t burst);
/* A seat for the world, which has not leased anything yet: to be asked through these. */
struct lender_seat *lender_join(struct lender *lender, int seat, struct world *world);
extern const struct sluice_lender lender_functions;
/* The world's engine leases it from now on. */
struct sluice_handle lender_lease(struct lender *lender, int seat, struct world *world);
/* Tells the engine what was decided, at most `most` of it; returns how many were. */
int lender_deliver(struct lender *lender, int seat, int most);
/* The same for all of them, until there is nothing to tell. */
void lender_deliver_all(struct lender *lender);
/* Timers that are due serve the line. */
void lender_tick(struct lender *lender);
/* The next of the timers; SLUICE_NEVER: there is none. */
uint64_t lender_next_timer(const struct lender *lender);
void lender_check(const struct lender *lender);

/* As another thread: takes and gives without an engine. */
int lender_take(struct lender *lender, int seat, uint64_t weight);
void lender_give(struct lender *lender, int seat, uint64_t weight);
/* The thread is gone: what its engine has is nobody's business any more. */
void lender_vanish(struct lender *lender, int seat);

#endif
