/* Bytes as mailbox traffic: words, grants, time and operations, sensible and forged. */
#ifndef SLUICE_FUZZ_H
#define SLUICE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Plays the bytes against an engine of its own, in memory that was full of `noise`. After each operation: sluice_check,
 * and an operation that answered an error has changed nothing. Returns a hash of all words that were answered. */
uint64_t fuzz_mailbox_traffic(const uint8_t *bytes, size_t size, uint8_t noise);

#endif
