/* Common limits: one line of several seats, without engines (those are in lease.c). After each step sluice_common_check
 * and a recount from the seats. */
#include "common.h"

#include <string.h>

#include "tests.h"
#include "world.h"

enum { SEATS = 3, TICKETS = 12 };

struct hall {
  struct sluice_common common;
  struct sluice_seat seats[SEATS];
  int has_left[SEATS];
  struct sluice_ticket tickets[TICKETS];
  uint64_t now;
};

static void check(const struct hall *hall) {
  EXPECT(sluice_common_check(&hall->common));
  uint64_t held = 0, waiting = 0;
  uint32_t seats = 0;
  for (int i = 0; i < SEATS; i++) {
    if (hall->has_left[i]) continue;
    held += hall->seats[i].held;
    waiting += hall->seats[i].waiting;
    seats++;
  }
  EXPECT_EQ(hall->common.in_use, held);
  EXPECT_EQ(hall->common.waiting, waiting);
  EXPECT_EQ(hall->common.seats, seats);
}

static void join_all(struct hall *hall) {
  for (int i = 0; i < SEATS; i++) sluice_seat_join(&hall->seats[i], &hall->common);
  for (int i = 0; i < TICKETS; i++) sluice_ticket_init(&hall->tickets[i]);
  hall->now = SECOND;
  check(hall);
}

static void begin_permits(struct hall *hall, uint64_t permits) {
  memset(hall, 0, sizeof *hall);
  memset(&hall->common, 0xa5, sizeof hall->common); /* nothing may rely on what was there */
  EXPECT_EQ(sluice_common_permits(&hall->common, permits), SLUICE_OK);
  join_all(hall);
}

static void begin_tokens(struct hall *hall, uint64_t max, uint64_t burst) {
  struct sluice_rate rate = {.max = max, .per = SECOND, .burst = burst};
  memset(hall, 0, sizeof *hall);
  memset(&hall->common, 0xa5, sizeof hall->common);
  EXPECT_EQ(sluice_common_tokens(&hall->common, &rate), SLUICE_OK);
  join_all(hall);
}

static int take(struct hall *hall, int seat, uint64_t weight, struct sluice_ticket *ticket) {
  int taken = sluice_common_take(&hall->seats[seat], weight, UINT64_MAX, ticket, hall->now);
  check(hall);
  return taken;
}

static void expect_wait(struct hall *hall, int seat, uint64_t weight, int ticket) {
  EXPECT_EQ(take(hall, seat, weight, &hall->tickets[ticket]), 0);
  EXPECT_EQ(hall->tickets[ticket].state, SLUICE_TICKET_WAITING);
}

static void give(struct hall *hall, int seat, uint64_t weight) {
  sluice_common_give(&hall->seats[seat], weight, hall->now);
  check(hall);
}

static void withdraw(struct hall *hall, int ticket) {
  sluice_common_withdraw(&hall->tickets[ticket], hall->now);
  EXPECT_EQ(hall->tickets[ticket].state, SLUICE_TICKET_NEW);
  check(hall);
}

static void leave(struct hall *hall, int seat) {
  hall->has_left[seat] = 1;
  sluice_seat_leave(&hall->seats[seat], hall->now);
  check(hall);
}

static void serve(struct hall *hall) {
  sluice_common_serve(&hall->common, hall->now);
  check(hall);
}

/* The next of the seat's inbox is this ticket, with this state. */
static void expect_news(struct hall *hall, int seat, int ticket, enum sluice_ticket_state state) {
  enum sluice_ticket_state its = SLUICE_TICKET_NEW;
  EXPECT(sluice_seat_next(&hall->seats[seat], &its) == &hall->tickets[ticket]);
  EXPECT_EQ(its, state);
  EXPECT_EQ(hall->tickets[ticket].state, SLUICE_TICKET_NEW);
  check(hall);
}

static void expect_no_news(struct hall *hall) {
  for (int i = 0; i < SEATS; i++) {
    enum sluice_ticket_state state;
    if (!hall->has_left[i]) EXPECT(sluice_seat_next(&hall->seats[i], &state) == NULL);
  }
}

/* The next seat that is to be woken; -1: there is none. */
static void expect_woken(struct hall *hall, int seat) {
  const struct sluice_seat *woken = sluice_common_woken(&hall->common);
  EXPECT(woken == (seat < 0 ? NULL : &hall->seats[seat]));
}

