/* A common limit: permits, or a token bucket, that several engines have in common, and one line for all of them.
 *
 * Plain data and decisions, as everywhere in the core: it has no lock and no clock. Whoever uses it from several
 * threads holds a lock around each call, and brings the time in. An engine has a *seat* at it; what it waits for is a
 * *ticket*, whose memory is the caller's. Whoever gives something back, or brings time, decides tickets of other seats:
 * these lie in their seat's inbox, and the seat is among those that are to be woken.
 *
 *   ticket:  (new) --take--> WAITING --give, serve--> GRANTED --seat_next--> (new)
 *                               \-------resize------> REFUSED --seat_next--> (new)
 *
 * First come, first served: nobody overtakes the head of the line, however little he asks for. */
#ifndef SLUICE_COMMON_H
#define SLUICE_COMMON_H

#include "bucket.h"
#include "list.h"
#include "sluice.h"

#ifdef __cplusplus
extern "C" {
#endif

enum sluice_ticket_state { SLUICE_TICKET_NEW, SLUICE_TICKET_WAITING, SLUICE_TICKET_GRANTED, SLUICE_TICKET_REFUSED };

struct sluice_seat;

struct sluice_ticket {
  struct sluice__link link; /* in the line (WAITING), in its seat's inbox (GRANTED, REFUSED), or nowhere */
  struct sluice_seat *seat;
  uint64_t weight;
  uint8_t state;  /* enum sluice_ticket_state */
  uint8_t is_job; /* max_waiting does not count it. The owner's, after init */
};

struct sluice_common {
  struct sluice__link line;
  struct sluice__link woken;
  struct sluice__link members; /* all seats */
  uint64_t permits;
  uint64_t in_use;  /* may be above `permits` after a resize */
  uint64_t waiting; /* tickets in the line */
  uint64_t jobs;    /* of these, those of jobs */
  uint32_t seats;
  uint8_t has_bucket; /* tokens, not permits */
  struct sluice__bucket bucket;
  struct sluice_rate rate; /* of the bucket, as it was asked for */
};

struct sluice_seat {
  struct sluice__link woken; /* in the common's list, or nowhere */
  struct sluice__link inbox;
  struct sluice__link member;
  struct sluice_common *common;
  uint64_t held;    /* permits that are out to it, with those in its inbox */
  uint64_t waiting; /* its tickets in the line */
};

void sluice_ticket_init(struct sluice_ticket *ticket);

/* Errors: SLUICE_EINVAL (permits 0 or above SLUICE_PERMIT_MAX; the rate). */
int sluice_common_permits(struct sluice_common *common, uint64_t permits);
int sluice_common_tokens(struct sluice_common *common, const struct sluice_rate *rate);

void sluice_seat_join(struct sluice_seat *seat, struct sluice_common *common);
/* Its tickets are in no line any more, what it held is given back. */
void sluice_seat_leave(struct sluice_seat *seat, uint64_t now);
/* Takes the next ticket out of the inbox, with its state; NULL: it is empty. The ticket is new again. */
struct sluice_ticket *sluice_seat_next(struct sluice_seat *seat, enum sluice_ticket_state *state);

/* Takes `weight`: 1; or puts the ticket into the line: 0. Without a ticket 0 means that it would have to wait.
 * Errors: SLUICE_EINVAL (weight 0, or more than there can be), SLUICE_ECROWDED (max_waiting wait
 * already, jobs apart). */
int sluice_common_take(struct sluice_seat *seat, uint64_t weight, uint64_t max_waiting, struct sluice_ticket *ticket,
                       uint64_t now);
/* The ticket is nobody's any more: out of the line, or what it was granted is given back. A new one is left alone. */
void sluice_common_withdraw(struct sluice_ticket *ticket, uint64_t now);
/* The seat gives `weight` back, which it holds; tokens go back into the bucket. */
void sluice_common_give(struct sluice_seat *seat, uint64_t weight, uint64_t now);
/* Decides what `now` allows. */
void sluice_common_serve(struct sluice_common *common, uint64_t now);
/* When the head of the line can have its tokens; SLUICE_NEVER: nobody waits for time. */
uint64_t sluice_common_due(const struct sluice_common *common);
/* Whether the head of the line is this seat's. */
int sluice_seat_is_first(const struct sluice_seat *seat);

/* From now on there are so many; who waits for more is refused. Errors: as of the two that begin it. */
int sluice_common_resize(struct sluice_common *common, uint64_t permits, uint64_t now);
int sluice_common_reconfigure(struct sluice_common *common, const struct sluice_rate *rate, uint64_t now);
/* As sluice_penalize(). */
void sluice_common_penalize(struct sluice_common *common, uint64_t duration, uint64_t now);

/* Takes a seat that has something in its inbox, whose ticket is the new head of a line that waits for time, or that
 * waits in a line whose time has become sooner. NULL: there is none. */
struct sluice_seat *sluice_common_woken(struct sluice_common *common);

/* `jobs` is 0. */
void sluice_common_level(struct sluice_common *common, struct sluice_level *level, uint64_t now);

/* Recounts the line the slow way. Returns 1, or 0 where something disagrees (a bug). */
int sluice_common_check(const struct sluice_common *common);

#ifdef __cplusplus
}
#endif
#endif
