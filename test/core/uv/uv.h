/* As much of libuv as src/uv/commons.c needs, for its tests without Node: locks are real, time is the test's, and who
 * is woken is a flag, and a condition to wait for. */
#ifndef SLUICE_TEST_UV_H
#define SLUICE_TEST_UV_H

#include <pthread.h>
#include <stdint.h>

typedef struct uv_loop_s {
  uint64_t now_ms;
} uv_loop_t;

typedef struct uv_handle_s {
  void *data;
  uv_loop_t *loop;
} uv_handle_t;
typedef uv_handle_t uv_prepare_t, uv_check_t, uv_idle_t;
typedef void (*uv_close_cb)(uv_handle_t *handle);

typedef struct uv_async_s uv_async_t;
typedef void (*uv_async_cb)(uv_async_t *async);
struct uv_async_s {
  void *data;
  uv_loop_t *loop;
  uv_async_cb callback;
  pthread_mutex_t lock;
  pthread_cond_t sent;
  int is_sent;
};

typedef struct uv_timer_s uv_timer_t;
typedef void (*uv_timer_cb)(uv_timer_t *timer);
struct uv_timer_s {
  void *data;
  uv_loop_t *loop;
  uv_timer_cb callback;
  uint64_t timeout; /* ms from the loop's now; UINT64_MAX: it is stopped */
};

typedef pthread_mutex_t uv_mutex_t;
typedef pthread_once_t uv_once_t;
#define UV_ONCE_INIT PTHREAD_ONCE_INIT

uint64_t uv_hrtime(void);
uint64_t uv_now(const uv_loop_t *loop);
void uv_once(uv_once_t *guard, void (*callback)(void));
int uv_mutex_init(uv_mutex_t *mutex);
void uv_mutex_destroy(uv_mutex_t *mutex);
void uv_mutex_lock(uv_mutex_t *mutex);
void uv_mutex_unlock(uv_mutex_t *mutex);
int uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb callback);
int uv_async_send(uv_async_t *async);
int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer);
int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat);
int uv_timer_stop(uv_timer_t *timer);
void uv_unref(uv_handle_t *handle);
void uv_close(uv_handle_t *handle, uv_close_cb callback);

#endif