static void expect_level(struct hall *hall, uint64_t available, uint64_t capacity, uint64_t waiting) {
  struct sluice_level level;
  memset(&level, 0x77, sizeof level);
  sluice_common_level(&hall->common, &level, hall->now);
  EXPECT_EQ(level.available, available);
  EXPECT_EQ(level.capacity, capacity);
  EXPECT_EQ(level.waiting, waiting);
  EXPECT_EQ(level.jobs, 0);
  check(hall);
}

void test_common_gives_what_is_free_at_once(void) {
  struct hall hall;
  begin_permits(&hall, 4);
  EXPECT_EQ(take(&hall, 0, 3, &hall.tickets[0]), 1);
  EXPECT_EQ(hall.tickets[0].state, SLUICE_TICKET_NEW); /* it is not needed */
  EXPECT_EQ(take(&hall, 1, 1, NULL), 1);
  EXPECT_EQ(take(&hall, 2, 1, NULL), 0); /* it would have to wait */
  expect_level(&hall, 0, 4, 0);
  give(&hall, 0, 3);
  expect_level(&hall, 3, 4, 0);
  EXPECT_EQ(hall.seats[1].held, 1);
  expect_woken(&hall, -1); /* nobody waited */
}

/* Whoever's ticket it is, and however little it asks for. */
void test_common_nobody_overtakes_the_head(void) {
  struct hall hall;
  begin_permits(&hall, 3);
  EXPECT_EQ(take(&hall, 0, 3, NULL), 1);
  expect_wait(&hall, 1, 3, 0);
  expect_wait(&hall, 2, 1, 1);
  expect_wait(&hall, 1, 1, 2);
  give(&hall, 0, 2);
  EXPECT_EQ(take(&hall, 0, 1, NULL), 0); /* there are two, and they are kept for the head */
  expect_level(&hall, 0, 3, 3);
  expect_no_news(&hall);
  expect_woken(&hall, -1);
  give(&hall, 0, 1);
  expect_woken(&hall, 1);
  expect_woken(&hall, -1);
  expect_news(&hall, 1, 0, SLUICE_TICKET_GRANTED);
  expect_no_news(&hall);
  give(&hall, 1, 1);
  expect_woken(&hall, 2);
  expect_news(&hall, 2, 1, SLUICE_TICKET_GRANTED);
  expect_no_news(&hall);
  give(&hall, 1, 1);
  expect_news(&hall, 1, 2, SLUICE_TICKET_GRANTED);
}

/* A seat is woken once for all that it is told, in the order in which it was decided. */
void test_common_an_inbox_keeps_the_order_and_wakes_once(void) {
  struct hall hall;
  begin_permits(&hall, 4);
  EXPECT_EQ(take(&hall, 0, 4, NULL), 1);
  for (int i = 0; i < 4; i++) expect_wait(&hall, i == 1 ? 2 : 1, 1, i);
  give(&hall, 0, 3);
  give(&hall, 0, 1);
  expect_woken(&hall, 1);
  expect_woken(&hall, 2);
  expect_woken(&hall, -1);
  EXPECT_EQ(hall.seats[1].held, 3); /* heard of or not */
  expect_news(&hall, 1, 0, SLUICE_TICKET_GRANTED);
  expect_news(&hall, 1, 2, SLUICE_TICKET_GRANTED);
  expect_news(&hall, 1, 3, SLUICE_TICKET_GRANTED);
  expect_news(&hall, 2, 1, SLUICE_TICKET_GRANTED);
  expect_no_news(&hall);
  expect_wait(&hall, 1, 2, 0); /* a ticket is new again: it may wait again */
  give(&hall, 2, 1);
  give(&hall, 1, 1);
  expect_woken(&hall, 1); /* and so may its seat be woken */
  expect_news(&hall, 1, 0, SLUICE_TICKET_GRANTED);
}

void test_common_withdrawing_the_head_lets_the_next_through(void) {
  struct hall hall;
  begin_permits(&hall, 3);
  EXPECT_EQ(take(&hall, 0, 2, NULL), 1);
  expect_wait(&hall, 1, 3, 0);
  expect_wait(&hall, 1, 2, 1);
  expect_wait(&hall, 2, 1, 2);
  expect_wait(&hall, 0, 1, 3);
  withdraw(&hall, 4); /* a new one is left alone */
  withdraw(&hall, 1); /* in the middle: nothing changes */
  expect_no_news(&hall);
  withdraw(&hall, 0);
  expect_woken(&hall, 2);
  expect_woken(&hall, -1);
  expect_news(&hall, 2, 2, SLUICE_TICKET_GRANTED);
  expect_no_news(&hall);
  expect_level(&hall, 0, 3, 1);
}

