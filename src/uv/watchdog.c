/* How a stuck loop is noticed, and what happens then.
 *
 *   sample   every threshold/8 (5 to 50 ms) the thread looks at each loop: has there been a mark (pulse.c), or has it
 *            slept in poll? Where neither has been for the threshold, it is stuck.
 *   ask      a stack worker is told so (it sleeps in its own loop), and the thread waits for its answer, for 300 ms.
 *   write    one line; then the loop is left alone until it has moved.
 *   over     the loop's next mark says how long it was, on the loop's own thread; where the caller wants to hear of it,
 *            the report is put aside for it, and its loop is woken.
 *
 * Ground rules:
 * - All that several threads share is under one mutex, which the thread gives away only where it waits: what it holds
 *   a pointer to may be gone behind each wait (see `current`).
 * - A loop's watches are taken out, under the mutex, before the loop may be closed. So the thread never looks at a
 *   loop that is gone.
 * - Time counts only as far as the thread itself has run: who is suspended, with all threads, is not stuck.
 * - The thread is joined by whoever stops the last watch: the addon may be unloaded after that. */
#include <stdlib.h>
#include <string.h>

#ifndef _WIN32
#include <pthread.h>
#include <signal.h>
#endif

#include "watchdog_internal.h"

#define MILLISECOND UINT64_C(1000000)
#define PERIOD_MIN (5 * MILLISECOND)
#define PERIOD_MAX (50 * MILLISECOND)
#define ANSWER_MAX (300 * MILLISECOND)
/* Nobody oversleeps by so much, on however busy a machine, unless the process was stopped. */
#define OVERSLEPT (500 * MILLISECOND)

enum thread_state { ABSENT, RUNNING, ENDING };

struct sluice_stacks {
  struct sluice_stacks *next;
  uv_async_t async;
  sluice_stacks_asked asked;
  sluice_pulse_callback closed;
  void *data;
  uint32_t request; /* the latest */
};

static struct {
  uv_mutex_t mutex;
  uv_cond_t changed; /* anything below */
  uv_thread_t thread;
  enum thread_state state;
  uv_pid_t process; /* in which all this is true: a fork has the memory, but not the thread */
  struct sluice_watch *watches;
  struct sluice_stacks *stacks; /* any will do: they all reach the same main thread */

  struct sluice_watch *current; /* which a report is made of; NULL: it was stopped meanwhile */
  struct sluice_watch *written; /* whose file is written to, without the mutex; who stops it waits for that */
  uint32_t request;             /* for its stack */
  uint8_t is_answered;
  char *stack; /* the answer: copies, or NULL */
  char *error;
  char *phase;
} dog;

static uv_once_t once = UV_ONCE_INIT;

static void init(void) {
  memset(&dog, 0, sizeof dog);
  dog.process = uv_os_getpid();
  if (uv_mutex_init(&dog.mutex) != 0 || uv_cond_init(&dog.changed) != 0) abort();
}

static int is_forked(void) {
  return dog.process != uv_os_getpid();
}

static void drop_answer(void) {
  free(dog.stack);
  free(dog.error);
  free(dog.phase);
  dog.stack = dog.error = dog.phase = NULL;
  dog.is_answered = 0;
}

/* Tells the loop's thread of a report that is written, of a block that is over. Gives `text` away. */
static void put_aside(struct sluice_watch *watch, char *text) {
  struct sluice_pulse *pulse = watch->pulse;
  struct sluice_report *report = malloc(sizeof *report);
  if (report == NULL) {
    free(text);
    return;
  }
  *report = (struct sluice_report){NULL, watch->setup.id, watch->duration, text};
  struct sluice_report **end = &pulse->finished;
  while (*end != NULL) end = &(*end)->next;
  *end = report;
  uv_async_send(&pulse->async);
}

void sluice__watchdog_moved(struct sluice_pulse *pulse, uint64_t now) {
  if (is_forked()) return;
  uv_mutex_lock(&dog.mutex);
  atomic_store(&pulse->is_stuck, 0);
  for (struct sluice_watch *watch = dog.watches; watch != NULL; watch = watch->next) {
    if (watch->pulse != pulse || !watch->is_stuck) continue;
    uint64_t began = watch->since + watch->suspended;
    watch->duration = now > began ? now - began : 0;
    watch->is_stuck = 0;
    watch->is_over = 1;
    if (watch->text == NULL) continue; /* it is not written yet */
    put_aside(watch, watch->text);
    watch->text = NULL;
  }
  uv_cond_broadcast(&dog.changed);
  uv_mutex_unlock(&dog.mutex);
}

