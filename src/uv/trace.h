/* The recorder of mailbox traffic, for tests: see sluice_driver_record. */
#ifndef SLUICE_TRACE_H
#define SLUICE_TRACE_H

#include <stddef.h>

#include "trace_format.h"

struct sluice_trace;

struct sluice_trace *sluice__trace_new(void);
void sluice__trace_free(struct sluice_trace *trace);
/* Carries the operation out through sluice_mailbox_call, and keeps the words before and after. */
void sluice__trace_call(struct sluice_trace *trace, struct sluice_engine *engine, struct sluice_mailbox *mailbox,
                        enum sluice_operation operation);
const void *sluice__trace_entries(const struct sluice_trace *trace, size_t *size);

#endif
