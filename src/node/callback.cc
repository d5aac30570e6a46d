#include "callback.h"

namespace sluice {

bool CallBack(napi_env env, napi_value function, size_t count, const napi_value* values) {
  napi_value receiver = nullptr;
  napi_value result = nullptr;
  if (napi_get_global(env, &receiver) != napi_ok) return false;
  napi_status status = napi_make_callback(env, nullptr, receiver, function, count, values, &result);
  bool has_thrown = false;
  if (status == napi_pending_exception && napi_is_exception_pending(env, &has_thrown) == napi_ok && has_thrown) {
    napi_value error = nullptr;
    return napi_get_and_clear_last_exception(env, &error) == napi_ok && napi_fatal_exception(env, error) == napi_ok;
  }
  bool answer = false;
  return status == napi_ok && napi_get_value_bool(env, result, &answer) == napi_ok && answer;
}

}  // namespace sluice
