/* The C library's heap, as the core asks for memory. */
#ifndef SLUICE_HEAP_H
#define SLUICE_HEAP_H

#include "../core/sluice.h"

#ifdef __cplusplus
extern "C" {
#endif

/* malloc and free: any thread may use it, and free what another was given. */
extern const struct sluice_allocator sluice_heap;

#ifdef __cplusplus
}
#endif
#endif
