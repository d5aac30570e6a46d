#include "slab.h"

#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "test.h"
#include "tests.h"
#include "world.h"

/* A slot of the size of a lane, with something of its own in it. */
struct thing {
  struct sluice__slot slot;
  uint64_t contents[7];
};

struct fixture {
  struct memory memory;
  struct sluice__mem mem;
  struct sluice__slab slab;
};

static void fixture_init(struct fixture *fixture) {
  memory_init(&fixture->memory);
  fixture->mem = (struct sluice__mem){fixture->memory.allocator, 0};
  sluice__slab_init(&fixture->slab, &fixture->mem, sizeof(struct thing));
}

static void fixture_fini(struct fixture *fixture) {
  EXPECT(sluice__slab_check(&fixture->slab));
  EXPECT_EQ(sluice__slab_memory(&fixture->slab), fixture->mem.in_use);
  EXPECT_EQ(fixture->memory.in_use, fixture->mem.in_use);
  sluice__slab_fini(&fixture->slab);
  EXPECT_EQ(fixture->memory.in_use, 0);
}

static struct sluice__slot *take(struct fixture *fixture) {
  struct sluice__slot *slot;
  EXPECT_EQ(sluice__slab_take(&fixture->slab, &slot), SLUICE_OK);
  return slot;
}

static int is_open(const struct fixture *fixture, struct sluice_handle handle) {
  return sluice__slab_find(&fixture->slab, handle) != NULL;
}

void test_slab_gives_the_lowest_first_and_reuses_the_last(void) {
  struct fixture fixture;
  fixture_init(&fixture);
  struct sluice__slot *slots[3];
  for (uint32_t i = 0; i < 3; i++) {
    slots[i] = take(&fixture);
    EXPECT_EQ(slots[i]->number, i);
  }
  sluice__slab_give_back(&fixture.slab, slots[2]);
  sluice__slab_give_back(&fixture.slab, slots[0]);
  EXPECT_EQ(take(&fixture)->number, 0);
  EXPECT_EQ(take(&fixture)->number, 2);
  EXPECT_EQ(take(&fixture)->number, 3);
  fixture_fini(&fixture);
}

void test_slab_refuses_a_stale_handle(void) {
  struct fixture fixture;
  fixture_init(&fixture);
  struct sluice__slot *slot = take(&fixture);
  struct sluice_handle first = sluice__slot_handle(slot);
  EXPECT(is_open(&fixture, first));
  sluice__slab_give_back(&fixture.slab, slot);
  EXPECT(!is_open(&fixture, first));
  struct sluice_handle second = sluice__slot_handle(take(&fixture));
  EXPECT_EQ(second.slot, first.slot);
  EXPECT(!is_open(&fixture, first));
  EXPECT(is_open(&fixture, second));
  sluice__slab_renew(slot);
  EXPECT(!is_open(&fixture, second));
  EXPECT(is_open(&fixture, sluice__slot_handle(slot)));
  fixture_fini(&fixture);
}

void test_slab_refuses_a_forged_handle(void) {
  struct fixture fixture;
  fixture_init(&fixture);
  EXPECT(!is_open(&fixture, (struct sluice_handle){0, 1})); /* nothing was ever given out */
  take(&fixture);
  static const uint32_t slots[] = {0, 1, 255, 256, 1 << 16, (uint32_t)1 << 31, UINT32_MAX - 1, UINT32_MAX};
  static const uint32_t generations[] = {0, 2, 3, (uint32_t)1 << 31, UINT32_MAX};
  for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
    for (size_t k = 0; k < sizeof generations / sizeof *generations; k++)
      EXPECT(!is_open(&fixture, (struct sluice_handle){slots[i], generations[k]}));
  }
  fixture_fini(&fixture);
}

/* A free slot's generation is even: the handle made of it names nothing. */
void test_slab_refuses_the_handle_of_a_free_slot(void) {
  struct fixture fixture;
  fixture_init(&fixture);
  struct sluice__slot *slot = take(&fixture);
  sluice__slab_give_back(&fixture.slab, slot);
  EXPECT(!is_open(&fixture, sluice__slot_handle(slot)));
  fixture_fini(&fixture);
}

