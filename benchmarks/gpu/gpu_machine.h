// SPDX-License-Identifier: Apache-2.0
// GpuMachine: the timing protocol's machine on a stream of the cuda device, with the driver's
// sensors where they can be had.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "benchmarks/timing/protocol.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/nvml.h"

namespace cadmus::gpu_speed {

class GpuMachine final : public timing::Machine {
 public:
  GpuMachine(cuda::CudaDevice& device, Stream& stream);

  int64_t cache_bytes() const { return cache_bytes_; }  // of the L2
  std::string uuid() const { return sensors_ ? sensors_->uuid() : "unknown"; }

  double Seconds() override;
  void Mark(int mark) override;
  void Await(int mark) override;
  std::optional<timing::Reading> Read() override;

 private:
  Stream& stream_;
  int64_t cache_bytes_ = 0;
  std::array<std::unique_ptr<Event>, 2> marks_;
  std::optional<cuda::GpuSensors> sensors_;
};

}  // namespace cadmus::gpu_speed
