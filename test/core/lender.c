#include "lender.h"

#include <string.h>

/* The model. */

static uint64_t now_of(const struct lender *lender) {
  return *lender->clock;
}

static void queue_add(struct lender_queue *queue, struct lender_entry entry) {
  EXPECT(queue->count < LENDER_LINE);
  queue->at[queue->count++] = entry;
}

static void queue_remove(struct lender_queue *queue, int place) {
  queue->count--;
  for (int i = place; i < queue->count; i++) queue->at[i] = queue->at[i + 1];
}

static int find(const struct lender_queue *queue, const struct sluice_ticket *ticket) {
  for (int i = 0; i < queue->count; i++) {
    if (queue->at[i].ticket == ticket) return i;
  }
  return -1;
}

static uint64_t capacity_of(const struct lender *lender) {
  if (!lender->common.has_bucket) return lender->permits;
  return lender->rate.max == 0 ? SLUICE_PERMIT_MAX : lender->rate.burst;
}

static void refill(struct lender *lender) {
  uint64_t now = now_of(lender);
  lender_wide full = (lender_wide)lender->rate.burst * lender->rate.per;
  if (now <= lender->at) return;
  lender->level += (lender_wide)(now - lender->at) * lender->rate.max;
  if (lender->level > full) lender->level = full;
  lender->at = now;
}

static int draw(struct lender *lender, int seat, uint64_t weight) {
  if (!lender->common.has_bucket) {
    if (lender->in_use + weight > lender->permits) return 0;
    lender->in_use += weight;
    lender->seats[seat].held += weight;
    return 1;
  }
  if (now_of(lender) < lender->shut) return 0;
  if (lender->rate.max == 0) return 1;
  refill(lender);
  lender_wide parts = (lender_wide)weight * lender->rate.per;
  if (lender->level < parts) return 0;
  lender->level -= parts;
  return 1;
}

static void put(struct lender *lender, int seat, uint64_t weight) {
  if (!lender->common.has_bucket) {
    EXPECT(weight <= lender->seats[seat].held);
    lender->in_use -= weight;
    lender->seats[seat].held -= weight;
    return;
  }
  if (lender->rate.max == 0) return;
  lender->level += (lender_wide)weight * lender->rate.per;
  lender_wide full = (lender_wide)lender->rate.burst * lender->rate.per;
  if (lender->level > full) lender->level = full;
}

static void decide(struct lender *lender, int place, enum sluice_ticket_state state) {
  struct lender_entry entry = lender->line.at[place];
  entry.state = state;
  queue_remove(&lender->line, place);
  queue_add(&lender->seats[entry.seat].inbox, entry);
}

static void serve(struct lender *lender) {
  while (lender->line.count > 0 && draw(lender, lender->line.at[0].seat, lender->line.at[0].weight))
    decide(lender, 0, SLUICE_TICKET_GRANTED);
}

static void refuse(struct lender *lender) {
  for (int i = 0; i < lender->line.count;) {
    if (lender->line.at[i].weight > capacity_of(lender)) decide(lender, i, SLUICE_TICKET_REFUSED);
    else i++;
  }
  serve(lender);
}

static uint64_t counted(const struct lender_queue *line) {
  uint64_t count = 0;
  for (int i = 0; i < line->count; i++) count += !line->at[i].ticket->is_job;
  return count;
}

static int expected_take(struct lender *lender, int seat, uint64_t weight, uint64_t max_waiting) {
  if (weight == 0 || weight > capacity_of(lender)) return SLUICE_EINVAL;
  if (lender->line.count == 0 && draw(lender, seat, weight)) return 1;
  return counted(&lender->line) >= max_waiting ? SLUICE_ECROWDED : 0;
}

static void leave_line(struct lender *lender, const struct sluice_ticket *ticket, int seat) {
  int place = find(&lender->line, ticket);
  if (place >= 0) {
    queue_remove(&lender->line, place);
    if (place == 0) serve(lender); /* the next one may be lighter */
    return;
  }
  place = find(&lender->seats[seat].inbox, ticket);
  if (place < 0) return; /* a new one */
  struct lender_entry entry = lender->seats[seat].inbox.at[place];
  queue_remove(&lender->seats[seat].inbox, place);
  if (entry.state != SLUICE_TICKET_GRANTED) return;
  put(lender, seat, entry.weight);
  serve(lender);
}

