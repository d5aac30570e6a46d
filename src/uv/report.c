/* What is said of a loop that is stuck: one line of JSON, written by the watchdog's thread. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "watchdog_internal.h"

#define NS_PER_MS 1e6
#define NS_PER_TENTH 100000 /* of a millisecond */
#define WRITE_MAX_MS 200
/* What a pipe that has room for anything has room for. */
#define CHUNK 4096

/* A text that grows; once memory has run out it stays as it is. */
struct text {
  char *bytes;
  size_t length;
  size_t size;
  int has_failed;
};

static char *reserve(struct text *text, size_t more) {
  if (text->has_failed) return NULL;
  if (text->size - text->length <= more) {
    size_t size = (text->length + more) * 2 + 512;
    char *bytes = realloc(text->bytes, size);
    if (bytes == NULL) {
      text->has_failed = 1;
      return NULL;
    }
    text->bytes = bytes;
    text->size = size;
  }
  return text->bytes + text->length;
}

static void put(struct text *text, const char *bytes) {
  size_t length = strlen(bytes);
  char *end = reserve(text, length);
  if (end == NULL) return;
  memcpy(end, bytes, length + 1);
  text->length += length;
}

/* Of whole numbers and short texts: 255 bytes at most. */
__attribute__((format(printf, 2, 3))) static void print(struct text *text, const char *format, ...) {
  char piece[256];
  va_list values;
  va_start(values, format);
  /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is started in the line above */
  int length = vsnprintf(piece, sizeof piece, format, values);
  va_end(values);
  if (length > 0) put(text, piece);
}

static void put_string(struct text *text, const char *utf8, size_t length) {
  put(text, "\"");
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)utf8[i];
    char plain[2] = {utf8[i], '\0'};
    if (byte == '"' || byte == '\\') print(text, "\\%c", byte);
    else if (byte < 0x20) print(text, "\\u%04x", byte);
    else put(text, plain);
  }
  put(text, "\"");
}

/* ISO 8601 of milliseconds since 1970, as Date#toISOString writes it. (gmtime() is not every platform's to call from
 * any thread.) */
