// The boundary: one argument-less function per operation of the mailbox, and the names of its words.
//
// A thread may be ended at any line of a native call: from then on all that might run JavaScript fails, without an
// exception. node-addon-api answers with an empty value then, and ends the process where that is used. So whatever
// takes arguments takes plain ones, in As<>: nothing is coerced (ToNumber), and nothing read off an object (Get).
#include "environment.h"
#include "recorder.h"
#include "watch.h"

namespace sluice {

namespace {

// The first engine's functions are found by the environment alone, without napi_get_cb_info: that alone would double
// the 10 ns of a call. Those of further ones carry their engine as data.

napi_value Step(napi_env env, napi_callback_info) {
  sluice_driver_step(&Environment::Of(env)->first->driver);
  return nullptr;
}

napi_value Take(napi_env env, napi_callback_info) {
  sluice_driver_take(&Environment::Of(env)->first->driver);
  return nullptr;
}

napi_value Put(napi_env env, napi_callback_info) {
  sluice_driver_put(&Environment::Of(env)->first->driver);
  return nullptr;
}

napi_value Note(napi_env env, napi_callback_info) {
  sluice_driver_note(&Environment::Of(env)->first->driver);
  return nullptr;
}

template <sluice_operation operation>
napi_value Call(napi_env env, napi_callback_info) {
  sluice_driver_call(&Environment::Of(env)->first->driver, operation);
  return nullptr;
}

Instance* InstanceOf(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return static_cast<Instance*>(data);
}

napi_value NoteFurther(napi_env env, napi_callback_info info) {
  sluice_driver_note(&InstanceOf(env, info)->driver);
  return nullptr;
}

template <sluice_operation operation>
napi_value CallFurther(napi_env env, napi_callback_info info) {
  sluice_driver_call(&InstanceOf(env, info)->driver, operation);
  return nullptr;
}

void Rehearse(const Napi::CallbackInfo& info) { static_cast<Instance*>(info.Data())->Rehearse(info); }

void Share(const Napi::CallbackInfo& info) { static_cast<Instance*>(info.Data())->Share(info); }

// Test only: how many names stand for a limit, in the whole process.
Napi::Value SharedCount(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(sluice_commons_count()));
}

// Test only: what was recorded since rehearse(), as struct sluice_trace_entry.
Napi::Value Recorded(const Napi::CallbackInfo& info) {
  size_t size = 0;
  const void* entries = sluice_driver_recorded(&static_cast<Instance*>(info.Data())->driver, &size);
  return Napi::Buffer<char>::Copy(info.Env(), static_cast<const char*>(entries), size);
}

Napi::Value Usage(const Napi::CallbackInfo& info) {
  sluice_usage usage{};
  sluice_measure(static_cast<Instance*>(info.Data())->driver.engine, &usage);
  auto object = Napi::Object::New(info.Env());
  object["jobs"] = usage.jobs;
  object["lanes"] = usage.lanes;
  object["waiters"] = usage.waiters;
  object["semaphores"] = usage.semaphores;
  object["limiters"] = usage.limiters;
  object["waiterSize"] = usage.waiter_size;
  object["laneSize"] = usage.lane_size;
  object["jobSize"] = usage.job_size;
  object["memory"] = static_cast<double>(usage.memory);
  return object;
}

// nameJob(slot, generation, name): for whoever looks at the job from outside.
void NameJob(const Napi::CallbackInfo& info) {
  sluice_handle job = {info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value()};
  std::string name = info[2].As<Napi::String>().Utf8Value();
  sluice_names_set(static_cast<Instance*>(info.Data())->names, job, name.data(), name.size());
}

void Export(Napi::Env env, Napi::Object exports, const char* name, napi_callback callback, Instance* instance) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, instance, &function) == napi_ok)
    exports.Set(name, Napi::Value(env, function));
}

// attach(mailbox, wake): opens an engine, and returns its operations and what tests need of it.
Napi::Value Attach(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment* environment = Environment::Of(env);
  Instance* instance = environment->Attach(info);
  if (instance == nullptr) return env.Undefined();
  bool is_first = instance == environment->first;
  auto operations = Napi::Object::New(env);
#define SLUICE_EXPORT(name, number) \
  Export(env, operations, #name, is_first ? Call<SLUICE_OPERATION_##name> : CallFurther<SLUICE_OPERATION_##name>, \
         instance);
  SLUICE_MAILBOX_OPERATIONS(SLUICE_EXPORT)
#undef SLUICE_EXPORT
  if (is_first) {
    Export(env, operations, "STEP", Step, instance);
    Export(env, operations, "TAKE", Take, instance);
    Export(env, operations, "PUT", Put, instance);
  }
  auto attached = Napi::Object::New(env);
  Export(env, attached, "note", is_first ? Note : NoteFurther, instance);
  attached["operations"] = operations;
  attached["share"] = Napi::Function::New<Share>(env, "share", instance);
  attached["sharedCount"] = Napi::Function::New<SharedCount>(env, "sharedCount", instance);
  attached["rehearse"] = Napi::Function::New<Rehearse>(env, "rehearse", instance);
  attached["recorded"] = Napi::Function::New<Recorded>(env, "recorded", instance);
  attached["nameJob"] = Napi::Function::New<NameJob>(env, "nameJob", instance);
  attached["recorder"] = RecorderOf(env, instance);
  attached["usage"] = Napi::Function::New<Usage>(env, "usage", instance);
  ExportWatch(env, attached, instance);
  return attached;
}

