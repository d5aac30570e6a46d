// The record of one Node.js environment (the main thread, a worker, a Jest realm): its engine, driver and mailbox.
#ifndef SLUICE_ENVIRONMENT_H
#define SLUICE_ENVIRONMENT_H

#include <napi.h>

#include "../uv/driver.h"

namespace sluice {

// Teardown, in Node's order: the async cleanup hook closes the driver's handles; when the last is closed the engine is
// freed and the hook removed; the instance-data finalizer, which runs last, frees this record.
class Environment {
 public:
  // Registers itself as the environment's instance data. Throws a JavaScript error (and returns nullptr) on failure.
  static Environment* Create(Napi::Env env);
  ~Environment();

  // Only the boundary's own functions run in this environment, and Create has run: never nullptr.
  static Environment* Of(napi_env env) {
    void* data = nullptr;
    napi_get_instance_data(env, &data);
    return static_cast<Environment*>(data);
  }

  // attach(mailbox, wake): opens the engine on an ArrayBuffer of sizeof(sluice_mailbox) or more; `wake` is called when
  // decisions are ready. Returns false after throwing.
  bool Attach(const Napi::CallbackInfo& info);
  // Test only, rehearse(seed): a fresh engine with this seed on virtual time, recording; without a seed, back to a fresh
  // one on the loop's time. Throws while anything is open.
  void Rehearse(const Napi::CallbackInfo& info);

  sluice_driver driver{};
  bool is_attached = false;

 private:
  explicit Environment(Napi::Env env) : env_(env) {}
  static void OnWake(sluice_driver* driver);
  static void OnCleanup(napi_async_cleanup_hook_handle handle, void* data);
  static void OnClosed(sluice_driver* driver);

  Napi::Env env_;
  Napi::Reference<Napi::ArrayBuffer> mailbox_;
  Napi::FunctionReference wake_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
};

}  // namespace sluice

#endif