static void change_rate(struct lender *lender, const struct sluice_rate *rate) {
  int had_rate = lender->rate.max != 0;
  if (had_rate) refill(lender);
  uint64_t tokens = had_rate ? (uint64_t)(lender->level / lender->rate.per) : UINT64_MAX;
  lender->rate = *rate;
  lender->level = (lender_wide)(tokens < rate->burst ? tokens : rate->burst) * rate->per;
  if (!had_rate) lender->at = lender->shut; /* it is full when it opens again */
  if (!had_rate && lender->shut == 0) lender->at = now_of(lender);
}

static void shut(struct lender *lender, uint64_t duration) {
  uint64_t until = duration >= SLUICE_NEVER - now_of(lender) ? SLUICE_NEVER : now_of(lender) + duration;
  if (until <= lender->shut) return;
  lender->shut = until;
  if (lender->rate.max == 0) return;
  refill(lender);
  lender->level += lender->level < lender->rate.per ? (lender_wide)(until - lender->at) * lender->rate.max : 0;
  if (lender->level > lender->rate.per) lender->level = lender->rate.per; /* one token */
  lender->at = until;
}

static uint64_t due_of(const struct lender *lender) {
  if (lender->line.count == 0 || !lender->common.has_bucket) return SLUICE_NEVER;
  if (lender->rate.max == 0) return lender->shut;
  lender_wide wanted = (lender_wide)lender->line.at[0].weight * lender->rate.per;
  lender_wide missing = wanted > lender->level ? wanted - lender->level : 0;
  lender_wide due = lender->at + (missing + lender->rate.max - 1) / lender->rate.max;
  if (due < lender->shut) due = lender->shut;
  return due < SLUICE_NEVER ? (uint64_t)due : SLUICE_NEVER;
}

/* The twin is asked whether it agrees. */

static void check_inbox(const struct lender_seat *seat) {
  const struct sluice__link *link = seat->seat.inbox.next;
  for (int i = 0; i < seat->inbox.count; i++, link = link->next) {
    EXPECT(link != &seat->seat.inbox);
    const struct sluice_ticket *ticket = SLUICE__CONTAINER(link, const struct sluice_ticket, link);
    EXPECT(ticket == seat->inbox.at[i].ticket);
    EXPECT_EQ(ticket->state, seat->inbox.at[i].state);
  }
  EXPECT(link == &seat->seat.inbox);
  if (seat->inbox.count > 0) EXPECT(seat->has_news);
}

void lender_check(const struct lender *lender) {
  EXPECT(sluice_common_check(&lender->common));
  const struct sluice__link *link = lender->common.line.next;
  for (int i = 0; i < lender->line.count; i++, link = link->next) EXPECT(link == &lender->line.at[i].ticket->link);
  EXPECT(link == &lender->common.line);
  uint64_t held = 0;
  for (int i = 0; i < LENDER_SEATS; i++) {
    const struct lender_seat *seat = &lender->seats[i];
    if (!seat->is_open) continue;
    check_inbox(seat);
    EXPECT_EQ(seat->seat.held, seat->held);
    held += seat->held;
  }
  if (!lender->common.has_bucket) {
    EXPECT_EQ(lender->common.in_use, lender->in_use);
    EXPECT_EQ(held, lender->in_use); /* none is lost, none is made */
    return;
  }
  uint64_t due = due_of(lender);
  if (lender->line.count == 0) return;
  EXPECT_EQ(sluice_common_due(&lender->common) < SLUICE_NEVER, due < SLUICE_NEVER);
  if (due < SLUICE_NEVER && due > now_of(lender)) EXPECT_EQ(sluice_common_due(&lender->common), due);
  const struct lender_seat *first = &lender->seats[lender->line.at[0].seat];
  EXPECT(sluice_seat_is_first(&first->seat));
  if (!first->has_news) EXPECT(first->timer <= due); /* else it waits for longer than it has to */
}