/* What was granted and not heard of is given back, and goes to the next one. */
void test_common_a_granted_ticket_that_is_withdrawn_gives_back(void) {
  struct hall hall;
  begin_permits(&hall, 2);
  EXPECT_EQ(take(&hall, 0, 2, NULL), 1);
  expect_wait(&hall, 1, 2, 0);
  expect_wait(&hall, 2, 1, 1);
  give(&hall, 0, 2);
  EXPECT_EQ(hall.tickets[0].state, SLUICE_TICKET_GRANTED);
  withdraw(&hall, 0);
  EXPECT_EQ(hall.seats[1].held, 0);
  expect_news(&hall, 2, 1, SLUICE_TICKET_GRANTED);
  expect_no_news(&hall);
  expect_level(&hall, 1, 2, 0);
  begin_tokens(&hall, 1, 2);
  EXPECT_EQ(take(&hall, 0, 2, NULL), 1);
  expect_wait(&hall, 1, 1, 0);
  hall.now += SECOND;
  serve(&hall);
  withdraw(&hall, 0);
  expect_level(&hall, 1, 2, 0); /* tokens too */
}

void test_common_a_refused_ticket_that_is_withdrawn_gives_nothing_back(void) {
  struct hall hall;
  begin_permits(&hall, 3);
  EXPECT_EQ(take(&hall, 0, 3, NULL), 1);
  expect_wait(&hall, 1, 3, 0);
  EXPECT_EQ(sluice_common_resize(&hall.common, 2, 0), SLUICE_OK);
  check(&hall);
  EXPECT_EQ(hall.tickets[0].state, SLUICE_TICKET_REFUSED);
  withdraw(&hall, 0);
  expect_no_news(&hall);
  EXPECT_EQ(hall.common.in_use, 3);
}

void test_common_resize_serves_and_refuses(void) {
  struct hall hall;
  begin_permits(&hall, 4);
  EXPECT_EQ(take(&hall, 0, 4, NULL), 1);
  expect_wait(&hall, 1, 4, 0);
  expect_wait(&hall, 2, 1, 1);
  expect_wait(&hall, 1, 3, 2);
  expect_wait(&hall, 1, 2, 3);
  EXPECT_EQ(sluice_common_resize(&hall.common, 2, 0), SLUICE_OK); /* less than is out: it stays out */
  check(&hall);
  expect_level(&hall, 0, 2, 2);
  expect_woken(&hall, 1);
  expect_woken(&hall, -1);
  expect_news(&hall, 1, 0, SLUICE_TICKET_REFUSED);
  expect_news(&hall, 1, 2, SLUICE_TICKET_REFUSED);
  expect_no_news(&hall);
  give(&hall, 0, 2); /* as many as there are now are out */
  expect_no_news(&hall);
  EXPECT_EQ(sluice_common_resize(&hall.common, 5, 0), SLUICE_OK);
  check(&hall);
  expect_news(&hall, 2, 1, SLUICE_TICKET_GRANTED);
  expect_news(&hall, 1, 3, SLUICE_TICKET_GRANTED);
  expect_level(&hall, 0, 5, 0);
  EXPECT_EQ(sluice_common_resize(&hall.common, 0, 0), SLUICE_EINVAL);
  EXPECT_EQ(sluice_common_resize(&hall.common, SLUICE_PERMIT_MAX + 1, 0), SLUICE_EINVAL);
  expect_level(&hall, 0, 5, 0);
}

