#include <string.h>

#include "sluice.h"
#include "test.h"
#include "tests.h"

void test_err_names_each_error(void) {
  EXPECT(strcmp(sluice_error_name(SLUICE_OK), "OK") == 0);
  EXPECT(strcmp(sluice_error_name(SLUICE_ESTALE), "ESTALE") == 0);
  EXPECT(strcmp(sluice_error_name(-5), "EFULL") == 0);
  EXPECT(strcmp(sluice_error_name(-8), "UNKNOWN") == 0);
  EXPECT(strcmp(sluice_error_name(1), "UNKNOWN") == 0);
}
