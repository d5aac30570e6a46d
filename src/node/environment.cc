#include "environment.h"

#include <cstdlib>

namespace sluice {

namespace {

void* Allocate(void*, size_t size) { return std::malloc(size); }
void Release(void*, void* block, size_t) { std::free(block); }

constexpr sluice_allocator kAllocator = {Allocate, Release, nullptr};

bool RandomSeed(uint64_t* seed) { return uv_random(nullptr, nullptr, seed, sizeof *seed, 0, nullptr) == 0; }

}  // namespace

Environment* Environment::Create(Napi::Env env) {
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  if (napi_add_async_cleanup_hook(env, OnCleanup, environment, &environment->cleanup_hook_) != napi_ok) {
    Napi::Error::New(env, "sluice: the environment is shutting down").ThrowAsJavaScriptException();
    return nullptr;
  }
  return environment;
}

Environment::~Environment() {
  // By now no JavaScript can run and the references' environment is going: they are not to be touched again.
  mailbox_.SuppressDestruct();
  wake_.SuppressDestruct();
  sluice_engine_free(driver.engine);
}

bool Environment::Attach(const Napi::CallbackInfo& info) {
  uv_loop_t* loop = nullptr;
  uint64_t seed;
  if (is_attached || !info[0].IsArrayBuffer() || !info[1].IsFunction() ||
      info[0].As<Napi::ArrayBuffer>().ByteLength() < sizeof(sluice_mailbox)) {
    Napi::TypeError::New(env_, "sluice: attach(mailbox, wake) is called once").ThrowAsJavaScriptException();
    return false;
  }
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok || !RandomSeed(&seed)) {
    Napi::Error::New(env_, "sluice: no event loop, or no randomness").ThrowAsJavaScriptException();
    return false;
  }
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  auto* mailbox = static_cast<struct sluice_mailbox*>(buffer.Data());
  sluice_engine* engine = sluice_engine_new(&kAllocator, seed);
  if (engine == nullptr || sluice_driver_init(&driver, loop, engine, mailbox, OnWake) != 0) {
    sluice_engine_free(engine);
    Napi::Error::New(env_, "sluice: out of memory").ThrowAsJavaScriptException();
    return false;
  }
  driver.data = this;
  mailbox_ = Napi::Persistent(buffer);
  wake_ = Napi::Persistent(info[1].As<Napi::Function>());
  is_attached = true;
  return true;
}

void Environment::Rehearse(const Napi::CallbackInfo& info) {
  bool is_virtual = info[0].IsBigInt();
  bool is_lossless = false;
  uint64_t seed = is_virtual ? info[0].As<Napi::BigInt>().Uint64Value(&is_lossless) : 0;
  struct sluice_usage usage{};
  if (is_attached) sluice_measure(driver.engine, &usage);
  if (!is_attached || usage.jobs + usage.lanes != 0 || (!is_virtual && !RandomSeed(&seed))) {
    Napi::Error::New(env_, "sluice: nothing may be open at rehearse()").ThrowAsJavaScriptException();
    return;
  }
  sluice_engine* engine = sluice_engine_new(&kAllocator, seed);
  if (engine == nullptr || (is_virtual && sluice_driver_record(&driver) != 0)) {
    sluice_engine_free(engine);
    Napi::Error::New(env_, "sluice: out of memory").ThrowAsJavaScriptException();
    return;
  }
  sluice_engine* former = driver.engine;
  if (is_virtual) {
    sluice_driver_use_virtual_time(&driver, engine);
  } else {
    sluice_driver_stop_recording(&driver);
    sluice_driver_use_real_time(&driver, engine);
  }
  sluice_engine_free(former);
}

void Environment::OnWake(sluice_driver* driver) {
  auto* self = static_cast<Environment*>(driver->data);
  napi_env env = self->env_;
  Napi::HandleScope scope(env);
  napi_value undefined = nullptr;
  napi_get_undefined(env, &undefined);
  napi_value receiver = undefined;
  napi_get_global(env, &receiver);
  // Runs nextTicks and microtasks before it returns. No async context of ours: each callback runs in its caller's.
  napi_status status = napi_make_callback(env, nullptr, receiver, self->wake_.Value(), 0, nullptr, nullptr);
  if (status != napi_pending_exception) return;  // also in a terminating worker, where nothing runs any more
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

void Environment::OnCleanup(napi_async_cleanup_hook_handle handle, void* data) {
  auto* self = static_cast<Environment*>(data);
  if (self->is_attached) sluice_driver_close(&self->driver, OnClosed);
  else napi_remove_async_cleanup_hook(handle);
}

void Environment::OnClosed(sluice_driver* driver) {
  auto* self = static_cast<Environment*>(driver->data);
  sluice_engine_free(driver->engine);
  driver->engine = nullptr;
  napi_remove_async_cleanup_hook(self->cleanup_hook_);
}

}  // namespace sluice
