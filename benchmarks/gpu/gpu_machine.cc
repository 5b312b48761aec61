// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/gpu/gpu_machine.h"

#include <cuda_runtime_api.h>

#include <chrono>

#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "kernels/cuda/cuda_check.h"

namespace cadmus::gpu_speed {
namespace {

constexpr auto kLongestBlock = std::chrono::seconds(60);

}  // namespace

GpuMachine::GpuMachine(cuda::CudaDevice& device, Stream& stream)
    : stream_(stream), marks_({device.NewEvent(), device.NewEvent()}) {
  int bytes = 0;
  CADMUS_CUDA_CHECK(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device.ordinal()),
                    cuda::Where{device.ordinal()});
  cache_bytes_ = bytes;
  try {
    sensors_.emplace(device.pci_id());
  } catch (const Error& error) {
    if (error.kind() != Kind::kConfig) throw;
    LogWarning(StrCat("blocks come without clocks and power: ", error.message()));
  }
}

double GpuMachine::Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void GpuMachine::Mark(int mark) { stream_.Record(*marks_.at(static_cast<size_t>(mark))); }

void GpuMachine::Await(int mark) {
  marks_.at(static_cast<size_t>(mark))->Synchronize(kLongestBlock);
}

std::optional<timing::Reading> GpuMachine::Read() {
  if (!sensors_) return std::nullopt;
  const cuda::GpuReading reading = sensors_->Read();
  return timing::Reading{.watts = reading.watts,
                         .sm_mhz = reading.sm_mhz,
                         .celsius = reading.celsius,
                         .throttle_reasons = cuda::ThrottleReasons(reading.throttle_reasons)};
}

}  // namespace cadmus::gpu_speed