static void after(struct lender *lender) {
  struct sluice_seat *seat;
  lender->calls++;
  while ((seat = sluice_common_woken(&lender->common)) != NULL) {
    struct lender_seat *woken = (struct lender_seat *)seat;
    EXPECT(woken->is_open);
    woken->has_news = 1;
  }
  lender_check(lender);
}

/* What an engine asks for. */

static int take(void *user, uint64_t weight, uint64_t max_waiting, struct sluice_ticket *ticket) {
  struct lender_seat *seat = user;
  struct lender *lender = seat->lender;
  if (ticket != NULL && lender->meanwhile != NULL) {
    void (*meanwhile)(struct lender *) = lender->meanwhile;
    lender->meanwhile = NULL;
    meanwhile(lender);
  }
  int expected = expected_take(lender, seat->number, weight, max_waiting);
  EXPECT_EQ(sluice_common_take(&seat->seat, weight, max_waiting, ticket, now_of(lender)), expected);
  if (expected == 0 && ticket != NULL) {
    queue_add(&lender->line, (struct lender_entry){ticket, seat->number, weight, SLUICE_TICKET_WAITING});
    seat->has_news = 1; /* it sees to the time itself */
  }
  after(lender);
  return expected;
}

static void withdraw(void *user, struct sluice_ticket *ticket) {
  struct lender_seat *seat = user;
  leave_line(seat->lender, ticket, seat->number);
  sluice_common_withdraw(ticket, now_of(seat->lender));
  seat->has_news = 1;
  after(seat->lender);
}

static void give(void *user, uint64_t weight) {
  struct lender_seat *seat = user;
  put(seat->lender, seat->number, weight);
  serve(seat->lender);
  sluice_common_give(&seat->seat, weight, now_of(seat->lender));
  after(seat->lender);
}

static int is_wanted(void *user, uint64_t own) {
  const struct sluice_common *common = &((struct lender_seat *)user)->lender->common;
  return common->waiting > own || common->in_use > common->permits;
}

static int resize(void *user, uint64_t permits) {
  struct lender_seat *seat = user;
  seat->lender->permits = permits;
  refuse(seat->lender);
  int error = sluice_common_resize(&seat->lender->common, permits, now_of(seat->lender));
  after(seat->lender);
  return error;
}

static int reconfigure(void *user, const struct sluice_rate *rate) {
  struct lender_seat *seat = user;
  change_rate(seat->lender, rate);
  refuse(seat->lender);
  int error = sluice_common_reconfigure(&seat->lender->common, rate, now_of(seat->lender));
  after(seat->lender);
  return error;
}

static void penalize(void *user, uint64_t duration) {
  struct lender_seat *seat = user;
  shut(seat->lender, duration);
  sluice_common_penalize(&seat->lender->common, duration, now_of(seat->lender));
  after(seat->lender);
}

static void level(void *user, struct sluice_level *level) {
  struct lender *lender = ((struct lender_seat *)user)->lender;
  sluice_common_level(&lender->common, level, now_of(lender));
  EXPECT_EQ(level->waiting, lender->line.count);
  EXPECT_EQ(level->capacity, capacity_of(lender));
  if (lender->line.count > 0) EXPECT_EQ(level->available, 0);
  else if (!lender->common.has_bucket)
    EXPECT_EQ(level->available, lender->permits > lender->in_use ? lender->permits - lender->in_use : 0);
}

static void leave(void *user) {
  struct lender_seat *seat = user;
  struct lender *lender = seat->lender;
  for (int i = lender->line.count - 1; i >= 0; i--) {
    if (lender->line.at[i].seat == seat->number) queue_remove(&lender->line, i);
  }
  for (int i = 0; i < seat->inbox.count && lender->common.has_bucket; i++) {
    if (seat->inbox.at[i].state == SLUICE_TICKET_GRANTED) put(lender, seat->number, seat->inbox.at[i].weight);
  }
  if (!lender->common.has_bucket) put(lender, seat->number, seat->held);
  seat->inbox.count = 0;
  seat->is_open = 0;
  serve(lender);
  sluice_seat_leave(&seat->seat, now_of(lender));
  after(lender);
}

