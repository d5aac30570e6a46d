#include "watch.h"

#include <string>
#include <unordered_map>

#include "callback.h"

namespace sluice {

namespace {

napi_value ThrowLibuv(Napi::Env env, int error) {
  Napi::Error thrown = Napi::Error::New(env, std::string("sluice: ") + uv_strerror(error));
  thrown.Value()["code"] = uv_err_name(error);
  thrown.Value()["errno"] = error;
  thrown.ThrowAsJavaScriptException();
  return nullptr;
}

}  // namespace

// The watches of one engine's loop. It ends as the engine does, in a hook that runs before the engine's.
class Watcher {
 public:
  static Watcher* Of(Napi::Env env, Instance* instance, Napi::ArrayBuffer running, Napi::Function deliver) {
    if (instance->watcher != nullptr) return instance->watcher;
    auto* watcher = new Watcher(env, instance);
    if (!watcher->Open(running, deliver)) {
      delete watcher;
      Napi::Error::New(env, "sluice: the loop cannot be watched").ThrowAsJavaScriptException();
      return nullptr;
    }
    return instance->watcher = watcher;
  }

  sluice_pulse* pulse = nullptr;
  std::unordered_map<uint32_t, sluice_watch*> watches;

 private:
  Watcher(Napi::Env env, Instance* instance) : env_(env), instance_(instance) {}

  bool Open(Napi::ArrayBuffer running, Napi::Function deliver) {
    sluice_pulse_setup setup{};
    setup.driver = &instance_->driver;
    setup.names = instance_->names;
    setup.running = static_cast<sluice_running*>(running.Data());
    setup.resumed = OnResumed;
    setup.closed = OnClosed;
    setup.data = this;
    if (napi_get_uv_event_loop(env_, &setup.loop) != napi_ok) return false;
    if (napi_add_async_cleanup_hook(env_, OnCleanup, this, &cleanup_hook_) != napi_ok) return false;
    pulse = sluice_pulse_new(&setup);
    if (pulse == nullptr) {
      napi_remove_async_cleanup_hook(cleanup_hook_);
      return false;
    }
    running_ = Napi::Persistent(running);
    deliver_ = Napi::Persistent(deliver);
    return true;
  }

  static void OnResumed(void* data) {
    auto* self = static_cast<Watcher*>(data);
    Napi::HandleScope scope(self->env_);
    while (CallBack(self->env_, self->deliver_.Value(), 0, nullptr)) continue;
  }

  static void OnCleanup(napi_async_cleanup_hook_handle, void* data) {
    sluice_pulse_close(static_cast<Watcher*>(data)->pulse);
  }

  static void OnClosed(void* data) {
    auto* self = static_cast<Watcher*>(data);
    napi_async_cleanup_hook_handle hook = self->cleanup_hook_;
    self->instance_->watcher = nullptr;
    delete self;
    napi_remove_async_cleanup_hook(hook);
  }

