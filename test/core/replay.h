/* Recorded mailbox traffic, carried out again: the same words in, the same words out. */
#ifndef SLUICE_REPLAY_H
#define SLUICE_REPLAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Replays a record (src/uv/trace_format.h) against a fresh engine with this seed. Prints the first difference, or that
 * there is none, to `out`. Returns 0, or 1 where there is one, or the record is not whole. */
int replay(const void *record, size_t size, uint64_t seed, FILE *out);
/* The same for a file, to stdout. */
int replay_file(const char *path, uint64_t seed);

#endif
