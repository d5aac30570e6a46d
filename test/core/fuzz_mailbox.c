/* libFuzzer on the mailbox: see fuzz.sh. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "test.h"

uint64_t test_seed = 1;
uint64_t test_rounds = 1;

void test_fail(const char *file, int line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s:%d: ", file, line);
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
  abort();
}

void test_expect_equal(const char *file, int line, const char *expression, uint64_t actual, uint64_t expected) {
  if (actual == expected) return;
  test_fail(file, line, "%s is %" PRId64 ", not %" PRId64, expression, (int64_t)actual, (int64_t)expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  fuzz_mailbox_traffic(bytes, size, 0xa5);
  return 0;
}