static void put_time(struct text *text, int64_t epoch_ms) {
  int64_t days = epoch_ms / 86400000;
  int64_t ms = epoch_ms % 86400000;
  /* The civil calendar in eras of 400 years, whose years begin in March. */
  int64_t z = days + 719468;
  int64_t era = z / 146097;
  int64_t day_of_era = z % 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month_from_march = (5 * day_of_year + 2) / 153;
  int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  int64_t year = era * 400 + year_of_era + (month <= 2);
  print(text, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", (int)year, (int)month, (int)day, (int)(ms / 3600000),
        (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

/* Nanoseconds as milliseconds. Without printf's: an addon may have set a locale that writes a comma. */
static void put_ms(struct text *text, uint64_t ns) {
  uint64_t whole = ns / 1000000;
  uint64_t rest = ns % 1000000;
  int digits = 6;
  for (; digits > 0 && rest % 10 == 0; digits--) rest /= 10;
  print(text, "%" PRIu64, whole);
  if (digits > 0) print(text, ".%0*" PRIu64, digits, rest);
}

static int64_t wall_clock_ms(void) {
  uv_timeval64_t now;
  uv_gettimeofday(&now);
  return now.tv_sec * 1000 + now.tv_usec / 1000;
}

#define LOAD(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

/* Whose function is on the stack. */
struct on_stack {
  int32_t lane; /* as in sluice_running; 0: nobody's */
  struct sluice_handle job;
  uint32_t attempt;
  double item;
};

/* In a granted run a lane goes from item to item without a START: then its word in the grants is another than what was
 * noted, and it is at the first attempt. */
static void read_lane(const struct sluice_pulse_setup *setup, struct on_stack *found) {
  uint32_t slot = (uint32_t)(found->lane - 1);
  const struct sluice_running_row *row = &setup->running->rows[slot % SLUICE_RUNNING_ROWS];
  if (LOAD(row->lane) != found->lane) { /* it was started before anybody watched */
    found->lane = 0;
    return;
  }
  found->job.slot = (uint32_t)LOAD(row->job);
  found->job.generation = (uint32_t)LOAD(row->generation);
  found->attempt = (uint32_t)LOAD(row->attempt);
  __atomic_load(&row->item, &found->item, __ATOMIC_RELAXED);
  if (slot >= SLUICE_GRANT_LANES || found->item >= SLUICE_GRANT_NONE) return;
  int32_t granted = LOAD(setup->driver->mailbox->grants.item[slot]);
  if (granted == (int32_t)found->item) return;
  found->item = granted;
  found->attempt = 1;
}

static void read_on_stack(const struct sluice_pulse_setup *setup, struct on_stack *found) {
  memset(found, 0, sizeof *found);
  found->lane = LOAD(setup->running->on_stack);
  if (found->lane > 0) {
    read_lane(setup, found);
  } else if (found->lane < 0) {
    found->job = (struct sluice_handle){UINT32_MAX, (uint32_t)LOAD(setup->running->call)};
    found->attempt = 1;
  }
}

static void put_job(struct text *text, const struct sluice_pulse_setup *setup) {
  struct on_stack found, again;
  char name[SLUICE_NAME_SIZE];
  read_on_stack(setup, &found);
  read_on_stack(setup, &again);
  /* Where they differ, many short calls follow each other, and none of them is to blame. */
  int is_same = found.lane == again.lane && found.job.slot == again.job.slot &&
                found.job.generation == again.job.generation && found.attempt == again.attempt &&
                found.item == again.item;
  if (found.lane == 0 || !is_same) {
    put(text, "null");
    return;
  }
  put(text, "{\"label\":");
  int length = sluice_names_get(setup->names, found.job, name, sizeof name);
  if (length > 0) put_string(text, name, (size_t)length);
  else put(text, "null");
  print(text, ",\"item\":%.0f,\"attempt\":%u}", found.item, found.attempt);
}

char *sluice__report_text(const struct sluice_watch *watch, uint64_t blocked, const struct sluice_answer *answer) {
  static const char *const phases[] = {"\"start\"", "\"poll\"", "\"check\""};
  struct sluice_pulse *pulse = watch->pulse;
  struct text text = {NULL, 0, 0, 0};
  int64_t now = wall_clock_ms();
  const char *phase = answer->phase;
  uint32_t marked = atomic_load_explicit(&pulse->phase, memory_order_relaxed);
  if (phase == NULL) phase = phases[marked];
  put(&text, "{\"event\":\"loop-blocked\",\"time\":");
  put_time(&text, now);
  put(&text, ",\"since\":");
  put_time(&text, now - (int64_t)((double)blocked / NS_PER_MS));
  put(&text, ",\"blockedFor\":");
  put_ms(&text, blocked - blocked % NS_PER_TENTH);
  put(&text, ",\"threshold\":");
  put_ms(&text, watch->setup.threshold);
  print(&text, ",\"pid\":%d,\"thread\":%u,\"phase\":%s,\"job\":", (int)uv_os_getpid(), watch->setup.thread, phase);
  put_job(&text, &pulse->setup);
  print(&text, ",\"open\":{\"jobs\":%u,\"lanes\":%u,\"waiters\":%u},\"stack\":",
        atomic_load_explicit(&pulse->jobs, memory_order_relaxed),
        atomic_load_explicit(&pulse->lanes, memory_order_relaxed),
        atomic_load_explicit(&pulse->waiters, memory_order_relaxed));
  put(&text, answer->stack);
  put(&text, ",\"stackError\":");
  put(&text, answer->error);
  put(&text, "}\n");
  if (!text.has_failed) return text.bytes;
  free(text.bytes);
  return NULL;
}

static int64_t write_some(uv_file file, char *bytes, size_t length) {
  uv_buf_t buffer = uv_buf_init(bytes, (unsigned)length);
  uv_fs_t request;
  int64_t written = uv_fs_write(NULL, &request, file, &buffer, 1, -1, NULL);
  uv_fs_req_cleanup(&request);
  return written;
}

#ifdef _WIN32
size_t sluice__report_write(uv_file file, char *text, size_t length) {
  int64_t written = write_some(file, text, length);
  return written < 0 ? length : length - (size_t)written;
}

int sluice__report_is_traced(void) {
  return 0;
}
#else
static int is_regular(uv_file file) {
  struct stat status;
  return fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}

size_t sluice__report_write(uv_file file, char *text, size_t length) {
  size_t chunk = is_regular(file) ? length : CHUNK;
  uint64_t end = uv_hrtime() + (uint64_t)(WRITE_MAX_MS * NS_PER_MS);
  while (length > 0) {
    struct pollfd writable = {file, POLLOUT, 0};
    uint64_t now = uv_hrtime();
    if (now >= end) break;
    if (poll(&writable, 1, (int)((double)(end - now) / NS_PER_MS) + 1) <= 0) continue;
    int64_t written = write_some(file, text, length < chunk ? length : chunk);
    if (written < 0 && written != UV_EAGAIN) break;
    if (written < 0) continue;
    text += written;
    length -= (size_t)written;
  }
  return length;
}

int sluice__report_is_traced(void) {
  char status[4096]; /* the line stands near the beginning; there is such a file on Linux only */
  int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, status, sizeof status - 1);
  close(file);
  if (length <= 0) return 0;
  status[length] = '\0';
  const char *line = strstr(status, "\nTracerPid:");
  return line != NULL && strtol(line + sizeof "\nTracerPid:" - 1, NULL, 10) != 0;
}
#endif