Napi::Object Names(Napi::Env env) {
  auto names = Napi::Object::New(env);
  auto ints = Napi::Object::New(env);
#define SLUICE_NAME(name, number) ints[#name] = number;
  SLUICE_MAILBOX_INTS(SLUICE_NAME)
#undef SLUICE_NAME
  auto doubles = Napi::Object::New(env);
#define SLUICE_NAME(name, number) doubles[#name] = number;
  SLUICE_MAILBOX_DOUBLES(SLUICE_NAME)
#undef SLUICE_NAME
  auto errors = Napi::Object::New(env);
#define SLUICE_NAME(name, number, text) errors[std::to_string(number)] = #name ": " text;
  SLUICE_ERRORS(SLUICE_NAME)
#undef SLUICE_NAME
  names["ints"] = ints;
  names["doubles"] = doubles;
  names["errors"] = errors;
  names["bytes"] = sizeof(sluice_mailbox);
  // Indices of 32-bit words, like the ints above.
  auto grants = Napi::Object::New(env);
  grants["jobs"] = offsetof(sluice_mailbox, grants.next_item) / sizeof(int32_t);
  grants["jobCount"] = SLUICE_GRANT_JOBS;
  grants["lanes"] = offsetof(sluice_mailbox, grants.item) / sizeof(int32_t);
  grants["laneCount"] = SLUICE_GRANT_LANES;
  names["grants"] = grants;
  auto running = Napi::Object::New(env);
  running["ON_STACK"] = offsetof(sluice_running, on_stack) / sizeof(int32_t);
  running["CALL"] = offsetof(sluice_running, call) / sizeof(int32_t);
  running["IS_DEBUGGED"] = offsetof(sluice_running, is_debugged) / sizeof(int32_t);
  running["ROWS"] = offsetof(sluice_running, rows) / sizeof(int32_t);
  running["rowWords"] = sizeof(sluice_running_row) / sizeof(int32_t);
  running["rowCount"] = SLUICE_RUNNING_ROWS;
  running["bytes"] = sizeof(sluice_running);
  names["running"] = running;
  auto enums = Napi::Object::New(env);
#define SLUICE_NAME(name) enums[#name] = static_cast<int>(SLUICE_##name);
  SLUICE_NAME(SOURCE_INDEXED)
  SLUICE_NAME(SOURCE_SYNC)
  SLUICE_NAME(SOURCE_ASYNC)
  SLUICE_NAME(BACKOFF_CONSTANT)
  SLUICE_NAME(BACKOFF_LINEAR)
  SLUICE_NAME(BACKOFF_EXPONENTIAL)
  SLUICE_NAME(BACKOFF_DECORRELATED)
  SLUICE_NAME(JITTER_NONE)
  SLUICE_NAME(JITTER_FULL)
  SLUICE_NAME(FLAG_UNREF)
  SLUICE_NAME(FLAG_PROGRESS)
  SLUICE_NAME(FLAG_COLLECT)
  SLUICE_NAME(FLAG_REVIEW)
  SLUICE_NAME(FLAG_DRAIN)
  SLUICE_NAME(FLAG_VERDICT)
  SLUICE_NAME(OUTCOME_FULFILLED)
  SLUICE_NAME(OUTCOME_REJECTED)
  SLUICE_NAME(OUTCOME_REFUSED)
  SLUICE_NAME(OUTCOME_PULLED)
  SLUICE_NAME(OUTCOME_EXHAUSTED)
  SLUICE_NAME(OUTCOME_STOPPED)
  SLUICE_NAME(OUTCOME_RETRY)
  SLUICE_NAME(OUTCOME_WAIT)
  SLUICE_NAME(OUTCOME_WISH)
  SLUICE_NAME(ACTION_START)
  SLUICE_NAME(ACTION_PULL)
  SLUICE_NAME(ACTION_PARK)
  SLUICE_NAME(ACTION_REVIEW)
  SLUICE_NAME(ACTION_REST)
  SLUICE_NAME(ACTION_DRAIN)
  SLUICE_NAME(ACTION_DONE)
  SLUICE_NAME(ACTION_FAIL)
  SLUICE_NAME(EVENT_NONE)
  SLUICE_NAME(EVENT_RESUMED)
  SLUICE_NAME(EVENT_TIMED_OUT)
  SLUICE_NAME(EVENT_TOTAL)
  SLUICE_NAME(EVENT_ITEM)
  SLUICE_NAME(EVENT_OUTLIVED)
  SLUICE_NAME(EVENT_ITEM_OUTLIVED)
  SLUICE_NAME(EVENT_SLEPT)
  SLUICE_NAME(EVENT_EXPIRED)
  SLUICE_NAME(EVENT_PROGRESS)
  SLUICE_NAME(EVENT_ROOM)
  SLUICE_NAME(EVENT_GRANTED)
  SLUICE_NAME(EVENT_OVERTIME)
  SLUICE_NAME(EVENT_REFUSED)
  SLUICE_NAME(EVENT_SHUT)
  SLUICE_NAME(COMMON_SEMAPHORE)
  SLUICE_NAME(COMMON_MUTEX)
  SLUICE_NAME(COMMON_LIMITER)
  SLUICE_NAME(EINVAL)
  SLUICE_NAME(ECROWDED)
  SLUICE_NAME(EMISMATCH)
#undef SLUICE_NAME
  names["enums"] = enums;
  return names;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment());
  exports["names"] = Names(env);
  exports["attach"] = Napi::Function::New<Attach>(env, "attach");
  ExportStacks(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(sluice, Init)

}  // namespace sluice
