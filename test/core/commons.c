/* src/uv/commons.c on the small libuv of the tests (uv/uv.h): what threads have in common by name. */
#include "../../src/uv/commons.c" /* NOLINT(bugprone-suspicious-include): for its data */

#include <unistd.h>

#include "rng.h"
#include "tests.h"
#include "world.h"

enum { THREADS = 3, ROUNDS = 4000, STRESS_PERMITS = 2 };

static uint64_t hrtime = SECOND;

/* libuv. */

uint64_t uv_hrtime(void) {
  return __atomic_load_n(&hrtime, __ATOMIC_RELAXED);
}

uint64_t uv_now(const uv_loop_t *loop) {
  return loop->now_ms;
}

void uv_once(uv_once_t *guard, void (*callback)(void)) {
  pthread_once(guard, callback);
}

int uv_mutex_init(uv_mutex_t *mutex) {
  return pthread_mutex_init(mutex, NULL);
}

void uv_mutex_destroy(uv_mutex_t *mutex) {
  pthread_mutex_destroy(mutex);
}

void uv_mutex_lock(uv_mutex_t *mutex) {
  pthread_mutex_lock(mutex);
}

void uv_mutex_unlock(uv_mutex_t *mutex) {
  pthread_mutex_unlock(mutex);
}

int uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb callback) {
  async->loop = loop;
  async->callback = callback;
  async->is_sent = 0;
  return pthread_mutex_init(&async->lock, NULL) | pthread_cond_init(&async->sent, NULL);
}

int uv_async_send(uv_async_t *async) {
  pthread_mutex_lock(&async->lock);
  async->is_sent = 1;
  pthread_cond_signal(&async->sent);
  pthread_mutex_unlock(&async->lock);
  return 0;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer) {
  timer->loop = loop;
  timer->timeout = UINT64_MAX;
  return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat) {
  timer->callback = callback;
  timer->timeout = timeout;
  return (int)repeat;
}

int uv_timer_stop(uv_timer_t *timer) {
  timer->timeout = UINT64_MAX;
  return 0;
}

void uv_unref(uv_handle_t *handle) {
  (void)handle;
}

void uv_close(uv_handle_t *handle, uv_close_cb callback) {
  callback(handle);
}

/* The driver. */

void sluice_driver_receive(struct sluice_driver *driver) {
  sluice_commons_deliver(driver->member);
}

void sluice__driver_on_closed(uv_handle_t *handle) {
  ((struct sluice_driver *)handle->data)->handles_open--;
}

struct thread {
  struct world world;
  uv_loop_t loop;
  struct sluice_driver driver;
  struct sluice_handle handle;
};

static void begin(struct thread *thread) {
  memset(thread, 0, sizeof *thread);
  world_init(&thread->world);
  thread->loop.now_ms = uv_hrtime() / MS;
  thread->driver.prepare.loop = &thread->loop;
  thread->driver.engine = thread->world.engine;
}

static int open_terms(struct thread *thread, const char *name, struct sluice_common_terms terms) {
  return sluice_commons_open(&thread->driver, name, strlen(name), &terms, &thread->handle);
}

static void open_permits(struct thread *thread, const char *name, uint64_t permits) {
  struct sluice_common_terms terms = {.kind = SLUICE_COMMON_SEMAPHORE, .permits = permits};
  EXPECT_EQ(open_terms(thread, name, terms), SLUICE_OK);
}

static void open_tokens(struct thread *thread, const char *name) {
  struct sluice_common_terms terms = {.kind = SLUICE_COMMON_LIMITER, .rate = {.max = 10, .per = SECOND, .burst = 1}};
  EXPECT_EQ(open_terms(thread, name, terms), SLUICE_OK);
}

static void end(struct thread *thread) {
  if (thread->driver.member != NULL) {
    sluice_commons_quit(thread->driver.member);
    EXPECT_EQ(thread->driver.handles_open, 0);
    pthread_mutex_destroy(&thread->driver.member->async.lock);
    pthread_cond_destroy(&thread->driver.member->async.sent);
    sluice_commons_free(thread->driver.member);
  }
  world_fini(&thread->world);
}

/* Whether the thread was woken since it was last asked. */
static int was_sent(struct thread *thread) {
  uv_async_t *async = &thread->driver.member->async;
  int is_sent = async->is_sent;
  async->is_sent = 0;
  return is_sent;
}

static void deliver(struct thread *thread) {
  sluice_commons_deliver(thread->driver.member);
  world_check(&thread->world);
}

static void expect_level(struct thread *thread, uint64_t available, uint64_t waiting, uint64_t held) {
  struct sluice_level level = world_semaphore_level(&thread->world, thread->handle);
  EXPECT_EQ(level.available, available);
  EXPECT_EQ(level.waiting, waiting);
  EXPECT_EQ(level.held, held);
}

