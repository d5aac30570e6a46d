/* The window: how many items of a job may be taken and not yet read by whoever takes its results. Lanes that find it
 * full wait in the order in which they came.
 *
 * What is read lets one of them go on at once, the others with the end of the turn. So where mappers are fast one lane
 * fills the room in one go, and the others need not be woken for an item each; where they are slow all run. */
#include "internal.h"

uint64_t sluice__window_room(const struct sluice__job *job) {
  uint64_t window = job->policy.window;
  if (window == 0) return UINT64_MAX;
  uint64_t taken = job->next_item - job->read;
  return taken < window ? window - taken : 0;
}

void sluice__window_wait(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  lane->deadline.kind = SLUICE__KIND_ROOM;
  lane->deadline.flags = SLUICE_FLAG_UNREF; /* it is for the reader to go on */
  sluice__link_into(engine, &lane->deadline, &job->room, SLUICE__LIST_ROOM);
}

static void hand_first(struct sluice_engine *engine, struct sluice__job *job) {
  struct sluice__lane *lane = sluice__lane_of(sluice__deadline_of(job->room.next));
  sluice__disarm(engine, &lane->deadline);
  sluice__hand_lane(engine, lane);
}

void sluice__window_clear(struct sluice__job *job) {
  sluice__list_unlink(&job->roomy);
}

/* How many of those that wait may go on: all where no item is left, for nothing will be read for them. */
static uint64_t room_for_waiting(const struct sluice__job *job) {
  int is_over = job->is_exhausted || job->next_item == job->policy.items;
  return is_over ? UINT64_MAX : sluice__window_room(job);
}

void sluice__window_serve(struct sluice_engine *engine, struct sluice__job *job) {
  uint64_t room = room_for_waiting(job);
  for (; room > 0 && !sluice__list_empty(&job->room); room--) hand_first(engine, job);
}

void sluice__window_turn(struct sluice_engine *engine) {
  while (!sluice__list_empty(&engine->roomy)) {
    struct sluice__job *job = SLUICE__CONTAINER(engine->roomy.next, struct sluice__job, roomy);
    sluice__list_unlink(&job->roomy);
    sluice__grant_sync(engine, job);
    sluice__window_serve(engine, job);
  }
}

int sluice_read(struct sluice_engine *engine, struct sluice_handle handle, uint64_t count) {
  struct sluice__job *job = sluice__job_find(engine, handle);
  if (job == NULL) return SLUICE_ESTALE;
  sluice__grant_sync(engine, job);
  uint64_t unread = job->next_item - job->read;
  job->read += count < unread ? count : unread;
  uint64_t room = room_for_waiting(job);
  if (room > 0 && !sluice__list_empty(&job->room)) hand_first(engine, job);
  if (room > 1 && !sluice__list_empty(&job->room) && sluice__list_empty(&job->roomy))
    sluice__list_append(&engine->roomy, &job->roomy);
  return SLUICE_OK;
}
