#include "threads.h"

#include <string.h>

static void begin(struct threads *threads, int count) {
  memset(threads, 0, sizeof *threads);
  threads->count = count;
  for (int i = 0; i < count; i++) world_init(&threads->worlds[i]);
}

static void lease_all(struct threads *threads) {
  for (int i = 0; i < threads->count; i++) {
    world_semaphore(&threads->worlds[i], 7, 0); /* so that handles of one engine are no other's */
    for (int k = 0; k < i; k++) world_limiter(&threads->worlds[i], 0, 1, 0);
    threads->handles[i] = lender_lease(&threads->lender, i, &threads->worlds[i]);
  }
}

void threads_permits(struct threads *threads, int count, uint64_t permits) {
  begin(threads, count);
  lender_permits(&threads->lender, &threads->worlds[0].now, permits);
  lease_all(threads);
}

void threads_tokens(struct threads *threads, int count, uint64_t max, uint64_t burst) {
  begin(threads, count);
  lender_tokens(&threads->lender, &threads->worlds[0].now, max, SECOND, burst);
  lease_all(threads);
}

void threads_fini(struct threads *threads) {
  lender_check(&threads->lender);
  for (int i = 0; i < threads->count; i++) world_fini(&threads->worlds[i]);
}

void threads_move(struct threads *threads, uint64_t duration) {
  for (int i = 0; i < threads->count; i++) threads->worlds[i].now += duration;
}

void threads_pass(struct threads *threads, uint64_t duration) {
  lender_deliver_all(&threads->lender); /* each looks to its timers before it sleeps */
  for (int i = 0; i < threads->count; i++) world_pass(&threads->worlds[i], duration);
  lender_tick(&threads->lender);
  lender_deliver_all(&threads->lender);
}

void threads_expect_free(struct threads *threads, int number, uint64_t available, uint64_t waiting) {
  struct sluice_level level = world_semaphore_level(&threads->worlds[number], threads->handles[number]);
  EXPECT_EQ(level.available, available);
  EXPECT_EQ(level.waiting, waiting);
}
