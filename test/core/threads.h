/* Several worlds whose engines lease one common limit: what threads are to a process, on one clock. */
#ifndef SLUICE_THREADS_H
#define SLUICE_THREADS_H

#include "lender.h"
#include "world.h"

struct threads {
  struct world worlds[LENDER_SEATS];
  struct lender lender;
  struct sluice_handle handles[LENDER_SEATS]; /* each world's */
  int count;
};

void threads_permits(struct threads *threads, int count, uint64_t permits);
/* `max` in a second. */
void threads_tokens(struct threads *threads, int count, uint64_t max, uint64_t burst);
/* Frees all engines, as they are. */
void threads_fini(struct threads *threads);
/* Time alone. */
void threads_move(struct threads *threads, uint64_t duration);
/* world_pass() for all, then what timers bring is delivered. */
void threads_pass(struct threads *threads, uint64_t duration);
/* What this world sees. */
void threads_expect_free(struct threads *threads, int number, uint64_t available, uint64_t waiting);

#endif
