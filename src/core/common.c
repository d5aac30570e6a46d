/* Common limits: see common.h. The line is served from its head only, at once whenever something changes, so between
 * two calls its head always has to wait: for a permit, or for time. */
#include "common.h"

#include <assert.h>

static struct sluice_ticket *ticket_of(struct sluice__link *link) {
  return SLUICE__CONTAINER(link, struct sluice_ticket, link);
}

static struct sluice_ticket *head_of(const struct sluice_common *common) {
  return sluice__list_empty(&common->line) ? NULL : ticket_of(common->line.next);
}

static uint64_t capacity(const struct sluice_common *common) {
  if (!common->has_bucket) return common->permits;
  return common->bucket.max == 0 ? SLUICE_PERMIT_MAX : common->bucket.burst;
}

static void init(struct sluice_common *common) {
  sluice__list_init(&common->line);
  sluice__list_init(&common->woken);
  sluice__list_init(&common->members);
  common->permits = common->in_use = common->waiting = common->jobs = 0;
  common->seats = 0;
}

int sluice_common_permits(struct sluice_common *common, uint64_t permits) {
  if (permits == 0 || permits > SLUICE_PERMIT_MAX) return SLUICE_EINVAL;
  init(common);
  common->has_bucket = 0;
  common->permits = permits;
  return SLUICE_OK;
}

int sluice_common_tokens(struct sluice_common *common, const struct sluice_rate *rate) {
  if (!sluice__bucket_valid(rate)) return SLUICE_EINVAL;
  init(common);
  common->has_bucket = 1;
  common->rate = *rate;
  sluice__bucket_init(&common->bucket, rate);
  return SLUICE_OK;
}

void sluice_ticket_init(struct sluice_ticket *ticket) {
  sluice__list_init(&ticket->link);
  ticket->seat = NULL;
  ticket->weight = 0;
  ticket->is_job = 0;
  ticket->state = SLUICE_TICKET_NEW;
}

void sluice_seat_join(struct sluice_seat *seat, struct sluice_common *common) {
  sluice__list_init(&seat->woken);
  sluice__list_init(&seat->inbox);
  seat->common = common;
  seat->held = 0;
  seat->waiting = 0;
  sluice__list_append(&common->members, &seat->member);
  common->seats++;
}

static void wake(struct sluice_seat *seat) {
  if (sluice__list_empty(&seat->woken)) sluice__list_append(&seat->common->woken, &seat->woken);
}

/* The line waits for time, which is another now: its head sees to that. */
static void wake_head(const struct sluice_common *common) {
  if (common->has_bucket && head_of(common) != NULL) wake(head_of(common)->seat);
}

/* It may be sooner, and the head's thread may be stuck: so all who wait see to it. */
static void wake_line(const struct sluice_common *common) {
  if (!common->has_bucket) return;
  for (struct sluice__link *link = common->members.next; link != &common->members; link = link->next) {
    struct sluice_seat *seat = SLUICE__CONTAINER(link, struct sluice_seat, member);
    if (seat->waiting > 0) wake(seat);
  }
}

/* Out of the line, into the inbox or nowhere. */
static void leave_line(struct sluice_ticket *ticket) {
  sluice__list_unlink(&ticket->link);
  ticket->seat->waiting--;
  ticket->seat->common->waiting--;
  ticket->seat->common->jobs -= ticket->is_job;
}

static void decide(struct sluice_ticket *ticket, enum sluice_ticket_state state) {
  leave_line(ticket);
  ticket->state = (uint8_t)state;
  sluice__list_append(&ticket->seat->inbox, &ticket->link);
  wake(ticket->seat);
}

static int draw(struct sluice_common *common, uint64_t weight, uint64_t now) {
  if (common->has_bucket) return sluice__bucket_draw(&common->bucket, weight, now);
  uint64_t in_use = common->in_use;
  if (in_use > common->permits || weight > common->permits - in_use) return 0;
  common->in_use += weight;
  return 1;
}

void sluice_common_serve(struct sluice_common *common, uint64_t now) {
  struct sluice_ticket *head;
  int is_new_head = 0;
  while ((head = head_of(common)) != NULL && draw(common, head->weight, now)) {
    if (!common->has_bucket) head->seat->held += head->weight;
    decide(head, SLUICE_TICKET_GRANTED);
    is_new_head = 1;
  }
  if (is_new_head && head != NULL && common->has_bucket) wake(head->seat); /* it sees to the time from now on */
}

int sluice_common_take(struct sluice_seat *seat, uint64_t weight, uint64_t max_waiting, struct sluice_ticket *ticket,
                       uint64_t now) {
  struct sluice_common *common = seat->common;
  if (weight == 0 || weight > capacity(common)) return SLUICE_EINVAL;
  if (head_of(common) == NULL && draw(common, weight, now)) {
    if (!common->has_bucket) seat->held += weight;
    return 1;
  }
  if (common->waiting - common->jobs >= max_waiting) return SLUICE_ECROWDED;
  if (ticket == NULL) return 0;
  assert(ticket->state == SLUICE_TICKET_NEW);
  ticket->seat = seat;
  ticket->weight = weight;
  ticket->state = SLUICE_TICKET_WAITING;
  sluice__list_append(&common->line, &ticket->link);
  seat->waiting++;
  common->waiting++;
  common->jobs += ticket->is_job;
  return 0;
}

void sluice_common_give(struct sluice_seat *seat, uint64_t weight, uint64_t now) {
  struct sluice_common *common = seat->common;
  if (common->has_bucket) {
    sluice__bucket_put(&common->bucket, weight);
  } else {
    assert(weight <= seat->held && weight <= common->in_use);
    seat->held -= weight;
    common->in_use -= weight;
  }
  sluice_common_serve(common, now);
  wake_line(common);
}

