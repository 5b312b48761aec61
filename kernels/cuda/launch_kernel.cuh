// SPDX-License-Identifier: Apache-2.0
// LaunchKernel: how every kernel of ours is started: named for the profiler, checked at once.
#pragma once

#include <cstdint>

#include "kernels/cuda/nvtx_range.h"
#include "kernels/cuda/stream.h"

namespace cadmus::cuda {

inline constexpr int kThreads = 256;  // of a block, where nothing else is said

struct Grid {
  int64_t x = 0;  // blocks; none: nothing to do
  int y = 1;
  int threads = kThreads;
  int64_t shared_bytes = 0;
};

// `op` is the name that errors and profiles show.
template <class... Parameters, class... Arguments>
void LaunchKernel(const char* op, void (*kernel)(Parameters...), const Grid& grid, Stream& stream,
                  const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0) return;
  const CudaStream& to = CudaStreamOf(stream);
  const NvtxRange range(op);
  kernel<<<dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y)), grid.threads,
           static_cast<size_t>(grid.shared_bytes), to.handle()>>>(arguments...);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) ThrowCudaError(error, op, to.where());
}

constexpr int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace cadmus::cuda
