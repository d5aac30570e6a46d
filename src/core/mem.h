/* The allocator of an engine, with a running total: what is handed out is what is given back. */
#ifndef SLUICE_MEM_H
#define SLUICE_MEM_H

#include "sluice.h"

struct sluice__mem {
  struct sluice_allocator allocator;
  uint64_t in_use; /* bytes */
};

/* Returns NULL where there is no memory; what is returned is not cleared. */
static inline void *sluice__mem_alloc(struct sluice__mem *mem, size_t size) {
  void *block = mem->allocator.alloc(mem->allocator.user, size);
  if (block != NULL) mem->in_use += size;
  return block;
}

/* `size` is the size that was asked for. NULL is allowed. */
static inline void sluice__mem_free(struct sluice__mem *mem, void *block, size_t size) {
  if (block == NULL) return;
  mem->in_use -= size;
  mem->allocator.free(mem->allocator.user, block, size);
}

#endif
