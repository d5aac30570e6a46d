/* The ring of the flight recorder, and how the engine's events become words in it. The contract stands in recorder.h.
 *
 *   0  time
 *   1  kind (8 bits), reason (8), nothing (16), lane (32)
 *   2  item (40), attempt (23)
 *   3  slot (32) and generation (32) of the job
 *   4  value; what stands there is only looked at where the kind has one */
#include "recorder.h"

#include <string.h>

#include "hooks.h"
#include "internal.h"

#define ITEM_BITS 40

static uint64_t bytes_for(uint64_t capacity) {
  return sizeof(struct sluice_recorder) + (capacity + 1) * sizeof(uint64_t[SLUICE_RECORD_WORDS]);
}

struct sluice_recorder *sluice_recorder_new(const struct sluice_allocator *allocator, uint64_t capacity) {
  assert(capacity >= 1);
  if (capacity > (SIZE_MAX - sizeof(struct sluice_recorder)) / sizeof(uint64_t[SLUICE_RECORD_WORDS]) - 1) return NULL;
  struct sluice_recorder *recorder = allocator->alloc(allocator->user, bytes_for(capacity));
  if (recorder == NULL) return NULL;
  recorder->time = 0;
  recorder->count = 0;
  recorder->place = 0;
  recorder->capacity = capacity;
  recorder->allocator = *allocator;
  memset(recorder->next_items, 0, sizeof recorder->next_items);
  memset(recorder->items, 0xff, sizeof recorder->items);
  return recorder;
}

void sluice_recorder_free(struct sluice_recorder *recorder) {
  if (recorder == NULL) return;
  struct sluice_allocator allocator = recorder->allocator;
  allocator.free(allocator.user, recorder, bytes_for(recorder->capacity));
}

void sluice_record_to(struct sluice_engine *engine, struct sluice_recorder *recorder) {
  engine->recorder = recorder;
}