void test_commons_a_name_is_one_limit_until_the_last_lets_go(void) {
  struct thread a, b;
  begin(&a);
  begin(&b);
  open_permits(&a, "one", 3);
  open_permits(&b, "one", 3);
  EXPECT_EQ(sluice_commons_count(), 1);
  EXPECT_EQ(world_acquire(&a.world, a.handle, 2, 0), SLUICE_EVENT_GRANTED);
  expect_level(&b, 1, 0, 0);
  struct sluice_common_terms other = {.kind = SLUICE_COMMON_SEMAPHORE, .permits = 4};
  EXPECT_EQ(sluice_commons_open(&b.driver, "one", 3, &other, &b.handle), SLUICE_EMISMATCH);
  EXPECT_EQ(other.permits, 3); /* what it stands for */
  other.kind = SLUICE_COMMON_MUTEX;
  EXPECT_EQ(sluice_commons_open(&b.driver, "one", 3, &other, &b.handle), SLUICE_EMISMATCH);
  EXPECT_EQ(sluice_commons_open(&b.driver, "on", 2, &other, &b.handle), SLUICE_OK); /* another */
  EXPECT_EQ(sluice_commons_count(), 2);
  end(&b);
  EXPECT_EQ(sluice_commons_count(), 1);
  uint64_t in_use;
  EXPECT_EQ(sluice_semaphore_close(a.world.engine, a.handle, &in_use), SLUICE_OK);
  EXPECT_EQ(sluice_commons_count(), 0);
  other = (struct sluice_common_terms){.kind = SLUICE_COMMON_SEMAPHORE, .permits = 0};
  EXPECT_EQ(sluice_commons_open(&a.driver, "one", 3, &other, &a.handle), SLUICE_EINVAL);
  EXPECT_EQ(sluice_commons_count(), 0);
  end(&a);
}

/* The word beside the lock: whoever goes by it, the core counts the same once somebody has to wait. */
void test_commons_the_word_and_the_line_count_the_same(void) {
  struct thread a, b;
  begin(&a);
  begin(&b);
  open_permits(&a, "word", 4);
  open_permits(&b, "word", 4);
  for (int i = 0; i < 2; i++) {
    EXPECT_EQ(world_acquire(&a.world, a.handle, 2, 0), SLUICE_EVENT_GRANTED);
    EXPECT_EQ(sluice_take(b.world.engine, b.handle), 1);
    struct sluice_handle heavy = world_await_permits(&b.world, b.handle, 3);
    EXPECT_EQ(sluice_take(a.world.engine, a.handle), 0); /* one is free, and somebody waits */
    expect_level(&a, 0, 1, 2);
    world_give(&a.world, a.handle, 1);
    EXPECT(!was_sent(&b));
    world_give(&a.world, a.handle, 1);
    EXPECT(was_sent(&b));
    EXPECT_NOTHING_HANDED(&b.world);
    deliver(&b);
    EXPECT_HANDED(&b.world, SLUICE_EVENT_GRANTED, heavy);
    expect_level(&b, 0, 0, 4);
    world_give(&b.world, b.handle, 4);
    expect_level(&a, 4, 0, 0);
    EXPECT(!was_sent(&a) && !was_sent(&b));
  }
  EXPECT_EQ(world_acquire(&a.world, a.handle, 4, 0), SLUICE_EVENT_GRANTED);
  world_resize(&b.world, b.handle, 2);
  world_give(&a.world, a.handle, 3); /* one too many was out, and is not any more */
  expect_level(&b, 1, 0, 0);
  EXPECT_EQ(sluice_take(b.world.engine, b.handle), 1);
  EXPECT_EQ(sluice_take(b.world.engine, b.handle), 0);
  end(&b);
  end(&a);
}

