#ifndef SLUICE_RECORDER_BOUNDARY_H
#define SLUICE_RECORDER_BOUNDARY_H

#include "environment.h"

namespace sluice {

// What `attached.recorder` is.
Napi::Object RecorderOf(Napi::Env env, Instance* instance);

}  // namespace sluice

#endif