struct sluice_report *sluice_pulse_take(struct sluice_pulse *pulse) {
  uv_mutex_lock(&dog.mutex);
  struct sluice_report *report = pulse->finished;
  if (report != NULL) pulse->finished = report->next;
  uv_mutex_unlock(&dog.mutex);
  return report;
}

/* When what the loop does now has begun: at its latest mark; in poll, when it woke up there. */
static uint64_t began_at(const struct sluice_watch *watch) {
  struct sluice_pulse *pulse = watch->pulse;
  uint64_t began = watch->tick;
  if (atomic_load_explicit(&pulse->phase, memory_order_relaxed) == SLUICE__PHASE_POLL)
    began += watch->idle_time - atomic_load_explicit(&pulse->idle_time, memory_order_relaxed);
  return began > watch->floor ? began : watch->floor;
}

/* Whether the loop has made a mark, or slept, since it was last asked. */
static int has_moved(struct sluice_watch *watch) {
  uint64_t tick = atomic_load(&watch->pulse->tick);
  uint64_t idle_time = uv_metrics_idle_time(watch->pulse->setup.loop);
  int is_same = tick == watch->tick && idle_time == watch->idle_time;
  watch->tick = tick;
  watch->idle_time = idle_time;
  return !is_same;
}

static void wait_until(uint64_t end) {
  uint64_t now = uv_hrtime();
  if (now < end) uv_cond_timedwait(&dog.changed, &dog.mutex, end - now);
}

/* Waits for the stack of what is stuck. Gives the mutex away: `current` says whether the watch is still there. */
static void ask(void) {
  uint64_t end = uv_hrtime() + ANSWER_MAX;
  uint32_t request = ++dog.request;
  int is_asked = 0;
  drop_answer();
  while (dog.current != NULL && !dog.current->is_over && !dog.is_answered && uv_hrtime() < end) {
    if (!is_asked && dog.stacks != NULL) { /* it may still be starting */
      dog.stacks->request = request;
      is_asked = uv_async_send(&dog.stacks->async) == 0;
    }
    wait_until(end);
  }
}

/* What the report says of the stack. Behind ask(). */
static struct sluice_answer answer_of(const struct sluice_watch *watch) {
  struct sluice_answer answer = {"null", "null", NULL};
  if (!(watch->setup.flags & SLUICE_WATCH_STACK)) answer.error = watch->setup.unasked;
  else if (watch->is_over) answer.error = "\"The loop turned again before a stack was taken\"";
  else if (dog.stacks == NULL) answer.error = "\"The thread that takes stacks has not started yet, or has ended\"";
  else if (!dog.is_answered) answer.error = "\"The thread that takes stacks has not answered\"";
  else answer = (struct sluice_answer){dog.stack, dog.error, dog.phase};
  if (answer.stack == NULL || answer.error == NULL) /* its copy has failed */
    answer = (struct sluice_answer){"null", "\"Out of memory\"", NULL};
  return answer;
}

/* Gives the mutex away, but not the watch: its loop may turn meanwhile, however slow who reads is. */
static void write_report(struct sluice_watch *watch, char *text, size_t length) {
  dog.written = watch;
  int is_cut = watch->is_cut;
  uv_mutex_unlock(&dog.mutex);
  if (is_cut) {
    char end[] = "\n";
    is_cut = sluice__report_write(watch->setup.file, end, 1) > 0;
  }
  if (!is_cut) {
    size_t left = sluice__report_write(watch->setup.file, text, length);
    is_cut = left > 0 && left < length;
  }
  uv_mutex_lock(&dog.mutex);
  watch->is_cut = (uint8_t)is_cut;
  dog.written = NULL;
  uv_cond_broadcast(&dog.changed);
}

/* For onBlocked: the line without its end. */
static void keep_text(struct sluice_watch *watch, const char *text, size_t length) {
  char *kept = malloc(length);
  if (kept == NULL) return;
  memcpy(kept, text, length - 1);
  kept[length - 1] = '\0';
  if (watch->is_over) put_aside(watch, kept);
  else watch->text = kept;
}

static void make_report(struct sluice_watch *watch, uint64_t since) {
  struct sluice_pulse *pulse = watch->pulse;
  atomic_store(&pulse->is_stuck, 1);
  if (has_moved(watch)) { /* and has not seen that; a watch beside this one is asked again at the next sample */
    watch->silence = 0;
    return;
  }
  watch->since = since;
  watch->suspended = 0;
  watch->is_stuck = 1;
  watch->is_over = 0;
  dog.current = watch;
  if (watch->setup.flags & SLUICE_WATCH_STACK) ask();
  if (dog.current != NULL) {
    struct sluice_answer answer = answer_of(watch);
    uint64_t blocked = watch->is_over ? watch->duration : uv_hrtime() - watch->since;
    char *text = sluice__report_text(watch, blocked, &answer);
    if (text != NULL) {
      size_t length = strlen(text);
      /* First: who reads the line may let the loop go on, and end, before the write has come back. */
      if (watch->setup.flags & SLUICE_WATCH_TELL) keep_text(watch, text, length);
      if (watch->setup.file >= 0) write_report(watch, text, length);
      free(text);
    }
    dog.current = NULL;
  }
  drop_answer();
}

