#include "sluice.h"

const char *sluice_error_name(int error) {
  switch (error) {
#define SLUICE_ERROR_NAME(name, number, text) \
  case number: \
    return #name;
    SLUICE_ERRORS(SLUICE_ERROR_NAME)
#undef SLUICE_ERROR_NAME
    case SLUICE_OK:
      return "OK";
    default:
      return "UNKNOWN";
  }
}
