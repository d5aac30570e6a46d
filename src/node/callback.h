// How a uv callback calls into JavaScript.
#ifndef SLUICE_CALLBACK_H
#define SLUICE_CALLBACK_H

#include <napi.h>

namespace sluice {

// Calls `function` with `count` values and returns whether it has answered true, or has thrown: that is an uncaught
// exception. Where no JavaScript runs any more, as in a terminating worker, false. A handle scope of the caller's is
// open. It runs nextTicks and microtasks before it returns, in no async context of ours.
bool CallBack(napi_env env, napi_value function, size_t count, const napi_value* values);

}  // namespace sluice

#endif
