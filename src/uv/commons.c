/* Limits that threads share. HOW:
 *
 *   thread A                        limit (a lock)                   thread B
 *   engine --lender--> take() ----> the core's `common` <---- give() <--lender-- engine
 *                                     |  B's give decides A's ticket: into A's inbox
 *                                     '--> A's member: news --uv_async_send--> A's loop: deliver() -> sluice_lend()
 *
 * WHY a word beside the lock: most of the time nobody waits. Then the number of free permits stands in `word`, and
 * whoever takes or gives some does so with one compare-and-swap (5 ns; lock and unlock cost 25). Who has to wait, or to
 * look, takes the lock and marks the word as BUSY: from then on everybody goes by the lock, and `common.in_use` counts.
 * The word comes back once nobody waits and no more is out than there is.
 *
 * Ground rules:
 * - Lock order: registry, limit, member. Nothing is called under a lock but the core and uv_async_send().
 * - A place (a thread's seat and what belongs to it) is made and freed by its own thread. Others reach it only through
 *   its limit, under the limit's lock, and no more after it has left its seat.
 * - `fast` is the own thread's: permits taken by the word less those given back by it. It is settled into the seat
 *   before the core sees the seat on behalf of its own thread.
 *
 * The trap: a thread may die while it holds permits and waits. Its environment's cleanup hook quits for it, on its own
 * thread, before its memory goes (the tickets are in its engine). */
#include "commons.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../core/common.h"
#include "driver.h"

#define BUSY ((uint64_t)1 << 63)
/* Who is not first in a line that waits for time looks after it so much later: its thread may be stuck. */
#define DEPUTY_AFTER (5 * SLUICE_MILLISECOND)
#define BUCKETS 256

struct limit {
  struct sluice__link named; /* in the registry */
  uv_mutex_t lock;
  struct sluice_common common;
  uint64_t word;     /* atomic. BUSY, or how many permits are free */
  uint64_t pressure; /* atomic. How many wait; and 2^63 where more is out than there is */
  uint32_t users;    /* the registry's */
  struct sluice_common_terms terms;
  size_t length;
  char name[]; /* any bytes */
};

struct place {
  struct sluice_seat seat;
  struct limit *limit;
  struct sluice_member *member;
  struct sluice__link others;  /* in the member's `places` */
  struct sluice__link news;    /* in the member's `news`, or nowhere */
  struct sluice__link ticking; /* in the member's `ticking`, or nowhere: one of its tickets waits for time */
  uint64_t fast;               /* may be "negative" */
};

struct sluice_member {
  struct sluice_driver *driver;
  uv_async_t async;
  uv_timer_t timer;
  struct sluice__link places;
  struct sluice__link ticking;
  uint8_t is_stale;  /* `ticking` has changed, or who is first */
  uint32_t has_news; /* atomic */
  uv_mutex_t lock;   /* of: */
  struct sluice__link news;
};

static struct {
  uv_once_t once;
  uv_mutex_t lock;
  struct sluice__link names[BUCKETS];
  size_t count;
} registry = {.once = UV_ONCE_INIT};

static void init_registry(void) {
  if (uv_mutex_init(&registry.lock) != 0) abort(); /* it cannot fail without memory it takes */
  for (int i = 0; i < BUCKETS; i++) sluice__list_init(&registry.names[i]);
}

static void lock_registry(void) {
  uv_once(&registry.once, init_registry);
  uv_mutex_lock(&registry.lock);
}

static struct place *place_of(struct sluice_seat *seat) {
  return SLUICE__CONTAINER(seat, struct place, seat);
}

static uint64_t time_of(const struct limit *limit) {
  return limit->common.has_bucket ? uv_hrtime() : 0;
}

/* FNV-1a. */
static struct sluice__link *bucket_of(const char *name, size_t length) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)name[i]) * 16777619u;
  return &registry.names[hash % BUCKETS];
}

/* The slow way. */

static void lock_limit(struct limit *limit) {
  uv_mutex_lock(&limit->lock);
  if (limit->common.has_bucket) return;
  uint64_t word = __atomic_fetch_or(&limit->word, BUSY, __ATOMIC_ACQ_REL);
  if ((word & BUSY) == 0) limit->common.in_use = limit->common.permits - word;
}

/* Tells the threads whose tickets were decided. */
static void tell(struct limit *limit, const struct sluice_member *own) {
  struct sluice_seat *seat;
  while ((seat = sluice_common_woken(&limit->common)) != NULL) {
    struct place *place = place_of(seat);
    struct sluice_member *member = place->member;
    uv_mutex_lock(&member->lock);
    if (sluice__list_empty(&place->news)) sluice__list_append(&member->news, &place->news);
    uv_mutex_unlock(&member->lock);
    int was_told = __atomic_exchange_n(&member->has_news, 1, __ATOMIC_ACQ_REL) != 0;
    if (!was_told && member != own) uv_async_send(&member->async);
  }
}

