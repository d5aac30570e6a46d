/* A recording in a file whenever a signal comes, also while JavaScript is stuck: a native thread writes it.
 *
 * The signal is libuv's to catch, as for process.on(): each loop that wants a signal is told of it, and so is the small
 * one that the thread runs. So this and a listener of Node's for the same signal do not disturb each other, whichever
 * comes or goes first. */
#ifndef SLUICE_DUMP_H
#define SLUICE_DUMP_H

#include "flight.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_dump;

/* From now on `signal` writes what `flight` has recorded to `path`: to a file beside it, which then takes its place, so
 * that nobody reads half of one; a device is written to itself. What goes wrong is said on stderr. `path` is copied;
 * `flight` outlives the dump. Returns 0, or a libuv error: no memory, no thread, or a signal that cannot be caught. */
int sluice_dump_start(struct sluice_flight *flight, int signal, const char *path, struct sluice_dump **dump);
/* The signal means nothing to us any more. Waits for a file that is being written; for who reads a
 * pipe, if that takes something at least each half second. */
void sluice_dump_stop(struct sluice_dump *dump);

#ifdef __cplusplus
}
#endif
#endif
