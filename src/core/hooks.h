/* Where the engine tells the flight recorder (recorder.h) what it decides: one line at each place. Off, each is one
 * branch that is always predicted. */
#ifndef SLUICE_HOOKS_H
#define SLUICE_HOOKS_H

#include "internal.h"
#include "recorder.h"

void sluice__write_lane(struct sluice_engine *engine, enum sluice_record_kind kind, enum sluice_record_reason reason,
                        const struct sluice__lane *lane);
void sluice__write_start(struct sluice_engine *engine, const struct sluice__lane *lane);
void sluice__write_grant(struct sluice_engine *engine, const struct sluice__job *job);
void sluice__write_wait(struct sluice_engine *engine, enum sluice_record_kind kind, enum sluice_record_reason reason,
                        const struct sluice__lane *lane, uint64_t wait);
void sluice__write_job(struct sluice_engine *engine, enum sluice_record_kind kind, enum sluice_record_reason reason,
                       const struct sluice__job *job);
void sluice__write_late(struct sluice_engine *engine, const struct sluice__job *job, uint64_t item, uint32_t attempt);
void sluice__write_alone(struct sluice_engine *engine, enum sluice_record_kind kind, enum sluice_record_reason reason,
                         uint32_t lane, uint32_t attempt);
void sluice__write_void(struct sluice_engine *engine, const struct sluice__lane *lane);

static inline int sluice__is_recorded(const struct sluice_engine *engine) {
  return __builtin_expect(engine->recorder != NULL, 0) != 0;
}

/* Of a job's lane and the item it holds. */
static inline void sluice__record_lane(struct sluice_engine *engine, enum sluice_record_kind kind,
                                       enum sluice_record_reason reason, const struct sluice__lane *lane) {
  if (sluice__is_recorded(engine)) sluice__write_lane(engine, kind, reason, lane);
}
static inline void sluice__record_start(struct sluice_engine *engine, const struct sluice__lane *lane) {
  if (sluice__is_recorded(engine)) sluice__write_start(engine, lane);
}
/* The job's lanes may take items by themselves, from its next one on. */
static inline void sluice__record_grant(struct sluice_engine *engine, const struct sluice__job *job) {
  if (sluice__is_recorded(engine)) sluice__write_grant(engine, job);
}
/* The same as the first, with how long it will be. */
static inline void sluice__record_wait(struct sluice_engine *engine, enum sluice_record_kind kind,
                                       enum sluice_record_reason reason, const struct sluice__lane *lane,
                                       uint64_t wait) {
  if (sluice__is_recorded(engine)) sluice__write_wait(engine, kind, reason, lane, wait);
}
/* Of a job as a whole. */
static inline void sluice__record_job(struct sluice_engine *engine, enum sluice_record_kind kind,
                                      enum sluice_record_reason reason, const struct sluice__job *job) {
  if (sluice__is_recorded(engine)) sluice__write_job(engine, kind, reason, job);
}
/* An abandoned attempt of the job has ended: this one at this item, or nobody knows. */
static inline void sluice__record_late(struct sluice_engine *engine, const struct sluice__job *job, uint64_t item,
                                       uint32_t attempt) {
  if (sluice__is_recorded(engine)) sluice__write_late(engine, job, item, attempt);
}
/* Of a guard, which is an attempt without a job; nothing of a sleep, nor of a guard without an end. */
static inline void sluice__record_guard(struct sluice_engine *engine, enum sluice_record_kind kind,
                                        enum sluice_record_reason reason, const struct sluice__lane *lane) {
  if (sluice__is_recorded(engine) && lane->deadline.kind == SLUICE__KIND_GUARD)
    sluice__write_alone(engine, kind, reason, lane->slot.number, 1);
}
/* Of a waiter: it has lane numbers of its own. */
static inline void sluice__record_waiter(struct sluice_engine *engine, enum sluice_record_kind kind,
                                         enum sluice_record_reason reason, const struct sluice__waiter *waiter) {
  if (sluice__is_recorded(engine))
    sluice__write_alone(engine, kind, reason, SLUICE_RECORD_WAITERS + waiter->slot.number, 0);
}
/* The START of this lane's attempt never was. */
static inline void sluice__record_void(struct sluice_engine *engine, const struct sluice__lane *lane) {
  if (sluice__is_recorded(engine)) sluice__write_void(engine, lane);
}

#endif