void sluice_common_withdraw(struct sluice_ticket *ticket, uint64_t now) {
  enum sluice_ticket_state state = (enum sluice_ticket_state)ticket->state;
  if (state == SLUICE_TICKET_NEW) return;
  struct sluice_seat *seat = ticket->seat;
  struct sluice_common *common = seat->common;
  ticket->state = SLUICE_TICKET_NEW;
  if (state == SLUICE_TICKET_WAITING) {
    int was_head = head_of(common) == ticket;
    leave_line(ticket);
    if (!was_head) return;
    sluice_common_serve(common, now); /* the next one may be lighter */
    if (head_of(common) != NULL && head_of(common)->weight < ticket->weight) wake_line(common);
    else wake_head(common);
    return;
  }
  sluice__list_unlink(&ticket->link);
  if (state == SLUICE_TICKET_GRANTED) sluice_common_give(seat, ticket->weight, now);
}

void sluice_seat_leave(struct sluice_seat *seat, uint64_t now) {
  struct sluice_common *common = seat->common;
  for (struct sluice__link *link = common->line.next; seat->waiting > 0;) {
    struct sluice_ticket *ticket = ticket_of(link);
    link = link->next;
    if (ticket->seat != seat) continue;
    leave_line(ticket);
    ticket->state = SLUICE_TICKET_NEW;
  }
  while (!sluice__list_empty(&seat->inbox)) {
    struct sluice_ticket *ticket = ticket_of(seat->inbox.next);
    sluice__list_unlink(&ticket->link);
    if (ticket->state == SLUICE_TICKET_GRANTED && common->has_bucket)
      sluice__bucket_put(&common->bucket, ticket->weight);
    ticket->state = SLUICE_TICKET_NEW;
  }
  if (!common->has_bucket) common->in_use -= seat->held;
  seat->held = 0;
  sluice__list_unlink(&seat->woken);
  sluice__list_unlink(&seat->member);
  common->seats--;
  sluice_common_serve(common, now);
  wake_line(common);
}

struct sluice_ticket *sluice_seat_next(struct sluice_seat *seat, enum sluice_ticket_state *state) {
  if (sluice__list_empty(&seat->inbox)) return NULL;
  struct sluice_ticket *ticket = ticket_of(seat->inbox.next);
  sluice__list_unlink(&ticket->link);
  *state = (enum sluice_ticket_state)ticket->state;
  ticket->state = SLUICE_TICKET_NEW;
  return ticket;
}

uint64_t sluice_common_due(const struct sluice_common *common) {
  const struct sluice_ticket *head = head_of(common);
  return head == NULL || !common->has_bucket ? SLUICE_NEVER : sluice__bucket_ready_for(&common->bucket, head->weight);
}

int sluice_seat_is_first(const struct sluice_seat *seat) {
  const struct sluice_ticket *head = head_of(seat->common);
  return head != NULL && head->seat == seat;
}

/* Those who ask for more than there can be. */
static void refuse(struct sluice_common *common, uint64_t now) {
  for (struct sluice__link *link = common->line.next; link != &common->line;) {
    struct sluice_ticket *ticket = ticket_of(link);
    link = link->next;
    if (ticket->weight > capacity(common)) decide(ticket, SLUICE_TICKET_REFUSED);
  }
  sluice_common_serve(common, now);
  wake_line(common);
}

int sluice_common_resize(struct sluice_common *common, uint64_t permits, uint64_t now) {
  if (permits == 0 || permits > SLUICE_PERMIT_MAX) return SLUICE_EINVAL;
  common->permits = permits;
  refuse(common, now);
  return SLUICE_OK;
}

int sluice_common_reconfigure(struct sluice_common *common, const struct sluice_rate *rate, uint64_t now) {
  if (!sluice__bucket_valid(rate)) return SLUICE_EINVAL;
  sluice__bucket_change(&common->bucket, rate, now);
  common->rate = *rate;
  refuse(common, now);
  return SLUICE_OK;
}

void sluice_common_penalize(struct sluice_common *common, uint64_t duration, uint64_t now) {
  sluice__bucket_shut(&common->bucket, duration, now);
  wake_head(common);
}

struct sluice_seat *sluice_common_woken(struct sluice_common *common) {
  if (sluice__list_empty(&common->woken)) return NULL;
  struct sluice_seat *seat = SLUICE__CONTAINER(common->woken.next, struct sluice_seat, woken);
  sluice__list_unlink(&seat->woken);
  return seat;
}

void sluice_common_level(struct sluice_common *common, struct sluice_level *level, uint64_t now) {
  uint64_t there = common->permits > common->in_use ? common->permits - common->in_use : 0;
  if (common->has_bucket) there = sluice__bucket_level(&common->bucket, now);
  level->available = head_of(common) == NULL ? there : 0;
  level->capacity = capacity(common);
  level->waiting = common->waiting;
  level->jobs = 0;
  if (common->has_bucket) level->rate = common->rate;
}

int sluice_common_check(const struct sluice_common *common) {
  uint64_t waiting = 0, jobs = 0;
  for (struct sluice__link *link = common->line.next; link != &common->line; link = link->next) {
    const struct sluice_ticket *ticket = ticket_of(link);
    if (ticket->state != SLUICE_TICKET_WAITING || ticket->weight == 0 || ticket->weight > capacity(common)) return 0;
    if (ticket->seat->common != common) return 0;
    waiting++;
    jobs += ticket->is_job;
  }
  if (waiting != common->waiting || jobs != common->jobs || (common->seats == 0 && waiting != 0)) return 0;
  if (common->has_bucket || waiting == 0) return 1;
  uint64_t free = common->permits > common->in_use ? common->permits - common->in_use : 0;
  return head_of(common)->weight > free; /* else it would not wait */
}
