// The watchdog's boundary: watches of this environment's loop, and the worker that takes stacks for them.
#ifndef SLUICE_WATCH_H
#define SLUICE_WATCH_H

#include "../uv/watchdog.h"
#include "environment.h"

namespace sluice {

// What an attached engine has: startWatch, stopWatch, takeReport, touchWatch.
void ExportWatch(Napi::Env env, Napi::Object attached, Instance* instance);

// What the stack worker needs, and no engine: serveStacks, answerStack; and hasStacks.
void ExportStacks(Napi::Env env, Napi::Object exports);

}  // namespace sluice

#endif
