// The boundary of the flight recorder: see lib/recorder.js.
#include "recorder.h"

#include <algorithm>
#include <string>
#include <vector>

namespace sluice {

namespace {

Instance* InstanceOf(const Napi::CallbackInfo& info) { return static_cast<Instance*>(info.Data()); }

// start(events, startedAt, thread, pid)
void Start(const Napi::CallbackInfo& info) {
  Instance* instance = InstanceOf(info);
  sluice_recording_about about{};
  about.started_at = info[1].As<Napi::Number>().DoubleValue();
  about.thread = info[2].As<Napi::Number>().Int64Value();
  about.pid = info[3].As<Napi::Number>().Int64Value();
  auto events = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  if (sluice_flight_start(&instance->flight, &instance->driver, events, &about) != 0)
    Napi::Error::New(info.Env(), "sluice: out of memory").ThrowAsJavaScriptException();
}

void Stop(const Napi::CallbackInfo& info) {
  Instance* instance = InstanceOf(info);
  sluice_flight_stop(&instance->flight, &instance->driver);
}

// One event as so many doubles, in this order.
enum Column { kTime, kKind, kReason, kLane, kItem, kAttempt, kValue, kSlot, kGeneration, kColumns };

double OrNone(uint64_t value, uint64_t none) { return value == none ? -1 : static_cast<double>(value); }

void Fill(double* row, const sluice_record& record, const sluice_recording_about& about) {
  row[kTime] = static_cast<double>(sluice_recording_ns(&about, record.time)) / 1e6;
  row[kKind] = record.kind;
  row[kReason] = record.reason;
  row[kLane] = OrNone(record.lane, SLUICE_RECORD_NO_LANE);
  row[kItem] = OrNone(record.item, SLUICE_RECORD_NO_ITEM);
  row[kAttempt] = record.attempt;
  row[kValue] = sluice_record_has_value(record.kind, record.reason) ? static_cast<double>(record.value) / 1e6 : -1;
  row[kSlot] = record.job.slot;
  row[kGeneration] = record.job.generation;
}

// snapshot(): { startedAt, duration, thread, pid, lost, count, rows }; null where nothing was recorded.
Napi::Value Snapshot(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  sluice_flight* flight = &InstanceOf(info)->flight;
  if (flight->ring == nullptr) return env.Null();
  sluice_recording_about about = sluice_flight_about(flight);
  sluice_recording_reader reader;
  std::vector<double> rows;
  sluice_recording_begin(&reader, flight->ring->recorder);
  size_t filled = 0;
  for (size_t count; (count = sluice_recording_next(&reader)) > 0;) {
    rows.resize((filled + count) * kColumns);
    for (size_t i = 0; i < count; i++)
      if (reader.records[i].kind != SLUICE_RECORD_VOID) Fill(&rows[kColumns * filled++], reader.records[i], about);
  }
  auto copy = Napi::Float64Array::New(env, filled * kColumns);
  if (copy.IsEmpty()) return env.Undefined();  // there is no memory, or the thread is being ended
  std::copy_n(rows.data(), filled * kColumns, copy.Data());
  auto snapshot = Napi::Object::New(env);
  snapshot["startedAt"] = about.started_at;
  snapshot["duration"] = static_cast<double>(sluice_recording_ns(&about, about.ended)) / 1e6;
  snapshot["thread"] = static_cast<double>(about.thread);
  snapshot["pid"] = static_cast<double>(about.pid);
  snapshot["lost"] = static_cast<double>(reader.lost);
  snapshot["count"] = static_cast<double>(filled);
  snapshot["rows"] = copy;
  return snapshot;
}

// nameOf(slot, generation): '' where it is not known.
Napi::Value NameOf(const Napi::CallbackInfo& info) {
  char name[SLUICE_NAME_SIZE];
  sluice_handle job = {info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value()};
  int length = sluice_names_get(InstanceOf(info)->names, job, name, sizeof name);
  return Napi::String::New(info.Env(), name, static_cast<size_t>(length));
}

// dump(signal, path) -> its number, from 0; or a libuv error, below 0.
Napi::Value Dump(const Napi::CallbackInfo& info) {
  Instance* instance = InstanceOf(info);
  std::string path = info[1].As<Napi::String>().Utf8Value();
  sluice_dump* dump = nullptr;
  int error = sluice_dump_start(&instance->flight, info[0].As<Napi::Number>().Int32Value(), path.c_str(), &dump);
  if (error != 0) return Napi::Number::New(info.Env(), error);
  instance->dumps.push_back(dump);
  return Napi::Number::New(info.Env(), static_cast<double>(instance->dumps.size() - 1));
}

// stopDump(number), once for each.
void StopDump(const Napi::CallbackInfo& info) {
  auto& dumps = InstanceOf(info)->dumps;
  size_t number = info[0].As<Napi::Number>().Uint32Value();
  if (number >= dumps.size() || dumps[number] == nullptr) return;
  sluice_dump_stop(dumps[number]);
  dumps[number] = nullptr;
}

}  // namespace

Napi::Object RecorderOf(Napi::Env env, Instance* instance) {
  auto recorder = Napi::Object::New(env);
  recorder["start"] = Napi::Function::New<Start>(env, "start", instance);
  recorder["stop"] = Napi::Function::New<Stop>(env, "stop", instance);
  recorder["snapshot"] = Napi::Function::New<Snapshot>(env, "snapshot", instance);
  recorder["nameOf"] = Napi::Function::New<NameOf>(env, "nameOf", instance);
  recorder["dump"] = Napi::Function::New<Dump>(env, "dump", instance);
  recorder["stopDump"] = Napi::Function::New<StopDump>(env, "stopDump", instance);
  auto kinds = Napi::Array::New(env);
#define SLUICE_TEXT(name, text) kinds[static_cast<uint32_t>(SLUICE_RECORD_##name)] = text;
  SLUICE_RECORD_KINDS(SLUICE_TEXT)
#undef SLUICE_TEXT
  auto reasons = Napi::Array::New(env);
#define SLUICE_TEXT(name, text) reasons[static_cast<uint32_t>(SLUICE_REASON_##name)] = text;
  SLUICE_RECORD_REASONS(SLUICE_TEXT)
#undef SLUICE_TEXT
  recorder["kinds"] = kinds;
  recorder["reasons"] = reasons;
  auto columns = Napi::Object::New(env);
#define SLUICE_TEXT(name) columns[#name] = static_cast<int>(k##name);
  SLUICE_TEXT(Time)
  SLUICE_TEXT(Kind)
  SLUICE_TEXT(Reason)
  SLUICE_TEXT(Lane)
  SLUICE_TEXT(Item)
  SLUICE_TEXT(Attempt)
  SLUICE_TEXT(Value)
  SLUICE_TEXT(Slot)
  SLUICE_TEXT(Generation)
  SLUICE_TEXT(Columns)
#undef SLUICE_TEXT
  recorder["columns"] = columns;
  return recorder;
}

}  // namespace sluice
