/* core_tests [NAME...]              runs these tests, or all of them
 * core_tests --replay FILE SEED     replays recorded mailbox traffic: see replay.h
 *
 * Environment: SLUICE_SEED repeats the random tests of an earlier run, SLUICE_ROUNDS makes them longer. */
#define _POSIX_C_SOURCE 200809L

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay.h"
#include "test.h"
#include "tests.h"

/* The same each time, so that a red run is a change's doing; test/soak.sh draws new ones. */
#define DEFAULT_SEED 20261121

uint64_t test_seed;
uint64_t test_rounds = 1;

void test_fail(const char *file, int line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s:%d: ", file, line);
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
  _exit(EXIT_FAILURE); /* what the test had open is not a leak to report */
}

void test_expect_equal(const char *file, int line, const char *expression, uint64_t actual, uint64_t expected) {
  if (actual == expected) return;
  test_fail(file, line, "%s is %" PRId64 " (%#" PRIx64 "), not %" PRId64 " (%#" PRIx64 ")", expression, (int64_t)actual,
            actual, (int64_t)expected, expected);
}

struct test {
  const char *name;
  void (*run)(void);
};

static const struct test tests[] = {
#define TEST_ENTRY(name) {#name, test_##name},
    TESTS(TEST_ENTRY)
#undef TEST_ENTRY
};

#define TEST_COUNT (sizeof tests / sizeof *tests)

/* In a process of its own, so that a crash is one failed test, and a leak has a name. */
static int passes(const struct test *test) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    test->run();
    exit(EXIT_SUCCESS);
  }
  int status;
  if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
    return 1;
  fprintf(stderr, "FAILED %s (SLUICE_SEED=%" PRIu64 ")\n\n", test->name, test_seed);
  return 0;
}

static int is_chosen(const char *name, int argc, char **argv) {
  if (argc == 1) return 1;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], name) == 0) return 1;
  }
  return 0;
}

static uint64_t read_number(const char *text, uint64_t otherwise) {
  return text == NULL || *text == '\0' ? otherwise : strtoull(text, NULL, 0);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "--replay") == 0) return replay_file(argv[2], read_number(argv[3], 0));
  test_seed = read_number(getenv("SLUICE_SEED"), DEFAULT_SEED);
  test_rounds = read_number(getenv("SLUICE_ROUNDS"), 1);
  printf("core tests, seed %" PRIu64 " (SLUICE_SEED repeats it)\n", test_seed);
  unsigned passed = 0, failed = 0;
  for (size_t i = 0; i < TEST_COUNT; i++) {
    if (!is_chosen(tests[i].name, argc, argv)) continue;
    if (passes(&tests[i])) passed++;
    else failed++;
  }
  fflush(stderr);
  printf("%u passed, %u failed\n", passed, failed);
  return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