const struct sluice_lender lender_functions = {take,        withdraw, give,  is_wanted, resize,
                                               reconfigure, penalize, level, leave};

/* The test's. */

void lender_permits(struct lender *lender, const uint64_t *clock, uint64_t permits) {
  memset(lender, 0, sizeof *lender);
  lender->clock = clock;
  lender->permits = permits;
  EXPECT_EQ(sluice_common_permits(&lender->common, permits), SLUICE_OK);
  lender_check(lender);
}

void lender_tokens(struct lender *lender, const uint64_t *clock, uint64_t max, uint64_t per, uint64_t burst) {
  memset(lender, 0, sizeof *lender);
  lender->clock = clock;
  lender->rate = (struct sluice_rate){.max = max, .per = per, .burst = burst};
  lender->level = (lender_wide)burst * per;
  EXPECT_EQ(sluice_common_tokens(&lender->common, &lender->rate), SLUICE_OK);
  lender_check(lender);
}

struct lender_seat *lender_join(struct lender *lender, int number, struct world *world) {
  struct lender_seat *seat = &lender->seats[number];
  memset(seat, 0, sizeof *seat);
  seat->lender = lender;
  seat->world = world;
  seat->number = number;
  seat->is_open = 1;
  seat->timer = SLUICE_NEVER;
  sluice_seat_join(&seat->seat, &lender->common);
  return seat;
}

struct sluice_handle lender_lease(struct lender *lender, int number, struct world *world) {
  struct lender_seat *seat = lender_join(lender, number, world);
  int error = lender->common.has_bucket ? sluice_lease_tokens(world->engine, &lender_functions, seat, &seat->handle)
                                        : sluice_lease_permits(world->engine, &lender_functions, seat, &seat->handle);
  EXPECT_EQ(error, SLUICE_OK);
  world_check(world);
  return seat->handle;
}

int lender_deliver(struct lender *lender, int number, int most) {
  struct lender_seat *seat = &lender->seats[number];
  if (!seat->is_open) return 0;
  int told = 0;
  while (told < most && seat->inbox.count > 0) {
    struct lender_entry entry = seat->inbox.at[0];
    enum sluice_ticket_state state = SLUICE_TICKET_NEW;
    EXPECT(sluice_seat_next(&seat->seat, &state) == entry.ticket);
    EXPECT_EQ(state, entry.state);
    queue_remove(&seat->inbox, 0);
    sluice_lend(seat->world->engine, entry.ticket, state == SLUICE_TICKET_GRANTED);
    world_check(seat->world);
    lender_check(lender);
    told++;
  }
  if (seat->inbox.count > 0) return told;
  seat->has_news = 0;
  seat->timer = sluice_seat_is_first(&seat->seat) ? sluice_common_due(&lender->common) : SLUICE_NEVER;
  lender_check(lender);
  return told;
}

void lender_deliver_all(struct lender *lender) {
  int told = 1;
  while (told > 0) {
    told = 0;
    for (int i = 0; i < LENDER_SEATS; i++) told += lender_deliver(lender, i, LENDER_LINE);
  }
}

void lender_tick(struct lender *lender) {
  for (int i = 0; i < LENDER_SEATS; i++) {
    struct lender_seat *seat = &lender->seats[i];
    if (!seat->is_open || seat->timer > now_of(lender)) continue;
    seat->has_news = 1;
    serve(lender);
    sluice_common_serve(&lender->common, now_of(lender));
    after(lender);
  }
}

uint64_t lender_next_timer(const struct lender *lender) {
  uint64_t next = SLUICE_NEVER;
  for (int i = 0; i < LENDER_SEATS; i++) {
    const struct lender_seat *seat = &lender->seats[i];
    if (seat->is_open && seat->timer < next) next = seat->timer;
  }
  return next;
}

int lender_take(struct lender *lender, int seat, uint64_t weight) {
  return take(&lender->seats[seat], weight, UINT64_MAX, NULL);
}

void lender_give(struct lender *lender, int seat, uint64_t weight) {
  give(&lender->seats[seat], weight);
}

void lender_vanish(struct lender *lender, int seat) {
  leave(&lender->seats[seat]);
}
