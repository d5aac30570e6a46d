// The record of one Node.js environment (the main thread, a worker), and the engines attached in it.
#ifndef SLUICE_ENVIRONMENT_H
#define SLUICE_ENVIRONMENT_H

#include <napi.h>

#include <memory>
#include <vector>

#include "../uv/driver.h"
#include "../uv/dump.h"
#include "../uv/flight.h"
#include "../uv/names.h"

namespace sluice {

class Watcher;

// One engine, with its driver and mailbox. There is one per load of the JavaScript layer: the same binary may be used
// by several module registries or realms of one environment, as Jest and Vitest do.
//
// Teardown, in Node's order: the async cleanup hook closes the driver's handles; when the last is closed the engine is
// freed and the hook removed; the environment's instance-data finalizer, which runs last, frees this record.
class Instance {
 public:
  // Opens an engine on `mailbox` (sizeof(sluice_mailbox) or more); `wake` is called when decisions are ready. Throws a
  // JavaScript error and returns nullptr on failure.
  static std::unique_ptr<Instance> Create(Napi::Env env, Napi::ArrayBuffer mailbox, Napi::Function wake);
  ~Instance();

  // Test only, rehearse(seed): a fresh engine with this seed on virtual time, recording; without a seed, back to a
  // fresh one on the loop's time. Throws while anything is open.
  void Rehearse(const Napi::CallbackInfo& info);

  // share(kind, name): leases the limit that all threads of the process share by this name, on the terms in the
  // mailbox's words. Its answer is in the words, as an operation's: ACTION, and the handle, or (EMISMATCH) what the
  // name stands for.
  void Share(const Napi::CallbackInfo& info);

  sluice_driver driver{};
  sluice_names* names = nullptr;  // of its jobs; lives as long as this
  sluice_flight flight{};
  Watcher* watcher = nullptr;       // watch.h; until the environment ends, from the first watch
  std::vector<sluice_dump*> dumps;  // by number; nullptr: stopped

 private:
  explicit Instance(Napi::Env env) : env_(env) {}
  static void OnWake(sluice_driver* driver);
  static void OnCleanup(napi_async_cleanup_hook_handle handle, void* data);
  static void OnClosed(sluice_driver* driver);

  Napi::Env env_;
  Napi::Reference<Napi::ArrayBuffer> mailbox_;
  Napi::FunctionReference wake_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
};

class Environment {
 public:
  // The boundary's functions run in an environment whose record Init has set: never nullptr.
  static Environment* Of(napi_env env) {
    void* data = nullptr;
    napi_get_instance_data(env, &data);
    return static_cast<Environment*>(data);
  }

  Instance* Attach(const Napi::CallbackInfo& info);

  Instance* first = nullptr;  // the one whose calls need not be told apart by their function's data

 private:
  std::vector<std::unique_ptr<Instance>> instances_;
};

}  // namespace sluice

#endif