/* Who leaves gives back what it holds, told or not, and its tickets stand in nobody's way. */
void test_common_a_seat_that_leaves_gives_everything_back(void) {
  struct hall hall;
  begin_permits(&hall, 5);
  EXPECT_EQ(take(&hall, 0, 3, NULL), 1);
  EXPECT_EQ(take(&hall, 1, 2, NULL), 1);
  expect_wait(&hall, 0, 1, 0);
  expect_wait(&hall, 0, 5, 1);
  expect_wait(&hall, 2, 1, 2);
  expect_wait(&hall, 0, 1, 3);
  expect_wait(&hall, 2, 3, 4);
  expect_wait(&hall, 1, 1, 5);
  give(&hall, 1, 1); /* for ticket 0, which has not heard of it */
  EXPECT_EQ(hall.tickets[0].state, SLUICE_TICKET_GRANTED);
  leave(&hall, 0);
  for (int i = 0; i < 6; i++) EXPECT_EQ(hall.tickets[i].state == SLUICE_TICKET_NEW, i == 0 || i == 1 || i == 3);
  expect_woken(&hall, 2); /* not the one that has left */
  expect_woken(&hall, -1);
  expect_news(&hall, 2, 2, SLUICE_TICKET_GRANTED);
  expect_news(&hall, 2, 4, SLUICE_TICKET_GRANTED);
  expect_no_news(&hall);
  expect_level(&hall, 0, 5, 1);
  leave(&hall, 2);
  expect_news(&hall, 1, 5, SLUICE_TICKET_GRANTED);
  leave(&hall, 1);
  EXPECT(hall.common.in_use == 0 && hall.common.seats == 0);
}

void test_common_tokens_in_an_inbox_go_back_when_its_seat_leaves(void) {
  struct hall hall;
  begin_tokens(&hall, 1, 3);
  EXPECT_EQ(take(&hall, 0, 3, NULL), 1);
  expect_wait(&hall, 0, 2, 0);
  expect_wait(&hall, 0, 1, 1);
  expect_wait(&hall, 1, 3, 2);
  expect_wait(&hall, 2, 1, 3);
  hall.now += 3 * SECOND;
  serve(&hall);
  while (sluice_common_woken(&hall.common) != NULL) continue;
  leave(&hall, 0); /* what it was granted is enough for the next */
  expect_news(&hall, 1, 2, SLUICE_TICKET_GRANTED);
  expect_woken(&hall, 1);
  expect_woken(&hall, 2); /* whose ticket is the new head: it sees to the time now */
  EXPECT(sluice_seat_is_first(&hall.seats[2]));
  expect_no_news(&hall);
}

void test_common_no_more_than_may_wait(void) {
  struct hall hall;
  begin_permits(&hall, 2);
  EXPECT_EQ(sluice_common_take(&hall.seats[0], 1, 0, NULL, 0), 1); /* it does not wait */
  EXPECT_EQ(take(&hall, 0, 1, NULL), 1);
  EXPECT_EQ(sluice_common_take(&hall.seats[1], 1, 0, &hall.tickets[0], 0), SLUICE_ECROWDED);
  expect_wait(&hall, 1, 1, 0);
  EXPECT_EQ(sluice_common_take(&hall.seats[2], 1, 1, &hall.tickets[1], 0), SLUICE_ECROWDED); /* whoever waits */
  EXPECT_EQ(sluice_common_take(&hall.seats[2], 1, 1, NULL, 0), SLUICE_ECROWDED);
  EXPECT_EQ(hall.tickets[1].state, SLUICE_TICKET_NEW);
  EXPECT_EQ(sluice_common_take(&hall.seats[2], 1, 2, NULL, 0), 0);
  check(&hall);
  expect_level(&hall, 0, 2, 1);

  hall.tickets[1].is_job = hall.tickets[2].is_job = 1; /* these are not counted */
  expect_wait(&hall, 1, 1, 1);
  expect_wait(&hall, 2, 1, 2);
  EXPECT_EQ(sluice_common_take(&hall.seats[2], 1, 2, NULL, 0), 0);
  EXPECT_EQ(sluice_common_take(&hall.seats[2], 1, 1, NULL, 0), SLUICE_ECROWDED);
  sluice_common_withdraw(&hall.tickets[0], 0);
  EXPECT_EQ(sluice_common_take(&hall.seats[2], 1, 1, NULL, 0), 0);
  sluice_common_withdraw(&hall.tickets[1], 0);
  check(&hall);
  expect_level(&hall, 0, 2, 1);
}

