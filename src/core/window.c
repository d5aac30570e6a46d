/* The window: how many items of a job may be taken and not yet read by whoever takes its results. Lanes that find it
 * full wait in the order in which they came, and go on as many as there is room for. */
#include "internal.h"

uint64_t sluice__window_room(const struct sluice__job *job) {
  uint64_t window = job->policy.window;
  if (window == 0) return UINT64_MAX;
  uint64_t taken = job->next_item - job->read;
  return taken < window ? window - taken : 0;
}

int sluice__window_has_room(const struct sluice__job *job) {
  return job->policy.window == 0 || (sluice__list_empty(&job->room) && sluice__window_room(job) > 0);
}

void sluice__window_wait(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  lane->deadline.kind = SLUICE__KIND_ROOM;
  lane->deadline.flags = SLUICE_FLAG_UNREF; /* it is for the reader to go on */
  sluice__link_into(engine, &lane->deadline, &job->room, SLUICE__LIST_ROOM);
}

void sluice__window_serve(struct sluice_engine *engine, struct sluice__job *job) {
  int is_over = job->is_exhausted || job->next_item == job->policy.items; /* nothing will be read for them */
  uint64_t left = is_over ? UINT64_MAX : sluice__window_room(job);
  for (; left > 0 && !sluice__list_empty(&job->room); left--) {
    struct sluice__lane *lane = sluice__lane_of(sluice__deadline_of(job->room.next));
    sluice__disarm(engine, &lane->deadline);
    sluice__hand_lane(engine, lane);
  }
}

int sluice_read(struct sluice_engine *engine, struct sluice_handle handle, uint64_t count) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  sluice__grant_sync(engine, job);
  uint64_t unread = job->next_item - job->read;
  job->read += count < unread ? count : unread;
  sluice__window_serve(engine, job);
  return SLUICE_OK;
}
