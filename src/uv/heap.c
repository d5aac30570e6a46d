#include "heap.h"

#include <stdlib.h>

static void *allocate(void *user, size_t size) {
  (void)user;
  return malloc(size);
}

static void release(void *user, void *block, size_t size) {
  (void)user;
  (void)size;
  free(block);
}

const struct sluice_allocator sluice_heap = {allocate, release, NULL};
