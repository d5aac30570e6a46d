/* Slots of one size under generation-tagged handles.
 *
 * Slots live in chunks that never move (others keep pointers into them) and are reused last-in first-out. A slot's
 * generation is odd while it is in use and moves on when it is given out and when it is taken back, so that a stale
 * handle never matches. (It wraps after 2^31 uses of one slot.)
 *
 * Every slot begins with struct sluice__slot. The slab owns nothing else of it while it is in use, and all of it while
 * it is free: there the free slots are strung together, so that a slot costs its size and no more. */
#ifndef SLUICE_SLAB_H
#define SLUICE_SLAB_H

#include "mem.h"

#define SLUICE__CHUNK_BITS 8
#define SLUICE__CHUNK_SLOTS (1u << SLUICE__CHUNK_BITS)
#define SLUICE__NO_SLOT UINT32_MAX

struct sluice__slot {
  _Alignas(uint64_t) uint32_t number; /* as what begins with it may be */
  uint32_t generation;
};

struct sluice__free_slot {
  struct sluice__slot slot;
  uint32_t next; /* slot number */
};

struct sluice__slab {
  struct sluice__mem *mem;
  char **chunks;
  uint32_t chunk_count;
  uint32_t chunk_room; /* of `chunks` */
  uint32_t in_use;
  uint32_t free_count;
  uint32_t first_free; /* a stack through the free slots themselves */
  uint32_t slot_size;
};

void sluice__slab_init(struct sluice__slab *slab, struct sluice__mem *mem, uint32_t slot_size);
void sluice__slab_fini(struct sluice__slab *slab);
/* Gives out a slot whose contents behind struct sluice__slot are undefined.
 * Errors: SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice__slab_take(struct sluice__slab *slab, struct sluice__slot **slot);
void sluice__slab_give_back(struct sluice__slab *slab, struct sluice__slot *slot);
/* Recounts the slots the slow way: 1, or 0 where something does not add up. */
int sluice__slab_check(const struct sluice__slab *slab);
/* Makes every handle to this slot stale, without taking the slot back. */
static inline void sluice__slab_renew(struct sluice__slot *slot) {
  slot->generation += 2;
}

static inline int sluice__slot_in_use(const struct sluice__slot *slot) {
  return (slot->generation & 1) == 1;
}

/* How many slots there are, in use or not. */
static inline uint32_t sluice__slab_room(const struct sluice__slab *slab) {
  return slab->chunk_count << SLUICE__CHUNK_BITS;
}

static inline struct sluice__slot *sluice__slab_at(const struct sluice__slab *slab, uint32_t number) {
  char *chunk = slab->chunks[number >> SLUICE__CHUNK_BITS];
  return (struct sluice__slot *)(void *)(chunk + (size_t)(number & (SLUICE__CHUNK_SLOTS - 1)) * slab->slot_size);
}

/* What the slab has taken from its allocator, in bytes. */
static inline uint64_t sluice__slab_memory(const struct sluice__slab *slab) {
  return (uint64_t)slab->chunk_room * sizeof(char *) + (uint64_t)sluice__slab_room(slab) * slab->slot_size;
}

/* NULL where the handle is stale or was never given out. */
static inline struct sluice__slot *sluice__slab_find(const struct sluice__slab *slab, struct sluice_handle handle) {
  if (handle.slot >> SLUICE__CHUNK_BITS >= slab->chunk_count) return NULL;
  struct sluice__slot *slot = sluice__slab_at(slab, handle.slot);
  if (slot->generation != handle.generation || (handle.generation & 1) == 0) return NULL;
  return slot;
}

static inline struct sluice_handle sluice__slot_handle(const struct sluice__slot *slot) {
  return (struct sluice_handle){slot->number, slot->generation};
}

#endif