  Napi::Env env_;
  Instance* instance_;
  Napi::Reference<Napi::ArrayBuffer> running_;
  Napi::FunctionReference deliver_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
};

namespace {

// Opens a file to append to. Returns it, or a libuv error. (A pipe that nobody reads is one: to wait for its reader
// would block the loop, for ever perhaps.)
uv_file OpenLog(const std::string& path) {
  uv_fs_t request;
  int flags = UV_FS_O_WRONLY | UV_FS_O_APPEND | UV_FS_O_CREAT | UV_FS_O_NONBLOCK | UV_FS_O_NOCTTY;
  uv_file file = uv_fs_open(nullptr, &request, path.c_str(), flags, 0666, nullptr);  // with O_CLOEXEC, always
  uv_fs_req_cleanup(&request);
  return file;
}

// startWatch(running, deliver, id, thread, threshold, log, stack, tells, unasked): `log` is 2 (stderr), -1 or a path;
// `unasked` says, as JSON, why no stack is asked for. deliver() is called until it answers false.
Napi::Value StartWatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto* instance = static_cast<Instance*>(info.Data());
  if (!info[0].IsArrayBuffer() || info[0].As<Napi::ArrayBuffer>().ByteLength() < sizeof(sluice_running) ||
      !info[1].IsFunction() || !info[6].IsBoolean() || !info[7].IsBoolean() || !info[8].IsString()) {
    Napi::TypeError::New(env, "sluice: startWatch(running, deliver, ...)").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Watcher* watcher = Watcher::Of(env, instance, info[0].As<Napi::ArrayBuffer>(), info[1].As<Napi::Function>());
  if (watcher == nullptr) return env.Undefined();
  std::string unasked = info[8].As<Napi::String>().Utf8Value();
  sluice_watch_setup setup{};
  setup.id = info[2].As<Napi::Number>().Uint32Value();
  setup.thread = info[3].As<Napi::Number>().Uint32Value();
  setup.threshold = sluice_ms_to_ns(info[4].As<Napi::Number>().DoubleValue());
  setup.unasked = unasked.c_str();
  if (info[6].As<Napi::Boolean>().Value()) setup.flags |= SLUICE_WATCH_STACK;
  if (info[7].As<Napi::Boolean>().Value()) setup.flags |= SLUICE_WATCH_TELL;
  Napi::Value log = info[5];
  if (log.IsString()) {
    setup.file = OpenLog(log.As<Napi::String>().Utf8Value());
    if (setup.file < 0) return Napi::Value(env, ThrowLibuv(env, setup.file));
    setup.flags |= SLUICE_WATCH_CLOSE;
  } else {
    setup.file = log.As<Napi::Number>().Int32Value();
  }
  sluice_watch* watch = nullptr;
  int error = sluice_watch_start(watcher->pulse, &setup, &watch);
  if (error != 0) return Napi::Value(env, ThrowLibuv(env, error));
  watcher->watches[setup.id] = watch;
  return env.Undefined();
}

// stopWatch(id)
void StopWatch(const Napi::CallbackInfo& info) {
  Watcher* watcher = static_cast<Instance*>(info.Data())->watcher;
  if (watcher == nullptr) return;
  auto found = watcher->watches.find(info[0].As<Napi::Number>().Uint32Value());
  if (found == watcher->watches.end()) return;
  sluice_watch_stop(found->second);
  watcher->watches.erase(found);
}

// touchWatch(): the loop is at its end, not stuck.
void TouchWatch(const Napi::CallbackInfo& info) {
  Watcher* watcher = static_cast<Instance*>(info.Data())->watcher;
  if (watcher != nullptr) sluice_pulse_touch(watcher->pulse);
}

// takeReport() -> { id, text, duration } or undefined; of a block that is over, the oldest first.
Napi::Value TakeReport(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Watcher* watcher = static_cast<Instance*>(info.Data())->watcher;
  sluice_report* report = watcher == nullptr ? nullptr : sluice_pulse_take(watcher->pulse);
  if (report == nullptr) return env.Undefined();
  auto taken = Napi::Object::New(env);
  taken["id"] = report->id;
  taken["text"] = report->text;
  taken["duration"] = static_cast<double>(report->duration) / 1e6;
  sluice_report_free(report);
  return taken;
}

// The stack worker's: its loop, and who is told that a stack is wanted.
class StackServer {
 public:
  static void Open(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    uv_loop_t* loop = nullptr;
    auto* server = new StackServer(env);
    bool is_open = info[0].IsFunction() && napi_get_uv_event_loop(env, &loop) == napi_ok &&
                   napi_add_async_cleanup_hook(env, OnCleanup, server, &server->cleanup_hook_) == napi_ok;
    if (is_open) server->stacks_ = sluice_stacks_new(loop, OnAsked, server);
    if (server->stacks_ != nullptr) {
      server->asked_ = Napi::Persistent(info[0].As<Napi::Function>());
      return;
    }
    if (is_open) napi_remove_async_cleanup_hook(server->cleanup_hook_);
    delete server;
    Napi::Error::New(env, "sluice: serveStacks(asked)").ThrowAsJavaScriptException();
  }

 private:
  explicit StackServer(Napi::Env env) : env_(env) {}

  static void OnAsked(uint32_t request, void* data) {
    auto* self = static_cast<StackServer*>(data);
    Napi::HandleScope scope(self->env_);
    napi_value number = Napi::Number::New(self->env_, request);
    CallBack(self->env_, self->asked_.Value(), 1, &number);
  }

  static void OnCleanup(napi_async_cleanup_hook_handle, void* data) {
    sluice_stacks_close(static_cast<StackServer*>(data)->stacks_, OnClosed);
  }

  static void OnClosed(void* data) {
    auto* self = static_cast<StackServer*>(data);
    napi_async_cleanup_hook_handle hook = self->cleanup_hook_;
    delete self;
    napi_remove_async_cleanup_hook(hook);
  }

  Napi::Env env_;
  Napi::FunctionReference asked_;
  sluice_stacks* stacks_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
};

// Test only: hasStacks(), whether a stack worker has started, in whichever thread.
Napi::Value HasStacks(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), sluice_stacks_are_there() != 0);
}

// answerStack(request, stack, error, phase): JSON texts; `phase` may be undefined.
void AnswerStack(const Napi::CallbackInfo& info) {
  std::string stack = info[1].As<Napi::String>().Utf8Value();
  std::string error = info[2].As<Napi::String>().Utf8Value();
  std::string phase;
  if (info[3].IsString()) phase = info[3].As<Napi::String>().Utf8Value();
  sluice_answer answer{stack.c_str(), error.c_str(), info[3].IsString() ? phase.c_str() : nullptr};
  sluice_stacks_answer(info[0].As<Napi::Number>().Uint32Value(), &answer);
}

}  // namespace

void ExportWatch(Napi::Env env, Napi::Object attached, Instance* instance) {
  attached["startWatch"] = Napi::Function::New<StartWatch>(env, "startWatch", instance);
  attached["stopWatch"] = Napi::Function::New<StopWatch>(env, "stopWatch", instance);
  attached["touchWatch"] = Napi::Function::New<TouchWatch>(env, "touchWatch", instance);
  attached["takeReport"] = Napi::Function::New<TakeReport>(env, "takeReport", instance);
}

void ExportStacks(Napi::Env env, Napi::Object exports) {
  exports["serveStacks"] = Napi::Function::New<StackServer::Open>(env, "serveStacks");
  exports["hasStacks"] = Napi::Function::New<HasStacks>(env, "hasStacks");
  exports["answerStack"] = Napi::Function::New<AnswerStack>(env, "answerStack");
}

}  // namespace sluice
