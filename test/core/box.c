#include "box.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct box *box_new(void) {
  struct box *box = calloc(1, sizeof *box);
  if (box == NULL) FAIL("the test itself is out of memory");
  memset(&box->mailbox.words, 0x77, sizeof box->mailbox.words); /* words that nobody wrote are noise */
  memory_init(&box->memory);
  box->engine = sluice_engine_new(&box->memory.allocator, test_seed);
  sluice_share_grants(box->engine, &box->mailbox.grants);
  return box;
}

void box_free(struct box *box) {
  sluice_engine_free(box->engine);
  EXPECT_EQ(box->memory.in_use, 0);
  free(box);
}

int32_t box_call(struct box *box, enum sluice_operation operation) {
  sluice_mailbox_call(box->engine, &box->mailbox, operation);
  EXPECT(sluice_check(box->engine));
  return box->mailbox.words.ints[SLUICE_WORD_ACTION];
}

void box_write_policy(struct box *box) {
  DOUBLE(ITEMS) = 3;
  DOUBLE(LIMIT) = 2;
  DOUBLE(RETRIES) = 1;
  DOUBLE(TIMEOUT) = 100;
  DOUBLE(TOTAL_TIMEOUT) = INFINITY;
  DOUBLE(YIELD_AFTER) = 10;
  DOUBLE(DELAY) = 50;
  DOUBLE(FACTOR) = 2;
  DOUBLE(MAX_DELAY) = INFINITY;
  DOUBLE(ITEM_TIMEOUT) = DOUBLE(MAX_ABANDONED) = INFINITY;
  DOUBLE(WINDOW) = INFINITY;
  INT(SEMAPHORE_GENERATION) = INT(LIMITER_GENERATION) = 0;
  DOUBLE(RATE_MAX) = DOUBLE(RATE_PER) = DOUBLE(RATE_BURST) = 0;
  INT(BACKOFF) = SLUICE_BACKOFF_EXPONENTIAL;
  INT(JITTER) = SLUICE_JITTER_NONE;
  INT(SOURCE) = SLUICE_SOURCE_INDEXED;
  INT(FLAGS) = SLUICE_FLAG_COLLECT;
}

void box_tell(struct box *box, enum sluice_operation operation, double now, double span) {
  DOUBLE(NOW) = now;
  DOUBLE(SPAN) = span;
  EXPECT_EQ(box_call(box, operation), 0);
}
