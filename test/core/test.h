/* The runner: each test is a function in its own process, listed in tests.h. A failed expectation ends its process. */
#ifndef SLUICE_TEST_H
#define SLUICE_TEST_H

#include <inttypes.h>
#include <stdint.h>

/* What random tests start from: SLUICE_SEED, or the time. */
extern uint64_t test_seed;
/* How often random tests go round, in their own unit: SLUICE_ROUNDS, or 1. */
extern uint64_t test_rounds;

/* Prints "file:line: message" and ends the test. */
_Noreturn void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void test_expect_equal(const char *file, int line, const char *expression, uint64_t actual, uint64_t expected);

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define EXPECT(condition) \
  do { \
    if (!(condition)) FAIL("%s", #condition); \
  } while (0)
/* Integers and enums of any kind; negative ones too. */
#define EXPECT_EQ(actual, expected) \
  test_expect_equal(__FILE__, __LINE__, #actual, (uint64_t)(int64_t)(actual), (uint64_t)(int64_t)(expected))

#endif
