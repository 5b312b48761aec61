// SPDX-License-Identifier: Apache-2.0
// The devices of the GPU test binary: cuda, and sim to hold plans against. It stands in for
// kernels/open_device.cc, so that the binary needs none of the CPU's libraries.
#include "kernels/cuda/device.h"
#include "kernels/open_device.h"
#include "kernels/sim/device.h"
#include "tests/support/test_device.h"

namespace cadmus {

const DeviceKind kTestDevice = DeviceKind::kCuda;

std::vector<DeviceCase> DeviceCases() { return {{"cuda", DeviceKind::kCuda, CpuStreams::kInline}}; }

// The GPU has no pool.
std::shared_ptr<cpu::ThreadPool> MakeThreadPool(int num_threads) {
  if (num_threads < 0) throw Error(Kind::kConfig, StrCat(num_threads, " threads"));
  return nullptr;
}

std::unique_ptr<Device> OpenDevice(const DeviceOptions& options) {
  switch (options.kind) {
    case DeviceKind::kCuda:
      return cuda::OpenCudaDevice(options.memory_bytes, options.gpu_index, options.later_bytes);
    case DeviceKind::kSim:
      return std::make_unique<sim::SimDevice>(options.memory_bytes, options.stands_for);
    case DeviceKind::kCpu:
      throw Error(Kind::kConfig, "the GPU test binary has no cpu device");
  }
  CADMUS_UNREACHABLE("every device kind is opened above");
}

}  // namespace cadmus
