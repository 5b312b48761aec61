// SPDX-License-Identifier: Apache-2.0
#include "kernels/open_device.h"

#include <sched.h>

#include <algorithm>

#include "kernels/cpu/device.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cuda/device.h"
#include "kernels/sim/device.h"

namespace cadmus {
namespace {

// Cores of this process' affinity mask: launchers bind ranks with it.
int NumUsableCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(1, CPU_COUNT(&cores));
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace

std::shared_ptr<cpu::ThreadPool> MakeThreadPool(int num_threads) {
  if (num_threads < 0) {
    throw Error(Kind::kConfig, StrCat(num_threads, " threads: give 1 or more, or 0 for all cores"));
  }
  return std::make_shared<cpu::ThreadPool>(num_threads == 0 ? NumUsableCores() : num_threads);
}

std::unique_ptr<Device> OpenDevice(const DeviceOptions& options) {
  switch (options.kind) {
    case DeviceKind::kCpu:
      return std::make_unique<cpu::CpuDevice>(
          options.memory_bytes, options.pool != nullptr ? options.pool : MakeThreadPool(0),
          options.cpu_streams);
    case DeviceKind::kCuda:
      return cuda::OpenCudaDevice(options.memory_bytes, options.gpu_index, options.later_bytes);
    case DeviceKind::kSim:
      return std::make_unique<sim::SimDevice>(options.memory_bytes, options.stands_for);
  }
  CADMUS_UNREACHABLE("every device kind is opened above");
}

std::vector<Gpu> VisibleGpus() { return cuda::VisibleGpus(); }

}  // namespace cadmus
