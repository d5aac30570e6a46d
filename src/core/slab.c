#include "slab.h"

#include <assert.h>
#include <string.h>

void sluice__slab_init(struct sluice__slab *slab, struct sluice__mem *mem, uint32_t slot_size) {
  memset(slab, 0, sizeof *slab);
  slab->mem = mem;
  slab->slot_size = slot_size;
}

static size_t chunk_bytes(const struct sluice__slab *slab) {
  return (size_t)SLUICE__CHUNK_SLOTS * slab->slot_size;
}

void sluice__slab_fini(struct sluice__slab *slab) {
  for (uint32_t i = 0; i < slab->chunk_count; i++) sluice__mem_free(slab->mem, slab->chunks[i], chunk_bytes(slab));
  sluice__mem_free(slab->mem, slab->chunks, slab->chunk_room * sizeof *slab->chunks);
  sluice__mem_free(slab->mem, slab->free_slots, (size_t)slab->chunk_room * SLUICE__CHUNK_SLOTS * sizeof(uint32_t));
  memset(slab, 0, sizeof *slab);
}

/* Room for twice as many chunks, in both tables, or nothing is changed. */
static int grow_tables(struct sluice__slab *slab) {
  uint32_t room = slab->chunk_room == 0 ? 4 : slab->chunk_room * 2;
  if (room > UINT32_MAX >> SLUICE__CHUNK_BITS) return SLUICE_EFULL;
  size_t old_stack = (size_t)slab->chunk_room * SLUICE__CHUNK_SLOTS * sizeof(uint32_t);
  char **chunks = sluice__mem_alloc(slab->mem, room * sizeof *chunks);
  uint32_t *stack = sluice__mem_alloc(slab->mem, (size_t)room * SLUICE__CHUNK_SLOTS * sizeof *stack);
  if (chunks == NULL || stack == NULL) {
    sluice__mem_free(slab->mem, chunks, room * sizeof *chunks);
    sluice__mem_free(slab->mem, stack, (size_t)room * SLUICE__CHUNK_SLOTS * sizeof *stack);
    return SLUICE_ENOMEM;
  }
  if (slab->chunk_room != 0) {
    memcpy(chunks, slab->chunks, slab->chunk_count * sizeof *chunks);
    memcpy(stack, slab->free_slots, slab->free_count * sizeof *stack);
  }
  sluice__mem_free(slab->mem, slab->chunks, slab->chunk_room * sizeof *chunks);
  sluice__mem_free(slab->mem, slab->free_slots, old_stack);
  slab->chunks = chunks;
  slab->free_slots = stack;
  slab->chunk_room = room;
  return SLUICE_OK;
}

static int grow(struct sluice__slab *slab) {
  if (slab->chunk_count == slab->chunk_room) {
    int error = grow_tables(slab);
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
    slab->free_slots[slab->free_count++] = first + i;
  }
  return SLUICE_OK;
}

int sluice__slab_take(struct sluice__slab *slab, struct sluice__slot **slot) {
  if (slab->free_count == 0) {
    int error = grow(slab);
    if (error != SLUICE_OK) return error;
  }
  *slot = sluice__slab_at(slab, slab->free_slots[--slab->free_count]);
  (*slot)->generation++;
  slab->in_use++;
  return SLUICE_OK;
}

void sluice__slab_give_back(struct sluice__slab *slab, struct sluice__slot *slot) {
  assert(sluice__slot_in_use(slot));
  slot->generation++;
  slab->free_slots[slab->free_count++] = slot->number;
  slab->in_use--;
}

int sluice__slab_check(const struct sluice__slab *slab) {
  uint32_t room = sluice__slab_room(slab);
  if (slab->chunk_count > slab->chunk_room || slab->in_use + slab->free_count != room) return 0;
  /* The stack holds each free slot once: as many, and the same sum of numbers and of their squares. */
  uint64_t count = 0, sum = 0, squares = 0;
  for (uint32_t number = 0; number < room; number++) {
    const struct sluice__slot *slot = sluice__slab_at(slab, number);
    if (slot->number != number) return 0;
    if (sluice__slot_in_use(slot)) continue;
    count++;
    sum += number;
    squares += (uint64_t)number * number;
  }
  if (count != slab->free_count) return 0;
  for (uint32_t i = 0; i < slab->free_count; i++) {
    uint64_t number = slab->free_slots[i];
    if (number >= room) return 0;
    sum -= number;
    squares -= number * number;
  }
  return sum == 0 && squares == 0;
}
