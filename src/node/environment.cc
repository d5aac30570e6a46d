#include "environment.h"

#include <utility>

#include "../uv/heap.h"
#include "callback.h"

namespace sluice {

namespace {

// A mailbox must not shrink under us. Where the thread is being ended nobody can tell: true.
bool IsResizable(napi_env env, napi_value buffer) {
  napi_value value = nullptr;
  bool is_resizable = true;
  if (napi_get_named_property(env, buffer, "resizable", &value) == napi_ok)
    napi_get_value_bool(env, value, &is_resizable);
  return is_resizable;
}

bool RandomSeed(uint64_t* seed) { return uv_random(nullptr, nullptr, seed, sizeof *seed, 0, nullptr) == 0; }

template <typename Error>
std::nullptr_t Throw(Napi::Env env, const char* message) {
  Error::New(env, message).ThrowAsJavaScriptException();
  return nullptr;
}

}  // namespace

Instance* Environment::Attach(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  bool is_valid = info[0].IsArrayBuffer() && info[1].IsFunction() &&
                  info[0].As<Napi::ArrayBuffer>().ByteLength() >= sizeof(sluice_mailbox);
  if (is_valid) is_valid = !IsResizable(env, info[0]);
  if (!is_valid) return Throw<Napi::TypeError>(env, "sluice: attach(mailbox, wake)");
  auto instance = Instance::Create(env, info[0].As<Napi::ArrayBuffer>(), info[1].As<Napi::Function>());
  if (instance == nullptr) return nullptr;
  instances_.push_back(std::move(instance));
  if (first == nullptr) first = instances_.back().get();
  return instances_.back().get();
}

std::unique_ptr<Instance> Instance::Create(Napi::Env env, Napi::ArrayBuffer mailbox, Napi::Function wake) {
  uv_loop_t* loop = nullptr;
  uint64_t seed;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok || !RandomSeed(&seed))
    return Throw<Napi::Error>(env, "sluice: no event loop, or no randomness");
  std::unique_ptr<Instance> instance(new Instance(env));
  instance->names = sluice_names_new();
  if (instance->names == nullptr || sluice_flight_init(&instance->flight, instance->names) != 0)
    return Throw<Napi::Error>(env, "sluice: out of memory");
  if (napi_add_async_cleanup_hook(env, OnCleanup, instance.get(), &instance->cleanup_hook_) != napi_ok)
    return Throw<Napi::Error>(env, "sluice: the environment is shutting down");
  auto* words = static_cast<struct sluice_mailbox*>(mailbox.Data());
  sluice_engine* engine = sluice_engine_new(&sluice_heap, seed);
  if (engine == nullptr || sluice_driver_init(&instance->driver, loop, engine, words, OnWake) != 0) {
    sluice_engine_free(engine);
    napi_remove_async_cleanup_hook(instance->cleanup_hook_);
    return Throw<Napi::Error>(env, "sluice: out of memory");
  }
  instance->driver.data = instance.get();
  instance->mailbox_ = Napi::Persistent(mailbox);
  instance->wake_ = Napi::Persistent(wake);
  return instance;
}

Instance::~Instance() {
  // Where OnClosed has not run, the references' environment is gone before them.
  mailbox_.SuppressDestruct();
  wake_.SuppressDestruct();
  if (flight.names != nullptr) sluice_flight_fini(&flight);
  sluice_names_free(names);
}

void Instance::Rehearse(const Napi::CallbackInfo& info) {
  bool is_virtual = info[0].IsBigInt();
  bool is_lossless = false;
  uint64_t seed = is_virtual ? info[0].As<Napi::BigInt>().Uint64Value(&is_lossless) : 0;
  sluice_usage usage{};
  sluice_measure(driver.engine, &usage);
  if (usage.jobs + usage.lanes + usage.waiters != 0 || (!is_virtual && !RandomSeed(&seed))) {
    Throw<Napi::Error>(env_, "sluice: nothing may be open at rehearse()");
    return;
  }
  sluice_engine* engine = sluice_engine_new(&sluice_heap, seed);
  if (engine == nullptr || (is_virtual && sluice_driver_record(&driver) != 0)) {
    sluice_engine_free(engine);
    Throw<Napi::Error>(env_, "sluice: out of memory");
    return;
  }
  sluice_flight_stop(&flight, &driver);  // what it told was of another engine
  sluice_engine* former = driver.engine;
  if (is_virtual) {
    sluice_driver_use_virtual_time(&driver, engine);
  } else {
    sluice_driver_stop_recording(&driver);
    sluice_driver_use_real_time(&driver, engine);
  }
  sluice_engine_free(former);
}

void Instance::Share(const Napi::CallbackInfo& info) {
  sluice_mailbox* mailbox = driver.mailbox;
  int32_t* ints = mailbox->words.ints;
  sluice_common_terms terms{};
  terms.kind = static_cast<sluice_common_kind>(info[0].As<Napi::Number>().Int32Value());
  bool is_limiter = terms.kind == SLUICE_COMMON_LIMITER;
  bool is_valid = is_limiter ? sluice_mailbox_read_rate(mailbox, &terms.rate) != 0
                             : sluice_mailbox_read_permits(mailbox, &terms.permits) != 0;
  // UTF-16, as it is: two names that differ stay two, also where they are no text.
  std::u16string name = info[1].As<Napi::String>().Utf16Value();
  sluice_handle handle{};
  int error = SLUICE_EINVAL;
  if (is_valid)
    error = sluice_commons_open(&driver, reinterpret_cast<const char*>(name.data()), name.size() * sizeof(char16_t),
                                &terms, &handle);
  ints[SLUICE_WORD_ACTION] = error;
  if (error == SLUICE_EMISMATCH) {
    ints[SLUICE_WORD_EVENT] = terms.kind;
    mailbox->words.doubles[SLUICE_WORD_PERMITS] = static_cast<double>(terms.permits);
    sluice_mailbox_write_rate(mailbox, &terms.rate);
  }
  if (error != SLUICE_OK) return;
  ints[is_limiter ? SLUICE_WORD_LIMITER : SLUICE_WORD_SEMAPHORE] = static_cast<int32_t>(handle.slot);
  ints[is_limiter ? SLUICE_WORD_LIMITER_GENERATION : SLUICE_WORD_SEMAPHORE_GENERATION] =
      static_cast<int32_t>(handle.generation);
}

void Instance::OnWake(sluice_driver* driver) {
  auto* self = static_cast<Instance*>(driver->data);
  Napi::HandleScope scope(self->env_);
  // Each callback of the user's runs in its caller's async context.
  CallBack(self->env_, self->wake_.Value(), 0, nullptr);
}

void Instance::OnCleanup(napi_async_cleanup_hook_handle, void* data) {
  auto* self = static_cast<Instance*>(data);
  for (auto* dump : self->dumps)
    if (dump != nullptr) sluice_dump_stop(dump);
  self->dumps.clear();
  sluice_driver_close(&self->driver, OnClosed);
}

void Instance::OnClosed(sluice_driver* driver) {
  auto* self = static_cast<Instance*>(driver->data);
  sluice_engine_free(driver->engine);
  driver->engine = nullptr;
  self->wake_.Reset();
  self->mailbox_.Reset();
  napi_remove_async_cleanup_hook(self->cleanup_hook_);
}

}  // namespace sluice
