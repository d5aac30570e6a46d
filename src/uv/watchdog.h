/* The watchdog: a native thread that notices that a loop has not turned for too long, and says so while it is stuck.
 *
 * One thread for the whole process, from the first watch that starts to the last that stops, whichever loops they are
 * of. Unless a call says otherwise it is to be made on the loop's thread. */
#ifndef SLUICE_WATCHDOG_H
#define SLUICE_WATCHDOG_H

#include <uv.h>

#include "driver.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a lane is at, noted where START was answered. */
struct sluice_running_row {
  int32_t lane; /* its slot + 1: lanes share rows, and this is the one that wrote here last */
  int32_t job;  /* as sluice_names_get() knows it */
  int32_t generation;
  int32_t attempt;
  double item;
};

#define SLUICE_RUNNING_ROWS SLUICE_GRANT_LANES

/* Words that JavaScript writes, and the watchdog's thread reads at any time: which function that was handed to us is on
 * the stack. */
struct sluice_running {
  int32_t on_stack;    /* the lane's slot + 1; -1: of a call that is no job; 0: none */
  int32_t call;        /* such a call's name is that of the job {UINT32_MAX, call} */
  int32_t is_debugged; /* the inspector is open: nothing is reported */
  int32_t unused;
  struct sluice_running_row rows[SLUICE_RUNNING_ROWS]; /* a lane's: its slot modulo their number */
};

struct sluice_pulse; /* one loop, as the watchdog sees it */
struct sluice_watch;

typedef void (*sluice_pulse_callback)(void *data);

struct sluice_pulse_setup {
  uv_loop_t *loop;
  const struct sluice_driver *driver; /* counts what is open */
  struct sluice_names *names;
  const struct sluice_running *running;
  sluice_pulse_callback resumed; /* there are reports to take; called in the loop's poll phase */
  sluice_pulse_callback closed;
  void *data; /* of both */
};

/* All that *setup points at outlives it. Keeps no loop alive. NULL where there is no memory. */
struct sluice_pulse *sluice_pulse_new(const struct sluice_pulse_setup *setup);
/* Stops its watches. `closed` is called from the loop; then the pulse is gone. */
void sluice_pulse_close(struct sluice_pulse *pulse);
/* The loop will not turn any more, or not soon, but it is not stuck: what is reported is over. */
void sluice_pulse_touch(struct sluice_pulse *pulse);

enum sluice_watch_flag {
  SLUICE_WATCH_STACK = 1, /* a stack is asked for */
  SLUICE_WATCH_TELL = 2,  /* reports are to be taken when the block is over */
  SLUICE_WATCH_CLOSE = 4  /* the file is the watch's: it is closed with it, also where the watch fails to start */
};

struct sluice_watch_setup {
  uint32_t id;         /* the caller's */
  uint32_t thread;     /* as the report names it */
  uint64_t threshold;  /* nanoseconds, > 0 */
  uv_file file;        /* -1: nothing is written */
  uint32_t flags;      /* enum sluice_watch_flag */
  const char *unasked; /* why no stack is asked for, as JSON; copied */
};

/* Returns 0, or a libuv error (no memory, no thread). */
int sluice_watch_start(struct sluice_pulse *pulse, const struct sluice_watch_setup *setup, struct sluice_watch **watch);
/* Nothing is written after it. Its reports may still be taken. */
void sluice_watch_stop(struct sluice_watch *watch);

/* A block that is over. */
struct sluice_report {
  struct sluice_report *next;
  uint32_t id;       /* of the watch */
  uint64_t duration; /* of the whole block, in nanoseconds */
  char *text;        /* what was said of it while it lasted: one line of JSON, without the end of the line */
};

/* The oldest, or NULL. The caller frees it. */
struct sluice_report *sluice_pulse_take(struct sluice_pulse *pulse);
void sluice_report_free(struct sluice_report *report);

/* Who can take the stack of a stuck main thread: a thread of its own, with a loop of its own, on which all of these are
 * to be called. It keeps that loop alive. */
struct sluice_stacks;

/* `asked`: a stack is wanted; the answer names the request. */
typedef void (*sluice_stacks_asked)(uint32_t request, void *data);

struct sluice_stacks *sluice_stacks_new(uv_loop_t *loop, sluice_stacks_asked asked, void *data);
/* `closed` is called from the loop; then it is gone. */
void sluice_stacks_close(struct sluice_stacks *stacks, sluice_pulse_callback closed);

/* Whether there is any. Any thread may ask. */
int sluice_stacks_are_there(void);

/* Of a stack that was taken, or not. Both texts are JSON. */
struct sluice_answer {
  const char *stack; /* an array of lines, or null */
  const char *error; /* a string, or null */
  const char *phase; /* a string that says better than the loop's own marks where it is; or null */
};
/* An answer that comes too late is dropped. */
void sluice_stacks_answer(uint32_t request, const struct sluice_answer *answer);

#ifdef __cplusplus
}
#endif
#endif
