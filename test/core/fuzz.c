#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "common.h"
#include "mailbox.h"
#include "world.h"

enum { HANDLES = 16, LINES = 4, FIRST_DOUBLE = 8, DOUBLES = 48 - FIRST_DOUBLE, INTS = 16, MORE_INTS = 96 };

static const double durations[] = {INFINITY, 0, 1, 10, 1000, 0.001, 1e10, INFINITY};

/* A limit in common with another thread, which is the bytes too: its engine is seat 0, the other is seat 1. */
struct fuzz_common {
  struct sluice_common common;
  struct sluice_seat seats[2];
  int has_left;
};
enum { COMMONS = 2 }; /* permits, and tokens */

struct player {
  const uint8_t *at;
  const uint8_t *end;
  struct memory memory;
  struct sluice_engine *engine;
  struct sluice_mailbox mailbox;
  struct sluice_handle handles[HANDLES]; /* seen in answers */
  unsigned handle_count;
  struct sluice_handle semaphores[LINES]; /* the last ones made */
  struct sluice_handle limiters[LINES];
  unsigned semaphore_count;
  unsigned limiter_count;
  struct fuzz_common commons[COMMONS];
  double now;
  uint64_t hash; /* of all words answered */
};

#define INT(name) player->mailbox.words.ints[SLUICE_WORD_##name]
#define DOUBLE(name) player->mailbox.words.doubles[SLUICE_WORD_##name]

static uint8_t take_byte(struct player *player) {
  return player->at < player->end ? *player->at++ : 0;
}

static uint64_t take_bytes(struct player *player, int count) {
  uint64_t value = 0;
  while (count-- > 0) value = value << 8 | take_byte(player);
  return value;
}

static int32_t take_int(struct player *player) {
  static const int32_t ints[] = {0,  1,  2,  3,  4,   5,   6,   7,   8,  63,        64,        255,
                                 -1, -2, 16, 32, 256, 257, 511, 512, -5, INT32_MIN, INT32_MAX, SLUICE_GRANT_NONE - 1};
  uint8_t choice = take_byte(player);
  if (choice < sizeof ints / sizeof *ints) return ints[choice];
  return choice < 200 ? choice - 100 : (int32_t)(uint32_t)take_bytes(player, 4);
}

