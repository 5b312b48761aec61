// SPDX-License-Identifier: Apache-2.0
// OpenDevice: the one place that names the back ends.
#pragma once

#include <cstdint>
#include <memory>

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
};

// Throws kConfig for a back end that this build lacks, kOutOfMemory where the slab cannot be had.
std::unique_ptr<Device> OpenDevice(const DeviceOptions& options);

}  // namespace cadmus
