/* What items need beyond their lanes: a lane is one cache line, and full. So jobs that ask for an item timeout, a say
 * in retries or decorrelated backoff have a second table beside the lanes', in chunks that are made when first needed.
 */
#include <string.h>

#include "internal.h"

#define CHUNK_BYTES (SLUICE__CHUNK_SLOTS * sizeof(struct sluice__item))

static size_t table_bytes(uint32_t room) {
  return room * sizeof(void *);
}

void sluice__items_init(struct sluice__items *items, struct sluice__mem *mem) {
  items->mem = mem;
  items->chunks = NULL;
  items->room = 0;
}

void sluice__items_fini(struct sluice__items *items) {
  for (uint32_t i = 0; i < items->room; i++) sluice__mem_free(items->mem, items->chunks[i], CHUNK_BYTES);
  sluice__mem_free(items->mem, items->chunks, table_bytes(items->room));
  sluice__items_init(items, items->mem);
}

static int grow_table(struct sluice__items *items, uint32_t least) {
  uint32_t room = items->room == 0 ? 4 : items->room;
  while (room < least) room *= 2; /* a slot number has 24 bits left for its chunk: no overflow */
  struct sluice__item **chunks = sluice__mem_alloc(items->mem, table_bytes(room));
  if (chunks == NULL) return SLUICE_ENOMEM;
  for (uint32_t i = 0; i < room; i++) chunks[i] = i < items->room ? items->chunks[i] : NULL;
  sluice__mem_free(items->mem, items->chunks, table_bytes(items->room));
  items->chunks = chunks;
  items->room = room;
  return SLUICE_OK;
}

int sluice__items_reach(struct sluice__items *items, uint32_t lane) {
  uint32_t chunk = lane >> SLUICE__CHUNK_BITS;
  if (chunk >= items->room) {
    int error = grow_table(items, chunk + 1);
    if (error != SLUICE_OK) return error;
  }
  if (items->chunks[chunk] == NULL) {
    items->chunks[chunk] = sluice__mem_alloc(items->mem, CHUNK_BYTES);
    if (items->chunks[chunk] == NULL) return SLUICE_ENOMEM;
  }
  struct sluice__item *item = &items->chunks[chunk][lane & (SLUICE__CHUNK_SLOTS - 1)];
  memset(item, 0, sizeof *item);
  sluice__deadline_init(&item->deadline, SLUICE__LANE_ALONE, 0);
  item->lane = lane;
  return SLUICE_OK;
}

uint64_t sluice__items_memory(const struct sluice__items *items) {
  uint64_t memory = table_bytes(items->room);
  for (uint32_t i = 0; i < items->room; i++) memory += items->chunks[i] != NULL ? CHUNK_BYTES : 0;
  return memory;
}

/* An item without a timeout is stamped all the same: there are questions about its age. */
static uint64_t duration_of(const struct sluice__job *job) {
  uint64_t duration = job->policy.item_timeout;
  return duration < SLUICE_NEVER ? duration : SLUICE_NEVER - 1;
}

void sluice__item_begin(struct sluice_engine *engine, struct sluice__job *job, struct sluice__lane *lane) {
  struct sluice__item *item = sluice__item_at(engine, lane->slot.number);
  sluice__disarm(engine, &item->deadline);
  item->deadline.flags = (uint8_t)(job->policy.flags & SLUICE_FLAG_UNREF);
  item->wait = job->policy.backoff.delay;
  item->has_failed = 0;
  sluice__arm(engine, &item->deadline, SLUICE__KIND_ITEM, duration_of(job));
}

uint64_t sluice__item_elapsed(const struct sluice_engine *engine, const struct sluice__job *job,
                              const struct sluice__lane *lane) {
  const struct sluice__item *item = sluice__item_at(engine, lane->slot.number);
  if (item->deadline.list == SLUICE__LIST_NEWBORN) return 0;
  return sluice__time(engine) - (item->deadline.due - duration_of(job));
}