void test_common_refuses_what_is_out_of_range(void) {
  struct hall hall;
  EXPECT_EQ(sluice_common_permits(&hall.common, 0), SLUICE_EINVAL);
  EXPECT_EQ(sluice_common_permits(&hall.common, SLUICE_PERMIT_MAX + 1), SLUICE_EINVAL);
  struct sluice_rate timeless = {.max = 1, .per = 0, .burst = 1};
  EXPECT_EQ(sluice_common_tokens(&hall.common, &timeless), SLUICE_EINVAL);
  begin_permits(&hall, 3);
  EXPECT_EQ(take(&hall, 0, 0, &hall.tickets[0]), SLUICE_EINVAL);
  EXPECT_EQ(take(&hall, 0, 4, &hall.tickets[0]), SLUICE_EINVAL);
  EXPECT_EQ(take(&hall, 0, UINT64_MAX, &hall.tickets[0]), SLUICE_EINVAL);
  begin_tokens(&hall, 1, 2);
  EXPECT_EQ(take(&hall, 0, 0, &hall.tickets[0]), SLUICE_EINVAL);
  EXPECT_EQ(take(&hall, 0, 3, &hall.tickets[0]), SLUICE_EINVAL);
  EXPECT_EQ(sluice_common_reconfigure(&hall.common, &timeless, hall.now), SLUICE_EINVAL);
  expect_level(&hall, 2, 2, 0);
}

/* The head's tokens are due when the bucket says so; of those behind it nothing is known. */
void test_common_tokens_are_due_for_the_head(void) {
  struct hall hall;
  begin_tokens(&hall, 10, 2);
  EXPECT_EQ(sluice_common_due(&hall.common), SLUICE_NEVER);
  EXPECT_EQ(take(&hall, 0, 2, NULL), 1);
  EXPECT_EQ(sluice_common_due(&hall.common), SLUICE_NEVER); /* nobody waits */
  expect_wait(&hall, 1, 2, 0);
  expect_wait(&hall, 2, 1, 1);
  EXPECT_EQ(sluice_common_due(&hall.common), hall.now + 200 * MS);
  EXPECT(!sluice_seat_is_first(&hall.seats[0]) && !sluice_seat_is_first(&hall.seats[2]));
  EXPECT(sluice_seat_is_first(&hall.seats[1]));
  expect_woken(&hall, -1); /* who asks sees to the time without being told */
  hall.now += 200 * MS - 1;
  serve(&hall);
  expect_no_news(&hall);
  hall.now++;
  serve(&hall);
  expect_woken(&hall, 1);
  expect_woken(&hall, 2); /* the new head */
  expect_woken(&hall, -1);
  expect_news(&hall, 1, 0, SLUICE_TICKET_GRANTED);
  expect_no_news(&hall);
  EXPECT_EQ(sluice_common_due(&hall.common), hall.now + 100 * MS);
  EXPECT_EQ(hall.seats[1].held, 0); /* tokens are nobody's to hold */
  begin_permits(&hall, 1);
  EXPECT_EQ(take(&hall, 0, 1, NULL), 1);
  expect_wait(&hall, 1, 1, 0);
  EXPECT_EQ(sluice_common_due(&hall.common), SLUICE_NEVER); /* no time brings permits */
}

void test_common_the_new_head_hears_of_the_withdrawal(void) {
  struct hall hall;
  begin_tokens(&hall, 10, 2);
  EXPECT_EQ(take(&hall, 0, 2, NULL), 1);
  expect_wait(&hall, 1, 2, 0);
  expect_wait(&hall, 2, 2, 1);
  expect_wait(&hall, 0, 1, 2);
  withdraw(&hall, 1);
  expect_woken(&hall, -1); /* it was not the head */
  withdraw(&hall, 0);
  expect_woken(&hall, 0);
  expect_woken(&hall, -1);
  EXPECT_EQ(sluice_common_due(&hall.common), hall.now + 100 * MS);
}

/* The head's thread may be stuck: whoever waits behind it hears of a time that is sooner than he knew. */
void test_common_a_sooner_time_is_told_to_all_who_wait(void) {
  struct hall hall;
  begin_tokens(&hall, 1, 9);
  EXPECT_EQ(take(&hall, 2, 9, NULL), 1);
  expect_wait(&hall, 0, 9, 0);
  expect_wait(&hall, 1, 2, 1);
  expect_wait(&hall, 0, 2, 2);
  struct sluice_rate rate = {.max = 10, .per = SECOND, .burst = 9};
  EXPECT_EQ(sluice_common_reconfigure(&hall.common, &rate, hall.now), SLUICE_OK);
  check(&hall);
  expect_woken(&hall, 0);
  expect_woken(&hall, 1);
  expect_woken(&hall, -1); /* who does not wait is not told */
  sluice_common_give(&hall.seats[2], 1, hall.now);
  expect_woken(&hall, 0);
  expect_woken(&hall, 1);
  withdraw(&hall, 0); /* the new head is lighter */
  expect_woken(&hall, 0);
  expect_woken(&hall, 1);
  expect_wait(&hall, 2, 1, 3);
  sluice_seat_leave(&hall.seats[1], hall.now);
  hall.has_left[1] = 1;
  check(&hall);
  expect_woken(&hall, 0);
  expect_woken(&hall, 2);
  expect_woken(&hall, -1);
}