void test_commons_a_thread_that_ends_gives_everything_back(void) {
  struct thread a, b;
  begin(&a);
  begin(&b);
  open_permits(&a, "gone", 3);
  open_permits(&b, "gone", 3);
  EXPECT_EQ(world_acquire(&a.world, a.handle, 2, 0), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(world_acquire(&b.world, b.handle, 1, 0), SLUICE_EVENT_GRANTED);
  world_await_permits(&a.world, a.handle, 3);
  struct sluice_handle waiter = world_await_permits(&b.world, b.handle, 2);
  end(&a);
  EXPECT(was_sent(&b));
  deliver(&b);
  EXPECT_HANDED(&b.world, SLUICE_EVENT_GRANTED, waiter);
  expect_level(&b, 0, 0, 3);
  end(&b);
  EXPECT_EQ(sluice_commons_count(), 0);
}

static void fire(struct thread *thread, uint64_t now) {
  uv_timer_t *timer = &thread->driver.member->timer;
  hrtime = now;
  thread->loop.now_ms = now / MS;
  EXPECT(timer->timeout != UINT64_MAX);
  timer->timeout = UINT64_MAX;
  timer->callback(timer);
  world_check(&thread->world);
}

/* The first of the line looks after the time; where its thread is stuck, another does, a little later. */
void test_commons_a_deputy_sees_to_the_time_of_who_is_stuck(void) {
  struct thread a, b;
  begin(&a);
  begin(&b);
  open_tokens(&a, "rate");
  open_tokens(&b, "rate");
  EXPECT_EQ(world_draw(&a.world, a.handle, 1, 0), SLUICE_EVENT_GRANTED);
  struct sluice_handle first = world_await_tokens(&a.world, a.handle, 1);
  struct sluice_handle second = world_await_tokens(&b.world, b.handle, 1);
  deliver(&a);
  deliver(&b);
  EXPECT_EQ(a.driver.member->timer.timeout, 100);
  EXPECT_EQ(b.driver.member->timer.timeout, 105);
  fire(&b, hrtime + 105 * MS);
  EXPECT(was_sent(&a)); /* it was its turn */
  EXPECT_NOTHING_HANDED(&b.world);
  EXPECT_EQ(b.driver.member->timer.timeout, 100); /* b is the first now */
  fire(&b, hrtime + 100 * MS);
  EXPECT_HANDED(&b.world, SLUICE_EVENT_GRANTED, second);
  EXPECT_EQ(b.driver.member->timer.timeout, UINT64_MAX);
  deliver(&a);
  EXPECT_HANDED(&a.world, SLUICE_EVENT_GRANTED, first);
  EXPECT_EQ(a.driver.member->timer.timeout, UINT64_MAX);
  end(&a);
  end(&b);
}

/* Real threads. */

static uint64_t inside; /* permits that are out, as those say who have them */

static void work(uint64_t weight) {
  uint64_t most = __atomic_add_fetch(&inside, weight, __ATOMIC_ACQ_REL);
  EXPECT(most <= STRESS_PERMITS);
  __atomic_sub_fetch(&inside, weight, __ATOMIC_ACQ_REL);
}

static void await_news(struct thread *thread) {
  uv_async_t *async = &thread->driver.member->async;
  pthread_mutex_lock(&async->lock);
  while (!async->is_sent && __atomic_load_n(&thread->driver.member->has_news, __ATOMIC_ACQUIRE) == 0)
    pthread_cond_wait(&async->sent, &async->lock);
  async->is_sent = 0;
  pthread_mutex_unlock(&async->lock);
  deliver(thread);
}

static void run_thread(struct thread *thread, struct sluice__rng *rng) {
  struct world *world = &thread->world;
  uint64_t weight = 1 + sluice__rng_up_to(rng, STRESS_PERMITS - 1);
  if (world_acquire(world, thread->handle, weight, SLUICE_NEVER) == SLUICE_EVENT_NONE) {
    struct sluice_handle waiter = world->decision.lane;
    if (sluice__rng_up_to(rng, 3) == 0) {
      world_withdraw(world, waiter);
      return;
    }
    while (!sluice_has_handed(world->engine)) await_news(thread);
    EXPECT_HANDED(world, SLUICE_EVENT_GRANTED, waiter);
  }
  work(weight);
  if (sluice__rng_up_to(rng, 99) == 0) { /* with what it holds */
    uint64_t in_use;
    EXPECT_EQ(sluice_semaphore_close(world->engine, thread->handle, &in_use), SLUICE_OK);
    EXPECT_EQ(in_use, weight);
    open_permits(thread, "stress", STRESS_PERMITS);
    return;
  }
  world_give(world, thread->handle, weight);
}

static void *run_threads(void *seed) {
  struct thread thread;
  struct sluice__rng rng;
  sluice__rng_init(&rng, *(uint64_t *)seed);
  begin(&thread);
  open_permits(&thread, "stress", STRESS_PERMITS);
  for (uint64_t i = 0; i < ROUNDS * test_rounds; i++) run_thread(&thread, &rng);
  end(&thread);
  return NULL;
}

/* Never more inside than there are permits, nobody left waiting, and nothing left in the end. */
void test_commons_hold_among_real_threads(void) {
  pthread_t threads[THREADS];
  uint64_t seeds[THREADS];
  alarm(240 * (unsigned)test_rounds); /* who waits for ever fails */
  for (int i = 0; i < THREADS; i++) {
    seeds[i] = test_seed + (uint64_t)i;
    EXPECT_EQ(pthread_create(&threads[i], NULL, run_threads, &seeds[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  EXPECT_EQ(sluice_commons_count(), 0);
}
