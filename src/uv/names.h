/* What jobs are called, for whoever looks at them from outside: the recorder, the watchdog's thread.
 *
 * Of one instance. A mutex inside: any thread may call any of these. Nothing is allocated before the first name is set.
 * The names of the latest 32768 jobs are kept, and the latest 4096 different ones of them. */
#ifndef SLUICE_NAMES_H
#define SLUICE_NAMES_H

#include <stddef.h>

#include "../core/sluice.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of one name, with its end. */
#define SLUICE_NAME_SIZE 96

struct sluice_names;

/* NULL where there is no memory. */
struct sluice_names *sluice_names_new(void);
/* NULL is allowed. */
void sluice_names_free(struct sluice_names *names);
/* `utf8` is cut at a character where it is longer than 95 bytes. Where memory is short the job has no name. */
void sluice_names_set(struct sluice_names *names, struct sluice_handle job, const char *utf8, size_t length);
/* Writes the name and its end, cut at a character where `size` is too small; returns its length. 0: unknown. */
int sluice_names_get(struct sluice_names *names, struct sluice_handle job, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
