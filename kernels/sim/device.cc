// SPDX-License-Identifier: Apache-2.0
#include "kernels/sim/device.h"

#include "kernels/base/error.h"
#include "kernels/sim/register.h"

namespace cadmus::sim {
namespace {

// Never dereferenced; recognisable in messages, and aligned like the slab of any device.
constexpr uintptr_t kBaseAddress = 0x10'0000'0000;

class SimEvent final : public Event {
 public:
  using Event::Event;
  void Synchronize(std::chrono::milliseconds) override {}
};

class SimStream final : public Stream {
 public:
  using Stream::Stream;
  void Synchronize(std::chrono::milliseconds) override {}

 protected:
  void DoRecord(Event&) override {}
  void DoWait(Event&) override {}
};

DeviceProperties WithMemory(DeviceProperties properties, int64_t memory_bytes) {
  if (memory_bytes <= 0) {
    throw Error(Kind::kConfig, StrCat("memory_bytes is ", memory_bytes, ": it must be positive"));
  }
  properties.memory_bytes = memory_bytes;
  return properties;
}

KernelTable AllKernels() {
  KernelTable table("sim");
  RegisterKernels(table);
  return table;
}

}  // namespace

SimDevice::SimDevice(int64_t memory_bytes, DeviceProperties stands_for)
    : Device(WithMemory(std::move(stands_for), memory_bytes), AllKernels(),
             std::make_unique<Allocator>(reinterpret_cast<void*>(kBaseAddress), memory_bytes)) {
  set_trace(&own_trace_);
}

std::unique_ptr<Stream> SimDevice::NewStream(StreamKind kind, std::string name) {
  return std::make_unique<SimStream>(*this, kind, num_streams_++, std::move(name));
}

std::unique_ptr<Event> SimDevice::NewEvent() { return std::make_unique<SimEvent>(num_events_++); }

void SimDevice::DoCopy(void*, const void*, int64_t, Stream&) {}
void SimDevice::DoFillZero(void*, int64_t, Stream&) {}

}  // namespace cadmus::sim
