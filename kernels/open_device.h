// SPDX-License-Identifier: Apache-2.0
// OpenDevice: the one place that names the back ends.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/device/device.h"

namespace cadmus {

namespace cpu {
class ThreadPool;
}

// The pool of a process; local ranks share it. `num_threads` 0 takes the cores that the process may
// use. shared_ptr: every cpu device of the process holds it.
std::shared_ptr<cpu::ThreadPool> MakeThreadPool(int num_threads);

enum class CpuStreams {
  kInline,    // a compute stream runs on the calling thread, a communication stream on a worker
  kThreaded,  // every stream is a worker: finds missing waits under a thread sanitizer
};

struct DeviceOptions {
  DeviceKind kind = DeviceKind::kCpu;
  int64_t memory_bytes = int64_t{1} << 30;  // the slab: taken now, never grown
  std::shared_ptr<cpu::ThreadPool> pool;    // cpu only; shared with the other ranks of the process
  CpuStreams cpu_streams = CpuStreams::kInline;
};

// Throws kConfig for a back end that this build lacks, kOutOfMemory where the slab cannot be had.
std::unique_ptr<Device> OpenDevice(const DeviceOptions& options);

}  // namespace cadmus
