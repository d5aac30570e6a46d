/* Commons: the limits that all threads of the process share, by name.
 *
 * The decisions are the core's (core/common.h). Here are the registry of names, a lock around each limit, and the way
 * from the thread that gives a permit back to the one whose turn it is: an inbox per limit and thread, and one
 * uv_async_t per loop, so that what was decided in one go costs one wake-up.
 *
 * All functions are called on the driver's own thread. */
#ifndef SLUICE_COMMONS_H
#define SLUICE_COMMONS_H

#include <stddef.h>

#include "../core/sluice.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_driver;
struct sluice_member; /* what a driver has of its own: see commons.c */

enum sluice_common_kind { SLUICE_COMMON_SEMAPHORE, SLUICE_COMMON_MUTEX, SLUICE_COMMON_LIMITER };

/* What a name stands for: who comes later must ask for the same. */
struct sluice_common_terms {
  enum sluice_common_kind kind;
  uint64_t permits;        /* SEMAPHORE, MUTEX */
  struct sluice_rate rate; /* LIMITER */
};

/* Leases the limit of this name in the driver's engine: *handle is a semaphore, or a limiter. The first one makes it;
 * with the last whose handle is closed (sluice_semaphore_close, sluice_limiter_close) or whose driver ends it is gone.
 * Errors: SLUICE_EINVAL (terms), SLUICE_EMISMATCH (*terms is what the name stands for), SLUICE_ENOMEM, SLUICE_EFULL. */
int sluice_commons_open(struct sluice_driver *driver, const char *name, size_t length,
                        struct sluice_common_terms *terms, struct sluice_handle *handle);
/* Tells the engine what other threads have decided. Returns whether there was anything. */
int sluice_commons_deliver(struct sluice_member *member);
/* Gives back all that the driver's engine holds, leaves all lines, and closes the handles: `closed` is called for each
 * of them, and `member` is to be freed after the last. */
void sluice_commons_quit(struct sluice_member *member);
void sluice_commons_free(struct sluice_member *member);

/* How many names there are now, in the process. */
size_t sluice_commons_count(void);

#ifdef __cplusplus
}
#endif
#endif
