/* Bytes as mailbox traffic: words, grants, time and operations, sensible and forged. */
#ifndef SLUICE_FUZZ_H
#define SLUICE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Plays the bytes against an engine of its own. After each operation: sluice_check, and an operation that answered an
 * error has changed nothing. */
void fuzz_mailbox_traffic(const uint8_t *bytes, size_t size);

#endif