/* Tokens that are given back serve the line, and are no more than the bucket holds. */
void test_common_tokens_given_back_serve_and_never_overflow(void) {
  struct hall hall;
  begin_tokens(&hall, 1, 2);
  EXPECT_EQ(take(&hall, 0, 2, NULL), 1);
  expect_wait(&hall, 1, 1, 0);
  give(&hall, 0, 2);
  expect_news(&hall, 1, 0, SLUICE_TICKET_GRANTED);
  expect_level(&hall, 1, 2, 0);
  give(&hall, 0, 2);
  expect_level(&hall, 2, 2, 0);
}

/* A bucket that is full has no fraction of a token beside, also where it was filled by what came back. */
void test_common_a_bucket_filled_again_has_no_fraction(void) {
  struct hall hall;
  begin_tokens(&hall, 1, 1);
  EXPECT_EQ(take(&hall, 0, 1, NULL), 1);
  hall.now += 900 * MS;
  EXPECT_EQ(take(&hall, 0, 1, NULL), 0);
  give(&hall, 0, 1);
  EXPECT_EQ(take(&hall, 1, 1, NULL), 1); /* this is when one is taken: the next is due a second later */
  expect_wait(&hall, 2, 1, 0);
  EXPECT_EQ(sluice_common_due(&hall.common), hall.now + SECOND);
}

void test_common_penalize_shuts_for_all_seats(void) {
  struct hall hall;
  begin_tokens(&hall, 10, 2);
  sluice_common_penalize(&hall.common, 500 * MS, hall.now);
  check(&hall);
  expect_woken(&hall, -1); /* nobody waits */
  expect_wait(&hall, 1, 1, 0);
  expect_wait(&hall, 2, 1, 1);
  EXPECT_EQ(sluice_common_due(&hall.common), hall.now + 500 * MS);
  sluice_common_penalize(&hall.common, SECOND, hall.now);
  check(&hall);
  expect_woken(&hall, 1); /* whose timer is too early now */
  expect_woken(&hall, -1);
  expect_level(&hall, 0, 2, 2);
  hall.now += SECOND - 1;
  serve(&hall);
  expect_no_news(&hall);
  hall.now++;
  serve(&hall);
  expect_news(&hall, 1, 0, SLUICE_TICKET_GRANTED);
  expect_no_news(&hall); /* what there was is one */
}

void test_common_reconfigure_refuses_and_moves_the_time(void) {
  struct hall hall;
  begin_tokens(&hall, 1, 5);
  EXPECT_EQ(take(&hall, 0, 5, NULL), 1);
  expect_wait(&hall, 0, 5, 0);
  expect_wait(&hall, 1, 2, 1);
  struct sluice_rate rate = {.max = 10, .per = SECOND, .burst = 2};
  EXPECT_EQ(sluice_common_reconfigure(&hall.common, &rate, hall.now), SLUICE_OK);
  check(&hall);
  expect_news(&hall, 0, 0, SLUICE_TICKET_REFUSED);
  expect_no_news(&hall);
  expect_woken(&hall, 0);
  expect_woken(&hall, 1); /* the new head, and sooner than it knew */
  EXPECT_EQ(sluice_common_due(&hall.common), hall.now + 200 * MS);
  expect_level(&hall, 0, 2, 1);
  rate.max = 0; /* no limit any more */
  EXPECT_EQ(sluice_common_reconfigure(&hall.common, &rate, hall.now), SLUICE_OK);
  check(&hall);
  expect_news(&hall, 1, 1, SLUICE_TICKET_GRANTED);
  EXPECT_EQ(take(&hall, 2, SLUICE_PERMIT_MAX, NULL), 1);
  expect_level(&hall, SLUICE_PERMIT_MAX, SLUICE_PERMIT_MAX, 0);
}
