/* An engine behind its mailbox, for tests that speak in words. */
#ifndef SLUICE_BOX_H
#define SLUICE_BOX_H

#include "mailbox.h"
#include "world.h"

struct box {
  struct memory memory;
  struct sluice_engine *engine;
  struct sluice_mailbox mailbox;
};

/* Of a variable named `box`. */
#define INT(name) box->mailbox.words.ints[SLUICE_WORD_##name]
#define DOUBLE(name) box->mailbox.words.doubles[SLUICE_WORD_##name]
#define CALL(name) box_call(box, SLUICE_OPERATION_##name)

struct box *box_new(void);
void box_free(struct box *box);
/* Returns ACTION. */
int32_t box_call(struct box *box, enum sluice_operation operation);
/* Three items, two lanes, one retry; an attempt has 100 ms. */
void box_write_policy(struct box *box);
void box_tell(struct box *box, enum sluice_operation operation, double now, double span);

#endif
