/* The format of recorded mailbox traffic: entries, one after the other, each followed by its changes. Without libuv, so
 * that a record is replayed without it. */
#ifndef SLUICE_TRACE_FORMAT_H
#define SLUICE_TRACE_FORMAT_H

#include "../core/mailbox.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One operation: the words before and after it, and which words of the grants the caller had changed since the last
 * one (before the first one, they are all 0): `changed` pairs of index (in int32_t, from the start of struct
 * sluice_grants) and value follow. */
struct sluice_trace_entry {
  uint32_t operation; /* enum sluice_operation */
  uint32_t changed;
  union sluice_words before;
  union sluice_words after;
};
struct sluice_trace_change {
  int32_t index;
  int32_t value;
};

#ifdef __cplusplus
}
#endif
#endif