void test_slab_generations_wrap(void) {
  struct fixture fixture;
  fixture_init(&fixture);
  struct sluice__slot *slot = take(&fixture);
  slot->generation = UINT32_MAX;
  struct sluice_handle last = sluice__slot_handle(slot);
  EXPECT(is_open(&fixture, last));
  sluice__slab_give_back(&fixture.slab, slot);
  EXPECT_EQ(slot->generation, 0);
  EXPECT(!is_open(&fixture, sluice__slot_handle(slot)));
  EXPECT_EQ(take(&fixture)->generation, 1);
  EXPECT(!is_open(&fixture, last));
  sluice__slab_renew(slot);
  slot->generation = UINT32_MAX;
  sluice__slab_renew(slot);
  EXPECT(is_open(&fixture, sluice__slot_handle(slot)));
  fixture_fini(&fixture);
}

void test_slab_slots_never_move(void) {
  enum { COUNT = 5 * SLUICE__CHUNK_SLOTS };
  struct fixture fixture;
  fixture_init(&fixture);
  struct sluice__slot *slots[COUNT];
  for (uint32_t i = 0; i < COUNT; i++) {
    slots[i] = take(&fixture);
    memset(((struct thing *)slots[i])->contents, (int)i, sizeof((struct thing *)slots[i])->contents);
  }
  for (uint32_t i = 0; i < COUNT; i++) {
    EXPECT(sluice__slab_find(&fixture.slab, (struct sluice_handle){i, 1}) == slots[i]);
    EXPECT_EQ(((struct thing *)slots[i])->contents[6] & 0xff, i & 0xff);
  }
  fixture_fini(&fixture);
}

void test_slab_is_full_before_its_numbers_wrap(void) {
  struct fixture fixture;
  fixture_init(&fixture);
  fixture.slab.chunk_count = fixture.slab.chunk_room = (uint32_t)1 << (31 - SLUICE__CHUNK_BITS);
  struct sluice__slot *slot;
  EXPECT_EQ(sluice__slab_take(&fixture.slab, &slot), SLUICE_EFULL);
  fixture.slab.chunk_count = fixture.slab.chunk_room = 0;
  fixture_fini(&fixture);
}

/* Each allocation fails once: nothing is changed, and the next take succeeds. */
void test_slab_survives_each_failed_allocation(void) {
  enum { COUNT = 5 * SLUICE__CHUNK_SLOTS };
  for (uint64_t failing = 0; failing < 7; failing++) { /* a table at first, another, and five chunks */
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.memory.fails_from = failing;
    fixture.memory.fails_for = 1;
    int failures = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
      struct sluice__slot *slot;
      int error = sluice__slab_take(&fixture.slab, &slot);
      if (error != SLUICE_OK) {
        EXPECT_EQ(error, SLUICE_ENOMEM);
        EXPECT(sluice__slab_check(&fixture.slab));
        EXPECT_EQ(sluice__slab_memory(&fixture.slab), fixture.memory.in_use);
        failures++;
        slot = take(&fixture);
      }
      EXPECT_EQ(slot->number, i);
    }
    EXPECT_EQ(failures, 1);
    fixture_fini(&fixture);
  }
}

/* The twin keeps every handle there ever was, and knows which are open. */
void test_slab_agrees_with_its_twin(void) {
  enum { HANDLES = 4000 };
  static struct sluice_handle handles[HANDLES];
  static int open[HANDLES];
  struct fixture fixture;
  fixture_init(&fixture);
  struct sluice__rng rng;
  sluice__rng_init(&rng, test_seed);
  uint32_t known = 0, count = 0;
  while (known < HANDLES) {
    uint64_t choice = sluice__rng_up_to(&rng, 4);
    uint32_t i = known == 0 ? 0 : (uint32_t)sluice__rng_up_to(&rng, known - 1);
    struct sluice__slot *slot = known == 0 ? NULL : sluice__slab_find(&fixture.slab, handles[i]);
    if (known > 0) EXPECT_EQ(slot != NULL, open[i]);
    if (slot != NULL && choice == 0) {
      sluice__slab_renew(slot);
      open[i] = 0;
    } else if (slot != NULL && choice == 1) {
      sluice__slab_give_back(&fixture.slab, slot);
      open[i] = 0;
      count--;
      continue;
    } else {
      slot = take(&fixture);
      count++;
    }
    handles[known] = sluice__slot_handle(slot);
    open[known++] = 1;
    EXPECT_EQ(fixture.slab.in_use, count);
    if (known % 64 == 0) EXPECT(sluice__slab_check(&fixture.slab));
  }
  for (uint32_t i = 0; i < known; i++) EXPECT_EQ(is_open(&fixture, handles[i]), open[i]);
  fixture_fini(&fixture);
}
