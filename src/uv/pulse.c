/* The loop's side of the watchdog: two marks a turn, which its thread looks at.
 *
 *   timers -> idle -> PREPARE -> poll (asleep, then callbacks) -> CHECK -> immediates, closing -> timers ...
 *
 * A mark is the time, and where the loop is. The thread sees a loop that sleeps in poll by uv_metrics_idle_time, which
 * grows meanwhile. Both handles are unreferenced, and started only while somebody watches.
 *
 * The trap: thread and loop each write one word and then read the other's (the thread: is_stuck, then tick; the loop:
 * tick, then is_stuck). With anything weaker than sequential consistency both might miss, and a block would never end.
 */
#include <stdlib.h>

#include "watchdog_internal.h"

#define SET(pulse, word, value) atomic_store_explicit(&(pulse)->word, (value), memory_order_relaxed)

static void mark(struct sluice_pulse *pulse, enum sluice__phase phase) {
  uint64_t now = uv_hrtime();
  SET(pulse, phase, (uint32_t)phase);
  atomic_store(&pulse->tick, now);
  if (atomic_load(&pulse->is_stuck)) sluice__watchdog_moved(pulse, now);
}

static void on_prepare(uv_prepare_t *prepare) {
  struct sluice_pulse *pulse = prepare->data;
  struct sluice_usage usage;
  sluice_measure(pulse->setup.driver->engine, &usage);
  SET(pulse, jobs, usage.jobs);
  SET(pulse, lanes, usage.lanes);
  SET(pulse, waiters, usage.waiters);
  SET(pulse, idle_time, uv_metrics_idle_time(prepare->loop));
  mark(pulse, SLUICE__PHASE_POLL);
}

static void on_check(uv_check_t *check) {
  mark(check->data, SLUICE__PHASE_CHECK);
}

static void on_async(uv_async_t *async) {
  struct sluice_pulse *pulse = async->data;
  pulse->setup.resumed(pulse->setup.data);
}

struct sluice_pulse *sluice_pulse_new(const struct sluice_pulse_setup *setup) {
  struct sluice_pulse *pulse = calloc(1, sizeof *pulse);
  if (pulse == NULL) return NULL;
  pulse->setup = *setup;
  if (uv_async_init(setup->loop, &pulse->async, on_async) != 0) {
    free(pulse);
    return NULL;
  }
  uv_prepare_init(setup->loop, &pulse->prepare);
  uv_check_init(setup->loop, &pulse->check);
  pulse->prepare.data = pulse->check.data = pulse->async.data = pulse;
  pulse->handles_open = 3;
  uv_unref((uv_handle_t *)&pulse->prepare);
  uv_unref((uv_handle_t *)&pulse->check);
  uv_unref((uv_handle_t *)&pulse->async);
  return pulse;
}

void sluice_pulse_touch(struct sluice_pulse *pulse) {
  SET(pulse, idle_time, uv_metrics_idle_time(pulse->setup.loop));
  mark(pulse, SLUICE__PHASE_START);
}

void sluice__pulse_start(struct sluice_pulse *pulse) {
  sluice_pulse_touch(pulse);
  uv_prepare_start(&pulse->prepare, on_prepare);
  uv_check_start(&pulse->check, on_check);
}

void sluice__pulse_stop(struct sluice_pulse *pulse) {
  uv_prepare_stop(&pulse->prepare);
  uv_check_stop(&pulse->check);
}

static void on_closed(uv_handle_t *handle) {
  struct sluice_pulse *pulse = handle->data;
  if (--pulse->handles_open > 0) return;
  struct sluice_report *report;
  while ((report = pulse->finished) != NULL) {
    pulse->finished = report->next;
    sluice_report_free(report);
  }
  pulse->setup.closed(pulse->setup.data);
  free(pulse);
}

void sluice_pulse_close(struct sluice_pulse *pulse) {
  sluice__watchdog_stop_all(pulse);
  uv_close((uv_handle_t *)&pulse->prepare, on_closed);
  uv_close((uv_handle_t *)&pulse->check, on_closed);
  uv_close((uv_handle_t *)&pulse->async, on_closed);
}

void sluice_report_free(struct sluice_report *report) {
  free(report->text);
  free(report);
}
