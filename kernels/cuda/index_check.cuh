// SPDX-License-Identifier: Apache-2.0
// The last guard before indices that come from data address memory: a kernel of its own looks at
// all of them first, and a raised fault makes the kernels behind it write nothing (see faults.h).
#pragma once

#include <climits>

#include "kernels/cuda/faults.h"
#include "kernels/cuda/launch_kernel.cuh"

namespace cadmus::cuda {

__device__ inline bool IsRaised(const FaultView& faults) { return *faults.raised != 0; }

// Called by one thread. The first fault stays.
__device__ inline void Raise(const FaultView& faults, const FaultRecord& fault) {
  if (atomicCAS(faults.raised, 0, 1) != 0) return;
  faults.record->value = fault.value;
  faults.record->at = fault.at;
  faults.record->limit = fault.limit;
  __threadfence_system();
  *reinterpret_cast<volatile FaultCode*>(&faults.record->code) = fault.code;
}

// One block, so that the first bad index is the one that is named.
static __global__ void CheckIndicesKernel(FaultCode code, const int32_t* indices, int64_t n,
                                          int32_t lowest, int64_t limit, FaultView faults) {
  __shared__ unsigned long long first_bad;
  if (threadIdx.x == 0) first_bad = ULLONG_MAX;
  __syncthreads();
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    if (indices[i] < lowest || indices[i] >= limit) {
      atomicMin(&first_bad, static_cast<unsigned long long>(i));
      break;
    }
  }
  __syncthreads();
  if (threadIdx.x != 0 || first_bad == ULLONG_MAX) return;
  const auto at = static_cast<int64_t>(first_bad);
  Raise(faults, {code, indices[at], at, limit});
}

struct IndexCheck {
  FaultCode code = FaultCode::kNone;
  const int32_t* indices = nullptr;
  int64_t n = 0;
  int32_t lowest = 0;
  int64_t limit = 0;
};

inline FaultView CheckIndices(const char* op, const IndexCheck& check, Stream& stream) {
  const FaultView faults = CudaStreamOf(stream).faults();
  LaunchKernel(op, &CheckIndicesKernel, {.x = check.n > 0 ? 1 : 0, .threads = 1024}, stream,
               check.code, check.indices, check.n, check.lowest, check.limit, faults);
  return faults;
}

}  // namespace cadmus::cuda
