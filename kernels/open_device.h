// SPDX-License-Identifier: Apache-2.0
// OpenDevice: the one place that names the back ends.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cpu/cpu_streams.h"
#include "kernels/device/device.h"

namespace cadmus {

namespace cpu {
class ThreadPool;
}

// The pool of a process; local ranks share it. `num_threads` counts the calling thread; 0 takes the
// cores that the process may use. shared_ptr: every cpu device of the process holds it.
std::shared_ptr<cpu::ThreadPool> MakeThreadPool(int num_threads);

struct DeviceOptions {
  DeviceKind kind = DeviceKind::kCpu;
  int64_t memory_bytes = int64_t{1} << 30;          // the slab: taken now, never grown
  std::shared_ptr<cpu::ThreadPool> pool = nullptr;  // cpu only; null: one of its own
  CpuStreams cpu_streams = CpuStreams::kInline;
  DeviceProperties stands_for = {};  // sim only: what its properties are; its slab is memory_bytes
  int gpu_index = 0;                 // cuda only: among VisibleGpus
  int64_t later_bytes = kGpuLibraryBytes;  // cuda only: what the slab leaves free for libraries
};

// Throws kConfig for a back end that this build lacks, kOutOfMemory where the slab cannot be had.
std::unique_ptr<Device> OpenDevice(const DeviceOptions& options);

// The GPUs that this process may open; none of their memory is taken. Throws kConfig, with the
// remedy, where this build has no CUDA or the machine no GPU.
std::vector<Gpu> VisibleGpus();

}  // namespace cadmus