static int is_debugged(const struct sluice_watch *watch) {
  return __atomic_load_n(&watch->pulse->setup.running->is_debugged, __ATOMIC_RELAXED) || sluice__report_is_traced();
}

/* `slept`: for how long nothing has been looked at; `period`: for how long it was meant to be.
 * Returns whether a report was made: other watches may have come and gone. */
static int sample(struct sluice_watch *watch, uint64_t now, uint64_t slept, uint64_t period) {
  watch->sampled_at = now;
  if (slept > period + OVERSLEPT) {
    watch->floor = now;
    watch->silence = 0;
    watch->suspended += slept - period;
  }
  if (has_moved(watch)) {
    watch->silence = 0;
    watch->is_ignored = 0;
    return 0;
  }
  watch->silence += slept < period ? slept : period;
  if (watch->is_stuck || watch->is_ignored) return 0;
  uint64_t since = began_at(watch);
  if (now < since + watch->setup.threshold || watch->silence < watch->setup.threshold / 2) return 0;
  if (is_debugged(watch)) {
    watch->is_ignored = 1;
    return 0;
  }
  make_report(watch, since);
  return 1;
}

static uint64_t sampling_period(void) {
  uint64_t shortest = PERIOD_MAX;
  for (const struct sluice_watch *watch = dog.watches; watch != NULL; watch = watch->next)
    if (watch->setup.threshold / 8 < shortest) shortest = watch->setup.threshold / 8;
  return shortest > PERIOD_MIN ? shortest : PERIOD_MIN;
}

static struct sluice_watch *find_unsampled(uint64_t now) {
  struct sluice_watch *watch = dog.watches;
  while (watch != NULL && watch->sampled_at >= now) watch = watch->next;
  return watch;
}

static void run(void *data) {
  (void)data;
#ifndef _WIN32
  sigset_t all; /* signals are for Node's threads */
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
#endif
#ifdef __linux__
  pthread_setname_np(pthread_self(), "sluice-watch");
#endif
  uv_mutex_lock(&dog.mutex);
  uint64_t sampled_at = uv_hrtime();
  while (dog.state == RUNNING) {
    uint64_t period = sampling_period();
    wait_until(sampled_at + period);
    uint64_t now = uv_hrtime();
    if (now < sampled_at + period) continue; /* something has changed */
    struct sluice_watch *watch;
    int has_waited = 0;
    while (dog.state == RUNNING && (watch = find_unsampled(now)) != NULL)
      has_waited |= sample(watch, now, now - sampled_at, period);
    sampled_at = has_waited ? uv_hrtime() : now;
  }
  uv_mutex_unlock(&dog.mutex);
}

/* Under the mutex, which is given away meanwhile. */
static int start_thread(void) {
  while (dog.state == ENDING) uv_cond_wait(&dog.changed, &dog.mutex);
  if (dog.state == RUNNING) return 0;
  dog.state = RUNNING;
  int error = uv_thread_create(&dog.thread, run, NULL);
  if (error != 0) dog.state = ABSENT;
  return error;
}

static void free_watch(struct sluice_watch *watch) {
  if (watch->setup.flags & SLUICE_WATCH_CLOSE) {
    uv_fs_t request;
    uv_fs_close(NULL, &request, watch->setup.file, NULL);
    uv_fs_req_cleanup(&request);
  }
  free(watch->unasked);
  free(watch->text);
  free(watch);
}

int sluice_watch_start(struct sluice_pulse *pulse, const struct sluice_watch_setup *setup,
                       struct sluice_watch **result) {
  uv_once(&once, init);
  if (is_forked()) init();
  struct sluice_watch *watch = calloc(1, sizeof *watch);
  if (watch == NULL) return UV_ENOMEM;
  watch->pulse = pulse;
  watch->setup = *setup;
  watch->setup.unasked = "null";
  if (setup->unasked != NULL) {
    size_t size = strlen(setup->unasked) + 1;
    watch->unasked = malloc(size);
    if (watch->unasked != NULL) watch->setup.unasked = memcpy(watch->unasked, setup->unasked, size);
  }
  if (pulse->watch_count++ == 0) sluice__pulse_start(pulse);
  uv_mutex_lock(&dog.mutex);
  int error = start_thread();
  if (error == 0) {
    has_moved(watch);
    watch->floor = watch->sampled_at = uv_hrtime();
    watch->next = dog.watches;
    dog.watches = watch;
    uv_cond_broadcast(&dog.changed);
  }
  uv_mutex_unlock(&dog.mutex);
  *result = watch;
  if (error == 0) return 0;
  if (--pulse->watch_count == 0) sluice__pulse_stop(pulse);
  free_watch(watch);
  return error;
}

