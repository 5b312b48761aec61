// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/stream.h"

#include "kernels/device/device.h"
#include "kernels/device/trace.h"

namespace cadmus {
namespace {

void Note(TraceEntry::Kind kind, const char* name, const Stream& stream, const Event& event) {
  Trace* trace = stream.device().trace();
  if (trace == nullptr) return;
  TraceEntry entry;
  entry.kind = kind;
  entry.stream = stream.id();
  entry.name = name;
  entry.detail = stream.name();
  entry.event = event.id();
  trace->Append(std::move(entry));
}

}  // namespace

Stream::~Stream() { device_.allocator().ForgetStream(*this); }

void Stream::Record(Event& event) {
  Note(TraceEntry::Kind::kRecord, "record", *this, event);
  DoRecord(event);
}

void Stream::Wait(Event& event) {
  Note(TraceEntry::Kind::kWait, "wait", *this, event);
  DoWait(event);
}

}  // namespace cadmus
