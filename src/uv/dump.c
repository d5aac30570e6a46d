#include "dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef _WIN32
#include <signal.h>
#endif

#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif

struct sluice_dump {
  uv_thread_t thread;
  uv_loop_t loop;
  uv_signal_t signal;
  uv_async_t stop;
  struct sluice_flight *flight;
  char *path;
  char *fresh;           /* the path beside it */
  uint32_t is_cancelled; /* atomic. It is to end, whoever it waits for */
};

static void complain(const struct sluice_dump *dump, const char *what, int error) {
  char text[512];
  int length =
      snprintf(text, sizeof text, "sluice: %s was not written: %s: %s\n", dump->path, what, uv_strerror(error));
  size_t size = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
  if (write(STDERR_FILENO, text, size) < 0) return; /* nor was this */
}

static int last_error(void) {
  return uv_translate_sys_error(errno);
}

/* A device, say: nothing may take its place, or /dev/null would be a file from then on. */
static int is_special(const char *path) {
  struct stat about;
  return stat(path, &about) == 0 && !S_ISREG(about.st_mode);
}

/* A pipe that nobody reads is an error; one that is read slowly is waited for. */
static int open_special(const char *path) {
  return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static void on_signal(uv_signal_t *signal, int number) {
  struct sluice_dump *dump = signal->data;
  (void)number;
  int is_in_place = is_special(dump->path);
  const char *target = is_in_place ? dump->path : dump->fresh;
  int fd = is_in_place ? open_special(target) : open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    complain(dump, target, last_error());
    return;
  }
  int error = sluice_flight_write(dump->flight, fd, &dump->is_cancelled);
  const char *what = error == UV_ENOENT ? "nothing was recorded" : "write";
  if (close(fd) != 0 && error == 0) error = last_error();
  if (error == 0 && !is_in_place && rename(dump->fresh, dump->path) != 0) {
    what = "rename";
    error = last_error();
  }
  if (error == 0) return;
  complain(dump, what, error);
  if (!is_in_place) unlink(dump->fresh);
}

static void on_stop(uv_async_t *stop) {
  struct sluice_dump *dump = stop->data;
  uv_close((uv_handle_t *)&dump->signal, NULL);
  uv_close((uv_handle_t *)&dump->stop, NULL);
}

static void run(void *data) {
  struct sluice_dump *dump = data;
  uv_run(&dump->loop, UV_RUN_DEFAULT);
}

/* Signals are for the threads that Node knows. */
static int create_thread(struct sluice_dump *dump) {
#ifdef _WIN32
  return uv_thread_create(&dump->thread, run, dump);
#else
  sigset_t all, former;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  int error = uv_thread_create(&dump->thread, run, dump);
  pthread_sigmask(SIG_SETMASK, &former, NULL);
  return error;
#endif
}

static void free_dump(struct sluice_dump *dump) {
  free(dump->path);
  free(dump->fresh);
  free(dump);
}

/* The loop is this thread's before the other runs it, and behind that again. */
static int start(struct sluice_dump *dump, int number) {
  int error = uv_loop_init(&dump->loop);
  if (error != 0) return error;
  uv_signal_init(&dump->loop, &dump->signal);
  dump->signal.data = dump->stop.data = dump;
  error = uv_async_init(&dump->loop, &dump->stop, on_stop);
  if (error != 0) {
    uv_close((uv_handle_t *)&dump->signal, NULL);
  } else {
    error = uv_signal_start(&dump->signal, on_signal, number);
    if (error == 0) error = create_thread(dump);
    if (error == 0) return 0;
    on_stop(&dump->stop);
  }
  uv_run(&dump->loop, UV_RUN_DEFAULT);
  uv_loop_close(&dump->loop);
  return error;
}

/* Several threads, or processes, may write to one path: each has a file of its own beside it. */
#define ENDING_SIZE 48
static int name_fresh(char *fresh, size_t size, const char *path) {
  static unsigned count;
  unsigned number = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
  int length = snprintf(fresh, size, "%s.%d-%u.part", path, (int)uv_os_getpid(), number);
  return length > 0 && (size_t)length < size;
}

int sluice_dump_start(struct sluice_flight *flight, int signal, const char *path, struct sluice_dump **made) {
  struct sluice_dump *dump = calloc(1, sizeof *dump);
  if (dump == NULL) return UV_ENOMEM;
  size_t length = strlen(path);
  dump->flight = flight;
  dump->path = malloc(length + 1);
  dump->fresh = malloc(length + ENDING_SIZE);
  int error = UV_ENOMEM;
  if (dump->path != NULL && dump->fresh != NULL) {
    memcpy(dump->path, path, length + 1);
    error = name_fresh(dump->fresh, length + ENDING_SIZE, path) ? start(dump, signal) : UV_EINVAL;
  }
  if (error != 0) free_dump(dump);
  else *made = dump;
  return error;
}

void sluice_dump_stop(struct sluice_dump *dump) {
  __atomic_store_n(&dump->is_cancelled, 1, __ATOMIC_RELAXED);
  uv_async_send(&dump->stop);
  uv_thread_join(&dump->thread);
  uv_loop_close(&dump->loop);
  free_dump(dump);
}