static double take_double(struct player *player) {
  static const double doubles[] = {0,
                                   -0.0,
                                   1,
                                   2,
                                   3,
                                   10,
                                   0.5,
                                   1e-7,
                                   1e-300,
                                   -1,
                                   1e3,
                                   1e6,
                                   1e15,
                                   1e18,
                                   1e19,
                                   1e300,
                                   -1e300,
                                   NAN,
                                   INFINITY,
                                   -INFINITY,
                                   4294967294.0,
                                   4294967295.0,
                                   4294967296.0,
                                   1099511627775.0,
                                   1099511627776.0,
                                   9007199254740992.0,
                                   9223372036854775807.0,
                                   18446744073709551615.0,
                                   9223372036854.775,
                                   4.611686018427388e18};
  uint8_t choice = take_byte(player);
  if (choice < sizeof doubles / sizeof *doubles) return doubles[choice];
  if (choice < 220) return (choice - 40) / 4.0;
  uint64_t bits = take_bytes(player, 8);
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void add(int32_t *word, int32_t value) {
  *word = (int32_t)((uint32_t)*word + (uint32_t)value); /* wraps, as in JavaScript */
}

static void write_grant(struct player *player) {
  uint8_t place = take_byte(player);
  int32_t value = take_int(player);
  if (place < 32) add(&player->mailbox.grants.next_item[place % 8], value);
  else if (place < 64) player->mailbox.grants.next_item[place % SLUICE_GRANT_JOBS] = value;
  else if (place < 128) add(&player->mailbox.grants.item[place % 16], value);
  else player->mailbox.grants.item[place * 4 % SLUICE_GRANT_LANES] = value;
}

/* As a lane that was granted its next item. */
static void move_on(struct player *player) {
  uint32_t job = take_byte(player) % 8u, lane = take_byte(player) % 16u;
  player->mailbox.grants.item[lane] = player->mailbox.grants.next_item[job];
  add(&player->mailbox.grants.next_item[job], 1);
}

static void write_handle(struct player *player) {
  uint8_t choice = take_byte(player);
  struct sluice_handle handle = player->handles[choice / 2 % HANDLES];
  INT(LANE) = (int32_t)handle.slot;
  INT(LANE_GENERATION) = (int32_t)handle.generation;
  if (choice % 2 == 0) return;
  INT(JOB) = (int32_t)handle.slot;
  INT(JOB_GENERATION) = (int32_t)handle.generation;
}

static double take_duration(struct player *player) {
  return durations[take_byte(player) % (sizeof durations / sizeof *durations)];
}

static void write_rate(struct player *player) {
  DOUBLE(RATE_MAX) = take_byte(player) / 4.0;
  DOUBLE(RATE_PER) = take_duration(player);
  DOUBLE(RATE_BURST) = take_byte(player) % 4;
}

/* A semaphore and a limiter: of the last ones made, most of the time. */
static void write_lines(struct player *player) {
  uint8_t choice = take_byte(player);
  struct sluice_handle semaphore = player->semaphores[choice % LINES];
  struct sluice_handle limiter = player->limiters[choice / LINES % LINES];
  INT(SEMAPHORE) = (int32_t)semaphore.slot;
  INT(SEMAPHORE_GENERATION) = (int32_t)semaphore.generation;
  INT(LIMITER) = (int32_t)limiter.slot;
  INT(LIMITER_GENERATION) = (int32_t)limiter.generation;
}

/* What the operations on them read, besides: valid, most of the time. */
static void write_wait(struct player *player) {
  uint8_t choice = take_byte(player);
  write_lines(player);
  DOUBLE(WEIGHT) = choice % 4;
  DOUBLE(PERMITS) = 1 + choice / 4 % 4;
  DOUBLE(IN_USE) = choice / 16 % 4;
  DOUBLE(MAX_WAITING) = choice & 64 ? INFINITY : choice / 32;
  DOUBLE(TIMEOUT) = take_duration(player);
  DOUBLE(DELAY) = take_duration(player);
  INT(FLAGS) = choice / 128;
  write_rate(player);
}

/* A policy that is valid, most of the time. */
static void write_policy(struct player *player) {
  INT(SOURCE) = take_byte(player) % 3;
  INT(FLAGS) = take_byte(player) % (2 * SLUICE_FLAG_VERDICT);
  INT(BACKOFF) = take_byte(player) % (SLUICE_BACKOFF_DECORRELATED + 1);
  INT(JITTER) = take_byte(player) % 2;
  uint8_t items = take_byte(player);
  DOUBLE(ITEMS) = INT(SOURCE) != SLUICE_SOURCE_INDEXED && items % 2 == 0 ? INFINITY : items;
  DOUBLE(LIMIT) = 1 + take_byte(player) % 9;
  DOUBLE(RETRIES) = take_byte(player) % 5;
  DOUBLE(TIMEOUT) = take_duration(player);
  DOUBLE(ITEM_TIMEOUT) = take_duration(player);
  DOUBLE(TOTAL_TIMEOUT) = take_duration(player);
  DOUBLE(YIELD_AFTER) = take_duration(player);
  DOUBLE(DELAY) = take_duration(player);
  DOUBLE(MAX_DELAY) = take_duration(player);
  DOUBLE(FACTOR) = 1 + take_byte(player) / 64.0;
  uint8_t gate = take_byte(player);
  DOUBLE(MAX_ABANDONED) = gate & 1 ? gate / 64 : INFINITY;
  write_rate(player);
  if ((gate & 2) == 0) DOUBLE(RATE_MAX) = 0;
  DOUBLE(WINDOW) = gate & 4 ? 1 + gate / 64 : INFINITY;
  write_lines(player);
  if ((gate & 8) == 0) INT(SEMAPHORE_GENERATION) = 0;
  if ((gate & 16) == 0) INT(LIMITER_GENERATION) = 0;
}

static void write_time(struct player *player) {
  static const double spans[] = {0, 0, 1, 1e3, 1e6, 5e6, 1e7, 1e9};
  uint8_t choice = take_byte(player);
  double next = DOUBLE(NEXT_EXPIRY);
  if (choice < 128) player->now += spans[choice % 8];
  else if (next > player->now && next < 1e18) player->now = next;
  DOUBLE(NOW) = player->now;
  DOUBLE(SPAN) = spans[choice / 8 % 8];
}

static void remember(struct player *player, enum sluice_operation operation) {
  if (operation == SLUICE_OPERATION_SEMAPHORE)
    player->semaphores[player->semaphore_count++ % LINES] =
        (struct sluice_handle){(uint32_t)INT(SEMAPHORE), (uint32_t)INT(SEMAPHORE_GENERATION)};
  if (operation == SLUICE_OPERATION_LIMITER)
    player->limiters[player->limiter_count++ % LINES] =
        (struct sluice_handle){(uint32_t)INT(LIMITER), (uint32_t)INT(LIMITER_GENERATION)};
  player->handles[player->handle_count++ % HANDLES] =
      (struct sluice_handle){(uint32_t)INT(LANE), (uint32_t)INT(LANE_GENERATION)};
  player->handles[player->handle_count++ % HANDLES] =
      (struct sluice_handle){(uint32_t)INT(JOB), (uint32_t)INT(JOB_GENERATION)};
}

static void note_answers(struct player *player) {
  const union sluice_words *words = &player->mailbox.words;
  for (size_t i = 0; i < sizeof *words / sizeof *words->ints; i++)
    player->hash = (player->hash ^ (uint32_t)words->ints[i]) * 0x100000001b3u;
}

static void call(struct player *player, enum sluice_operation operation) {
  struct sluice_mailbox before = player->mailbox;
  struct sluice_usage usage, usage_before;
  sluice_measure(player->engine, &usage_before);
  sluice_mailbox_call(player->engine, &player->mailbox, operation);
  EXPECT(sluice_check(player->engine));
  for (int i = 0; i < COMMONS; i++) EXPECT(sluice_common_check(&player->commons[i].common));
  sluice_measure(player->engine, &usage);
  EXPECT_EQ(usage.memory, player->memory.in_use);
  note_answers(player);
  int32_t action = INT(ACTION);
  if (action >= 0) {
    EXPECT(action <= SLUICE_ACTION_FAIL);
    remember(player, operation);
    return;
  }
  EXPECT(action >= SLUICE_ECROWDED && operation != SLUICE_OPERATION_NEXT && operation != SLUICE_OPERATION_HAND);
  before.words.ints[SLUICE_WORD_ACTION] = action;
  EXPECT(memcmp(&before, &player->mailbox, sizeof before) == 0);
  EXPECT(usage.jobs == usage_before.jobs && usage.lanes == usage_before.lanes);
  EXPECT(usage.waiters == usage_before.waiters && usage.semaphores == usage_before.semaphores);
  EXPECT(usage.limiters == usage_before.limiters);
}

static void write_int(struct player *player) {
  uint8_t place = take_byte(player);
  int index = place < 192 ? place % INTS : MORE_INTS + place % INTS;
  player->mailbox.words.ints[index] = take_int(player);
}

static void play(struct player *player) {
  uint8_t command = take_byte(player);
  switch (command % 16) {
    case 0:
      write_int(player);
      break;
    case 1:
      player->mailbox.words.doubles[FIRST_DOUBLE + take_byte(player) % DOUBLES] = take_double(player);
      break;
    case 2:
      write_grant(player);
      break;
    case 3:
      move_on(player);
      break;
    case 4:
    case 5:
      write_handle(player);
      break;
    case 6:
      write_policy(player);
      call(player, SLUICE_OPERATION_OPEN);
      break;
    case 7:
    case 8:
      write_time(player);
      call(player, (enum sluice_operation)(SLUICE_OPERATION_OBSERVE + command / 16 % 5));
      break;
    case 9:
    case 10:
    case 11:
      INT(OUTCOME) = 1 + (command / 16 + command % 16) % SLUICE_OUTCOME_WISH;
      if (INT(OUTCOME) >= SLUICE_OUTCOME_WAIT) DOUBLE(DELAY) = take_byte(player);
      call(player, SLUICE_OPERATION_STEP);
      break;
    case 12:
      call(player, (enum sluice_operation)take_int(player));
      break;
    case 13:
      call(player, command & 16 ? SLUICE_OPERATION_NEXT : SLUICE_OPERATION_HAND);
      break;
    case 14:
      call(player, SLUICE_OPERATION_JOIN);
      break;
    default:
      if (command & 16) write_wait(player);
      call(player, (enum sluice_operation)(1 + take_byte(player) % SLUICE_OPERATION_WITHDRAW));
  }
}

/* Leases. */

static struct player *playing; /* whose clock is every lender's */

static uint64_t now(void) {
  return (uint64_t)playing->now;
}

static int take(void *seat, uint64_t weight, uint64_t max_waiting, struct sluice_ticket *ticket) {
  return sluice_common_take(seat, weight, max_waiting, ticket, now());
}

static void withdraw(void *seat, struct sluice_ticket *ticket) {
  (void)seat;
  sluice_common_withdraw(ticket, now());
}

static void give(void *seat, uint64_t weight) {
  sluice_common_give(seat, weight, now());
}

static int is_wanted(void *seat, uint64_t own) {
  const struct sluice_common *common = ((struct sluice_seat *)seat)->common;
  return common->waiting > own || common->in_use > common->permits;
}

static int resize(void *seat, uint64_t permits) {
  return sluice_common_resize(((struct sluice_seat *)seat)->common, permits, now());
}

static int reconfigure(void *seat, const struct sluice_rate *rate) {
  return sluice_common_reconfigure(((struct sluice_seat *)seat)->common, rate, now());
}

static void penalize(void *seat, uint64_t duration) {
  sluice_common_penalize(((struct sluice_seat *)seat)->common, duration, now());
}

static void level(void *seat, struct sluice_level *level) {
  sluice_common_level(((struct sluice_seat *)seat)->common, level, now());
}

static void leave(void *seat) {
  sluice_seat_leave(seat, now());
  SLUICE__CONTAINER((struct sluice_seat *)seat, struct fuzz_common, seats)->has_left = 1;
}

static const struct sluice_lender lender = {take,        withdraw, give,  is_wanted, resize,
                                            reconfigure, penalize, level, leave};

/* The engine's seat at this one, as the next of its semaphores or limiters. */
static void lease(struct player *player, int number) {
  struct fuzz_common *it = &player->commons[number];
  struct sluice_handle handle;
  sluice_seat_join(&it->seats[0], &it->common);
  it->has_left = 0;
  if (it->common.has_bucket) {
    EXPECT_EQ(sluice_lease_tokens(player->engine, &lender, &it->seats[0], &handle), SLUICE_OK);
    player->limiters[player->limiter_count++ % LINES] = handle;
  } else {
    EXPECT_EQ(sluice_lease_permits(player->engine, &lender, &it->seats[0], &handle), SLUICE_OK);
    player->semaphores[player->semaphore_count++ % LINES] = handle;
  }
}

static void begin_commons(struct player *player) {
  const struct sluice_rate rate = {.max = 3, .per = SECOND, .burst = 2};
  playing = player;
  EXPECT_EQ(sluice_common_permits(&player->commons[0].common, 3), SLUICE_OK);
  EXPECT_EQ(sluice_common_tokens(&player->commons[1].common, &rate), SLUICE_OK);
  for (int i = 0; i < COMMONS; i++) {
    sluice_seat_join(&player->commons[i].seats[1], &player->commons[i].common);
    lease(player, i);
  }
}

/* What the other thread does, and what is delivered. */
static void play_common(struct player *player) {
  uint8_t choice = take_byte(player);
  int number = choice % COMMONS;
  struct fuzz_common *it = &player->commons[number];
  struct sluice_seat *seats = it->seats;
  switch (choice / COMMONS % 4) {
    case 0:
      take(&seats[1], 1 + choice / 8 % 4, UINT64_MAX, NULL);
      break;
    case 1:
      if (it->common.has_bucket || seats[1].held > 0) give(&seats[1], 1);
      break;
    case 2:
      if (it->has_left) lease(player, number);
      break;
    default:
      sluice_common_serve(&it->common, now());
  }
  while (sluice_common_woken(&it->common) != NULL) continue;
  for (int most = choice / 64; most > 0 && !it->has_left; most--) {
    enum sluice_ticket_state state;
    struct sluice_ticket *ticket = sluice_seat_next(&seats[0], &state);
    if (ticket == NULL) break;
    sluice_lend(player->engine, ticket, state == SLUICE_TICKET_GRANTED);
    EXPECT(sluice_check(player->engine));
  }
  EXPECT(sluice_common_check(&it->common));
}

uint64_t fuzz_mailbox_traffic(const uint8_t *bytes, size_t size, uint8_t noise) {
  static struct player players;
  struct player *player = &players;
  memset(player, 0, sizeof *player);
  player->at = bytes;
  player->end = bytes + size;
  memory_init(&player->memory);
  player->memory.noise = noise;
  player->engine = sluice_engine_new(&player->memory.allocator, 1);
  sluice_share_grants(player->engine, &player->mailbox.grants);
  begin_commons(player);
  while (player->at < player->end) {
    if (*player->at % 8 == 5) play_common(player);
    play(player);
  }
  sluice_engine_free(player->engine);
  EXPECT_EQ(player->memory.in_use, 0);
  return player->hash;
}