static void unlink_watch(const struct sluice_watch *watch) {
  struct sluice_watch **at = &dog.watches;
  while (*at != NULL && *at != watch) at = &(*at)->next;
  if (*at != NULL) *at = watch->next;
}

void sluice_watch_stop(struct sluice_watch *watch) {
  struct sluice_pulse *pulse = watch->pulse;
  if (!is_forked()) { /* else nobody else looks at it, and the mutex is as it was then */
    uv_mutex_lock(&dog.mutex);
    unlink_watch(watch);
    if (dog.current == watch) dog.current = NULL;
    while (dog.written == watch) uv_cond_wait(&dog.changed, &dog.mutex);
    int is_last = dog.watches == NULL && dog.state == RUNNING;
    if (is_last) dog.state = ENDING;
    uv_cond_broadcast(&dog.changed);
    uv_mutex_unlock(&dog.mutex);
    if (is_last) {
      uv_thread_join(&dog.thread);
      uv_mutex_lock(&dog.mutex);
      dog.state = ABSENT;
      uv_cond_broadcast(&dog.changed);
      uv_mutex_unlock(&dog.mutex);
    }
  }
  free_watch(watch);
  if (--pulse->watch_count == 0) sluice__pulse_stop(pulse);
}

void sluice__watchdog_stop_all(struct sluice_pulse *pulse) {
  while (pulse->watch_count > 0) {
    if (!is_forked()) uv_mutex_lock(&dog.mutex);
    struct sluice_watch *watch = dog.watches;
    while (watch != NULL && watch->pulse != pulse) watch = watch->next;
    if (!is_forked()) uv_mutex_unlock(&dog.mutex);
    if (watch == NULL) return; /* of before a fork */
    sluice_watch_stop(watch);  /* only this thread stops this loop's */
  }
}

static void on_asked(uv_async_t *async) {
  struct sluice_stacks *stacks = async->data;
  uv_mutex_lock(&dog.mutex);
  uint32_t request = stacks->request;
  uv_mutex_unlock(&dog.mutex);
  stacks->asked(request, stacks->data);
}

struct sluice_stacks *sluice_stacks_new(uv_loop_t *loop, sluice_stacks_asked asked, void *data) {
  uv_once(&once, init);
  struct sluice_stacks *stacks = calloc(1, sizeof *stacks);
  if (stacks == NULL) return NULL;
  if (uv_async_init(loop, &stacks->async, on_asked) != 0) {
    free(stacks);
    return NULL;
  }
  stacks->async.data = stacks;
  stacks->asked = asked;
  stacks->data = data;
  uv_mutex_lock(&dog.mutex);
  stacks->next = dog.stacks;
  dog.stacks = stacks;
  uv_cond_broadcast(&dog.changed);
  uv_mutex_unlock(&dog.mutex);
  return stacks;
}

int sluice_stacks_are_there(void) {
  uv_once(&once, init);
  uv_mutex_lock(&dog.mutex);
  int are_there = dog.stacks != NULL;
  uv_mutex_unlock(&dog.mutex);
  return are_there;
}

static void on_stacks_closed(uv_handle_t *handle) {
  struct sluice_stacks *stacks = handle->data;
  stacks->closed(stacks->data);
  free(stacks);
}

void sluice_stacks_close(struct sluice_stacks *stacks, sluice_pulse_callback closed) {
  stacks->closed = closed;
  uv_mutex_lock(&dog.mutex);
  struct sluice_stacks **at = &dog.stacks;
  while (*at != stacks) at = &(*at)->next;
  *at = stacks->next;
  uv_mutex_unlock(&dog.mutex);
  uv_close((uv_handle_t *)&stacks->async, on_stacks_closed);
}

static char *copy(const char *text) {
  if (text == NULL) return NULL;
  size_t size = strlen(text) + 1;
  char *copied = malloc(size);
  return copied == NULL ? NULL : memcpy(copied, text, size);
}

void sluice_stacks_answer(uint32_t request, const struct sluice_answer *answer) {
  uv_mutex_lock(&dog.mutex);
  if (request == dog.request && dog.current != NULL && !dog.is_answered) {
    dog.stack = copy(answer->stack);
    dog.error = copy(answer->error);
    dog.phase = copy(answer->phase);
    dog.is_answered = 1;
    uv_cond_broadcast(&dog.changed);
  }
  uv_mutex_unlock(&dog.mutex);
}