static void store(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static uint64_t load(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Everything of it but the value. Returns its words. */
static uint64_t *write(struct sluice_recorder *recorder, uint64_t what, uint64_t item, uint64_t job) {
  uint64_t *words = recorder->words[recorder->place];
  store(&words[0], recorder->time);
  store(&words[1], what);
  store(&words[2], item);
  store(&words[3], job);
  return words;
}

/* It can be read. */
static void finish(struct sluice_recorder *recorder) {
  recorder->place = recorder->place == recorder->capacity ? 0 : recorder->place + 1;
  store(&recorder->count, recorder->count + 1);
}

static uint64_t what_of(enum sluice_record_kind kind, enum sluice_record_reason reason, uint32_t lane) {
  return (uint64_t)lane << 32 | (uint64_t)reason << 8 | (uint64_t)kind;
}

static uint64_t word_of_job(const struct sluice__job *job) {
  return (uint64_t)job->slot.generation << 32 | job->slot.number;
}

static uint64_t word_of_item(const struct sluice__lane *lane) {
  return lane->attempt == 0 ? SLUICE_RECORD_NO_ITEM : (uint64_t)lane->attempt << ITEM_BITS | lane->item;
}

void sluice__write_lane(struct sluice_engine *engine, enum sluice_record_kind kind, enum sluice_record_reason reason,
                        const struct sluice__lane *lane) {
  uint64_t job = word_of_job(sluice__job_at(engine, lane->job));
  write(engine->recorder, what_of(kind, reason, lane->slot.number), word_of_item(lane), job);
  finish(engine->recorder);
}

void sluice__write_start(struct sluice_engine *engine, const struct sluice__lane *lane) {
  uint32_t number = lane->slot.number;
  if (number < SLUICE_GRANT_LANES) engine->recorder->items[number] = word_of_item(lane);
  sluice__write_lane(engine, SLUICE_RECORD_START, SLUICE_REASON_NONE, lane);
}

void sluice__write_grant(struct sluice_engine *engine, const struct sluice__job *job) {
  engine->recorder->next_items[job->slot.number] = job->next_item;
}

static uint64_t first_attempt_of(uint64_t item) {
  return (uint64_t)1 << ITEM_BITS | item;
}

/* The lane's attempt was fulfilled, and it has taken this item. */
static void write_taken(struct sluice_recorder *recorder, uint32_t lane, uint64_t job, uint64_t item) {
  uint64_t *former = &recorder->items[lane];
  if (*former != UINT64_MAX) { /* else it has started before anybody looked */
    write(recorder, what_of(SLUICE_RECORD_SETTLE, SLUICE_REASON_NONE, lane), *former, job);
    finish(recorder);
  }
  write(recorder, what_of(SLUICE_RECORD_START, SLUICE_REASON_NONE, lane), first_attempt_of(item), job);
  finish(recorder);
  *former = first_attempt_of(item);
}

void sluice_note(struct sluice_engine *engine, uint32_t number) {
  struct sluice_recorder *recorder = engine->recorder;
  if (number >= SLUICE_GRANT_LANES || number >= sluice__slab_room(&engine->lanes)) return;
  const struct sluice__lane *lane = sluice__lane_at(engine, number);
  if (!sluice__slot_in_use(&lane->slot) || lane->deadline.state != SLUICE__LANE_RUNNING) return;
  const struct sluice__job *job = sluice__job_at(engine, lane->job);
  if (job->granted_end == 0) return;
  uint64_t *next_item = &recorder->next_items[job->slot.number];
  int64_t item = engine->grants->item[number];
  if (item < (int64_t)*next_item || item < (int64_t)job->next_item) return; /* forged, or it is known */
  if (item >= (int64_t)job->granted_end) return;                            /* forged */
  write_taken(recorder, number, word_of_job(job), (uint64_t)item);
  *next_item = (uint64_t)item + 1;
}

void sluice__write_wait(struct sluice_engine *engine, enum sluice_record_kind kind, enum sluice_record_reason reason,
                        const struct sluice__lane *lane, uint64_t wait) {
  uint64_t job = word_of_job(sluice__job_at(engine, lane->job));
  uint64_t *words = write(engine->recorder, what_of(kind, reason, lane->slot.number), word_of_item(lane), job);
  store(&words[4], wait);
  finish(engine->recorder);
}

void sluice__write_job(struct sluice_engine *engine, enum sluice_record_kind kind, enum sluice_record_reason reason,
                       const struct sluice__job *job) {
  write(engine->recorder, what_of(kind, reason, SLUICE_RECORD_NO_LANE), SLUICE_RECORD_NO_ITEM, word_of_job(job));
  finish(engine->recorder);
}

void sluice__write_late(struct sluice_engine *engine, const struct sluice__job *job, uint64_t item, uint32_t attempt) {
  int is_known = item < SLUICE_ITEM_MAX && attempt != 0 && attempt <= SLUICE_ATTEMPT_MAX;
  uint64_t which = is_known ? (uint64_t)attempt << ITEM_BITS | item : SLUICE_RECORD_NO_ITEM;
  write(engine->recorder, what_of(SLUICE_RECORD_LATE, SLUICE_REASON_NONE, SLUICE_RECORD_NO_LANE), which,
        word_of_job(job));
  finish(engine->recorder);
}

void sluice__write_alone(struct sluice_engine *engine, enum sluice_record_kind kind, enum sluice_record_reason reason,
                         uint32_t lane, uint32_t attempt) {
  uint64_t item = (uint64_t)attempt << ITEM_BITS | SLUICE_RECORD_NO_ITEM;
  write(engine->recorder, what_of(kind, reason, lane), item, 0);
  finish(engine->recorder);
}

void sluice_recorder_tell_block(struct sluice_recorder *recorder, uint64_t duration) {
  uint64_t what = what_of(SLUICE_RECORD_BLOCK, SLUICE_REASON_NONE, SLUICE_RECORD_NO_LANE);
  store(&write(recorder, what, SLUICE_RECORD_NO_ITEM, 0)[4], duration);
  finish(recorder);
}

/* Mostly it is the last one: but the source that turned out to be empty is user code, and may have started anything. */
void sluice__write_void(struct sluice_engine *engine, const struct sluice__lane *lane) {
  struct sluice_recorder *recorder = engine->recorder;
  uint64_t what = what_of(SLUICE_RECORD_START, SLUICE_REASON_NONE, lane->slot.number);
  uint64_t left = recorder->count < recorder->capacity ? recorder->count : recorder->capacity;
  uint64_t place = recorder->place;
  for (; left > 0; left--) {
    place = place == 0 ? recorder->capacity : place - 1;
    uint64_t *words = recorder->words[place];
    if (words[1] != what || words[2] != word_of_item(lane)) continue;
    store(&words[1], what_of(SLUICE_RECORD_VOID, SLUICE_REASON_NONE, lane->slot.number));
    if (lane->slot.number < SLUICE_GRANT_LANES) recorder->items[lane->slot.number] = UINT64_MAX;
    return;
  }
}

static void read(const uint64_t *words, struct sluice_record *record) {
  uint64_t what = load(&words[1]), item = load(&words[2]), job = load(&words[3]);
  record->time = load(&words[0]);
  record->kind = (enum sluice_record_kind)(what & 0xff);
  record->reason = (enum sluice_record_reason)(what >> 8 & 0xff);
  record->lane = (uint32_t)(what >> 32);
  record->item = item & SLUICE_ITEM_MAX;
  record->attempt = (uint32_t)(item >> ITEM_BITS);
  record->job = (struct sluice_handle){(uint32_t)job, (uint32_t)(job >> 32)};
  record->value = sluice_record_has_value(record->kind, record->reason) ? load(&words[4]) : 0;
}

/* The number of the first event that can be read. */
static uint64_t oldest(const struct sluice_recorder *recorder, uint64_t count) {
  return count > recorder->capacity ? count - recorder->capacity : 0;
}

size_t sluice_recorder_read(const struct sluice_recorder *recorder, uint64_t *from, struct sluice_record *records,
                            size_t most) {
  size_t copied, lost;
  do {
    uint64_t count = sluice_recorder_count(recorder);
    uint64_t first = oldest(recorder, count);
    if (*from < first) *from = first;
    copied = lost = 0;
    for (uint64_t number = *from; number < count && copied < most; number++)
      read(recorder->words[number % (recorder->capacity + 1)], &records[copied++]);
    /* What has been overwritten while it was copied. */
    first = oldest(recorder, sluice_recorder_count(recorder));
    if (first > *from) lost = first - *from < copied ? (size_t)(first - *from) : copied;
    *from += lost;
  } while (lost > 0 && lost == copied);
  for (size_t i = lost; i < copied; i++) records[i - lost] = records[i];
  return copied - lost;
}
