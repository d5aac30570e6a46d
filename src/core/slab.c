#include "slab.h"

#include <assert.h>
#include <string.h>

void sluice__slab_init(struct sluice__slab *slab, struct sluice__mem *mem, uint32_t slot_size) {
  assert(slot_size >= sizeof(struct sluice__free_slot));
  memset(slab, 0, sizeof *slab);
  slab->mem = mem;
  slab->slot_size = slot_size;
  slab->first_free = SLUICE__NO_SLOT;
}

static size_t chunk_bytes(const struct sluice__slab *slab) {
  return (size_t)SLUICE__CHUNK_SLOTS * slab->slot_size;
}

void sluice__slab_fini(struct sluice__slab *slab) {
  for (uint32_t i = 0; i < slab->chunk_count; i++) sluice__mem_free(slab->mem, slab->chunks[i], chunk_bytes(slab));
  sluice__mem_free(slab->mem, slab->chunks, slab->chunk_room * sizeof *slab->chunks);
  memset(slab, 0, sizeof *slab);
}

/* Room for twice as many chunks, or nothing is changed. */
static int grow_table(struct sluice__slab *slab) {
  uint32_t room = slab->chunk_room == 0 ? 4 : slab->chunk_room * 2;
  if (room > UINT32_MAX >> SLUICE__CHUNK_BITS) return SLUICE_EFULL;
  char **chunks = sluice__mem_alloc(slab->mem, room * sizeof *chunks);
  if (chunks == NULL) return SLUICE_ENOMEM;
  if (slab->chunk_room != 0) memcpy(chunks, slab->chunks, slab->chunk_count * sizeof *chunks);
  sluice__mem_free(slab->mem, slab->chunks, slab->chunk_room * sizeof *chunks);
  slab->chunks = chunks;
  slab->chunk_room = room;
  return SLUICE_OK;
}

static struct sluice__free_slot *free_slot_at(const struct sluice__slab *slab, uint32_t number) {
  return (struct sluice__free_slot *)sluice__slab_at(slab, number);
}

static void push_free(struct sluice__slab *slab, uint32_t number) {
  free_slot_at(slab, number)->next = slab->first_free;
  slab->first_free = number;
  slab->free_count++;
}

static int grow(struct sluice__slab *slab) {
  if (slab->chunk_count == slab->chunk_room) {
    int error = grow_table(slab);
    if (error != SLUICE_OK) return error;
  }
  char *chunk = sluice__mem_alloc(slab->mem, chunk_bytes(slab));
  if (chunk == NULL) return SLUICE_ENOMEM;
  uint32_t first = slab->chunk_count << SLUICE__CHUNK_BITS;
  slab->chunks[slab->chunk_count++] = chunk;
  for (uint32_t i = SLUICE__CHUNK_SLOTS; i-- > 0;) { /* backwards: the stack then gives the lowest first */
    struct sluice__slot *slot = sluice__slab_at(slab, first + i);
    slot->number = first + i;
    slot->generation = 0;
    push_free(slab, first + i);
  }
  return SLUICE_OK;
}

int sluice__slab_take(struct sluice__slab *slab, struct sluice__slot **slot) {
  if (slab->free_count == 0) {
    int error = grow(slab);
    if (error != SLUICE_OK) return error;
  }
  struct sluice__free_slot *taken = free_slot_at(slab, slab->first_free);
  slab->first_free = taken->next;
  slab->free_count--;
  *slot = &taken->slot;
  (*slot)->generation++;
  slab->in_use++;
  return SLUICE_OK;
}

void sluice__slab_give_back(struct sluice__slab *slab, struct sluice__slot *slot) {
  assert(sluice__slot_in_use(slot));
  slot->generation++;
  push_free(slab, slot->number);
  slab->in_use--;
}

int sluice__slab_check(const struct sluice__slab *slab) {
  uint32_t room = sluice__slab_room(slab);
  if (slab->chunk_count > slab->chunk_room || slab->in_use + slab->free_count != room) return 0;
  uint32_t count = 0;
  for (uint32_t number = 0; number < room; number++) {
    const struct sluice__slot *slot = sluice__slab_at(slab, number);
    if (slot->number != number) return 0;
    count += !sluice__slot_in_use(slot);
  }
  if (count != slab->free_count) return 0;
  /* As many links as there are free slots, each to one of them, and then the end: the stack holds each once. */
  uint32_t number = slab->first_free;
  for (; count > 0; count--) {
    if (number >= room || sluice__slot_in_use(sluice__slab_at(slab, number))) return 0;
    number = free_slot_at(slab, number)->next;
  }
  return number == SLUICE__NO_SLOT;
}
