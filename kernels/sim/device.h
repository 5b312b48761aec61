// SPDX-License-Identifier: Apache-2.0
// The sim device: addresses without memory, ops that are only noted, streams with nothing to wait
// for. Its own trace is attached from the start. Memory is counted as on any device.
#pragma once

#include <memory>
#include <string>

#include "kernels/device/device.h"
#include "kernels/device/trace.h"

namespace cadmus::sim {

class SimDevice final : public Device {
 public:
  // `stands_for` is what the choosers of kernels see; its memory_bytes becomes `memory_bytes`.
  SimDevice(int64_t memory_bytes, DeviceProperties stands_for);

  // The trace attached at first: device.trace() until another one is set.
  Trace& own_trace() { return own_trace_; }

  bool holds_values() const override { return false; }
  std::unique_ptr<Stream> NewStream(StreamKind kind, std::string name) override;
  std::unique_ptr<Event> NewEvent() override;

 protected:
  void DoCopy(void* destination, const void* source, int64_t bytes, Stream& stream) override;
  void DoFillZero(void* destination, int64_t bytes, Stream& stream) override;

 private:
  Trace own_trace_;
  int num_streams_ = 0;
  int num_events_ = 0;
};

}  // namespace cadmus::sim