static void unlock_limit(struct limit *limit, const struct sluice_member *own) {
  struct sluice_common *common = &limit->common;
  tell(limit, own);
  int is_over = common->in_use > common->permits;
  __atomic_store_n(&limit->pressure, common->waiting | (is_over ? BUSY : 0), __ATOMIC_RELAXED);
  if (!common->has_bucket && common->waiting == 0 && !is_over)
    __atomic_store_n(&limit->word, common->permits - common->in_use, __ATOMIC_RELEASE);
  uv_mutex_unlock(&limit->lock);
}

/* The same for a place's own thread. */
static struct sluice_common *enter(struct place *place) {
  lock_limit(place->limit);
  place->seat.held += place->fast;
  place->fast = 0;
  return &place->limit->common;
}

static void leave(struct place *place) {
  unlock_limit(place->limit, place->member);
}

/* The lender: what the engine asks for. `seat` is a place. */

static int take_by_word(struct place *place, uint64_t weight) {
  uint64_t *word = &place->limit->word;
  uint64_t free = __atomic_load_n(word, __ATOMIC_RELAXED);
  while ((free & BUSY) == 0 && weight <= free && weight != 0) {
    if (!__atomic_compare_exchange_n(word, &free, free - weight, 1, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) continue;
    place->fast += weight;
    return 1;
  }
  return 0;
}

static void tick(struct place *place) {
  place->member->is_stale = 1;
  if (sluice__list_empty(&place->ticking)) sluice__list_append(&place->member->ticking, &place->ticking);
}

static int take(void *seat, uint64_t weight, uint64_t max_waiting, struct sluice_ticket *ticket) {
  struct place *place = seat;
  if (take_by_word(place, weight)) return 1; /* of a bucket it is BUSY, always */
  struct sluice_common *common = enter(place);
  int taken = sluice_common_take(&place->seat, weight, max_waiting, ticket, time_of(place->limit));
  if (taken == 0 && ticket != NULL && common->has_bucket) tick(place);
  leave(place);
  return taken;
}

static void withdraw(void *seat, struct sluice_ticket *ticket) {
  struct place *place = seat;
  enter(place);
  sluice_common_withdraw(ticket, time_of(place->limit));
  place->member->is_stale = 1;
  leave(place);
}

static void give(void *seat, uint64_t weight) {
  struct place *place = seat;
  uint64_t *word = &place->limit->word;
  uint64_t free = __atomic_load_n(word, __ATOMIC_RELAXED);
  while ((free & BUSY) == 0) {
    if (!__atomic_compare_exchange_n(word, &free, free + weight, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) continue;
    place->fast -= weight;
    return;
  }
  enter(place);
  sluice_common_give(&place->seat, weight, time_of(place->limit));
  leave(place);
}

static int is_wanted(void *seat, uint64_t own) {
  const struct place *place = seat;
  return __atomic_load_n(&place->limit->pressure, __ATOMIC_RELAXED) > own;
}

static int resize(void *seat, uint64_t permits) {
  struct place *place = seat;
  struct sluice_common *common = enter(place);
  int error = sluice_common_resize(common, permits, 0);
  leave(place);
  return error;
}

static int reconfigure(void *seat, const struct sluice_rate *rate) {
  struct place *place = seat;
  struct sluice_common *common = enter(place);
  int error = sluice_common_reconfigure(common, rate, uv_hrtime());
  leave(place);
  return error;
}

static void penalize(void *seat, uint64_t duration) {
  struct place *place = seat;
  struct sluice_common *common = enter(place);
  sluice_common_penalize(common, duration, uv_hrtime());
  leave(place);
}

static void level(void *seat, struct sluice_level *seen) {
  struct place *place = seat;
  struct sluice_common *common = enter(place);
  sluice_common_level(common, seen, time_of(place->limit));
  leave(place);
}

static void release_name(struct limit *limit) {
  lock_registry();
  int is_last = --limit->users == 0;
  if (is_last) {
    sluice__list_unlink(&limit->named);
    registry.count--;
  }
  uv_mutex_unlock(&registry.lock);
  if (!is_last) return;
  uv_mutex_destroy(&limit->lock);
  free(limit);
}

static void leave_seat(void *seat) {
  struct place *place = seat;
  struct sluice_member *member = place->member;
  enter(place);
  sluice_seat_leave(&place->seat, time_of(place->limit));
  leave(place);
  /* Nobody reaches it any more. */
  uv_mutex_lock(&member->lock);
  sluice__list_unlink(&place->news);
  uv_mutex_unlock(&member->lock);
  sluice__list_unlink(&place->others);
  sluice__list_unlink(&place->ticking);
  release_name(place->limit);
  free(place);
}

static const struct sluice_lender lender = {take,        withdraw, give,  is_wanted, resize,
                                            reconfigure, penalize, level, leave_seat};

/* News. */

static struct place *next_news(struct sluice_member *member) {
  struct place *place = NULL;
  uv_mutex_lock(&member->lock);
  if (!sluice__list_empty(&member->news)) {
    place = SLUICE__CONTAINER(member->news.next, struct place, news);
    sluice__list_unlink(&place->news);
  }
  uv_mutex_unlock(&member->lock);
  return place;
}

static void deliver_to(struct place *place) {
  for (;;) {
    enum sluice_ticket_state state;
    uv_mutex_lock(&place->limit->lock);
    struct sluice_ticket *ticket = sluice_seat_next(&place->seat, &state);
    uv_mutex_unlock(&place->limit->lock);
    if (ticket == NULL) return;
    sluice_lend(place->member->driver->engine, ticket, state == SLUICE_TICKET_GRANTED);
  }
}

/* When its tickets that wait for time must be looked after; out of `ticking` where there are none. */
static uint64_t due_of(struct place *place) {
  uint64_t due = SLUICE_NEVER;
  uv_mutex_lock(&place->limit->lock);
  int is_waiting = place->seat.waiting > 0;
  if (is_waiting) due = sluice_common_due(&place->limit->common);
  if (is_waiting && due < SLUICE_NEVER && !sluice_seat_is_first(&place->seat)) due += DEPUTY_AFTER;
  uv_mutex_unlock(&place->limit->lock);
  if (!is_waiting) sluice__list_unlink(&place->ticking);
  return due;
}

static void on_timer(uv_timer_t *timer);

static void update_timer(struct sluice_member *member) {
  member->is_stale = 0;
  uint64_t due = SLUICE_NEVER;
  for (struct sluice__link *link = member->ticking.next; link != &member->ticking;) {
    struct place *place = SLUICE__CONTAINER(link, struct place, ticking);
    link = link->next;
    uint64_t its = due_of(place);
    if (its < due) due = its;
  }
  uv_timer_stop(&member->timer);
  if (due >= SLUICE_NEVER) return;
  /* As in driver.c: never early, also where libuv's idea of now is stale. */
  uint64_t due_ms = (due + SLUICE_MILLISECOND - 1) / SLUICE_MILLISECOND;
  uint64_t now_ms = uv_now(member->timer.loop);
  uv_timer_start(&member->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

int sluice_commons_deliver(struct sluice_member *member) {
  int had_news = 0;
  while (__atomic_load_n(&member->has_news, __ATOMIC_RELAXED) != 0) {
    __atomic_exchange_n(&member->has_news, 0, __ATOMIC_ACQ_REL);
    struct place *place;
    while ((place = next_news(member)) != NULL) {
      deliver_to(place);
      if (place->limit->common.has_bucket) member->is_stale = 1;
    }
    had_news = 1;
  }
  if (member->is_stale) update_timer(member);
  return had_news;
}

static void on_async(uv_async_t *async) {
  sluice_driver_receive(async->data);
}

static void on_timer(uv_timer_t *timer) {
  struct sluice_driver *driver = timer->data;
  struct sluice_member *member = driver->member;
  for (struct sluice__link *link = member->ticking.next; link != &member->ticking; link = link->next) {
    struct place *place = SLUICE__CONTAINER(link, struct place, ticking);
    sluice_common_serve(enter(place), uv_hrtime());
    leave(place);
  }
  member->is_stale = 1;
  sluice_driver_receive(driver);
}

/* Opening. */

static int is_same(const struct sluice_common_terms *a, const struct sluice_common_terms *b) {
  if (a->kind != b->kind) return 0;
  if (a->kind != SLUICE_COMMON_LIMITER) return a->permits == b->permits;
  return a->rate.max == b->rate.max && a->rate.per == b->rate.per && a->rate.burst == b->rate.burst;
}

static struct limit *find(const struct sluice__link *bucket, const char *name, size_t length) {
  for (struct sluice__link *link = bucket->next; link != bucket; link = link->next) {
    struct limit *limit = SLUICE__CONTAINER(link, struct limit, named);
    if (limit->length == length && memcmp(limit->name, name, length) == 0) return limit;
  }
  return NULL;
}

static int make_limit(const char *name, size_t length, const struct sluice_common_terms *terms, struct limit **made) {
  struct limit *limit = calloc(1, sizeof *limit + length);
  if (limit == NULL) return SLUICE_ENOMEM;
  int error = terms->kind == SLUICE_COMMON_LIMITER ? sluice_common_tokens(&limit->common, &terms->rate)
                                                   : sluice_common_permits(&limit->common, terms->permits);
  if (error == SLUICE_OK && uv_mutex_init(&limit->lock) != 0) error = SLUICE_ENOMEM;
  if (error != SLUICE_OK) {
    free(limit);
    return error;
  }
  limit->word = terms->kind == SLUICE_COMMON_LIMITER ? BUSY : terms->permits;
  limit->terms = *terms;
  limit->length = length;
  memcpy(limit->name, name, length);
  *made = limit;
  return SLUICE_OK;
}

/* With the registry locked. */
static int use_name(const char *name, size_t length, struct sluice_common_terms *terms, struct limit **used) {
  struct sluice__link *bucket = bucket_of(name, length);
  struct limit *limit = find(bucket, name, length);
  if (limit == NULL) {
    int error = make_limit(name, length, terms, &limit);
    if (error != SLUICE_OK) return error;
    sluice__list_append(bucket, &limit->named);
    registry.count++;
  } else if (!is_same(&limit->terms, terms)) {
    *terms = limit->terms;
    return SLUICE_EMISMATCH;
  }
  limit->users++;
  *used = limit;
  return SLUICE_OK;
}

static struct sluice_member *make_member(struct sluice_driver *driver) {
  struct sluice_member *member = calloc(1, sizeof *member);
  if (member == NULL) return NULL;
  uv_loop_t *loop = driver->prepare.loop;
  if (uv_mutex_init(&member->lock) != 0) {
    free(member);
    return NULL;
  }
  if (uv_async_init(loop, &member->async, on_async) != 0) {
    uv_mutex_destroy(&member->lock);
    free(member);
    return NULL;
  }
  uv_timer_init(loop, &member->timer);
  uv_unref((uv_handle_t *)&member->async); /* prepare is what keeps the loop alive: see driver.c */
  uv_unref((uv_handle_t *)&member->timer);
  member->async.data = member->timer.data = driver;
  member->driver = driver;
  sluice__list_init(&member->places);
  sluice__list_init(&member->ticking);
  sluice__list_init(&member->news);
  driver->handles_open += 2;
  return member;
}

static int take_place(struct sluice_member *member, struct limit *limit, struct sluice_handle *handle) {
  struct place *place = calloc(1, sizeof *place);
  if (place == NULL) return SLUICE_ENOMEM;
  struct sluice_engine *engine = member->driver->engine;
  int is_limiter = limit->terms.kind == SLUICE_COMMON_LIMITER;
  int error = is_limiter ? sluice_lease_tokens(engine, &lender, place, handle)
                         : sluice_lease_permits(engine, &lender, place, handle);
  if (error != SLUICE_OK) {
    free(place);
    return error;
  }
  place->limit = limit;
  place->member = member;
  sluice__list_append(&member->places, &place->others);
  sluice__list_init(&place->news);
  sluice__list_init(&place->ticking);
  uv_mutex_lock(&limit->lock);
  sluice_seat_join(&place->seat, &limit->common);
  uv_mutex_unlock(&limit->lock);
  return SLUICE_OK;
}

int sluice_commons_open(struct sluice_driver *driver, const char *name, size_t length,
                        struct sluice_common_terms *terms, struct sluice_handle *handle) {
  if (driver->member == NULL) driver->member = make_member(driver);
  if (driver->member == NULL) return SLUICE_ENOMEM;
  struct limit *limit;
  lock_registry();
  int error = use_name(name, length, terms, &limit);
  uv_mutex_unlock(&registry.lock);
  if (error != SLUICE_OK) return error;
  error = take_place(driver->member, limit, handle);
  if (error != SLUICE_OK) release_name(limit);
  return error;
}

void sluice_commons_quit(struct sluice_member *member) {
  for (struct sluice__link *link = member->places.next; link != &member->places;) {
    struct place *place = SLUICE__CONTAINER(link, struct place, others);
    link = link->next;
    leave_seat(place);
  }
  uv_close((uv_handle_t *)&member->async, sluice__driver_on_closed);
  uv_close((uv_handle_t *)&member->timer, sluice__driver_on_closed);
}

void sluice_commons_free(struct sluice_member *member) {
  if (member == NULL) return;
  uv_mutex_destroy(&member->lock);
  free(member);
}

size_t sluice_commons_count(void) {
  lock_registry();
  size_t count = registry.count;
  uv_mutex_unlock(&registry.lock);
  return count;
}
