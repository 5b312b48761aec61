// SPDX-License-Identifier: Apache-2.0
// Reductions of one value per thread over a block of kThreads, in an order that depends on nothing
// but the block: lanes as a tree, then the warps in their order. Every thread gets the result.
#pragma once

#include "kernels/cuda/launch_kernel.cuh"

namespace cadmus::cuda {

inline constexpr unsigned kAllLanes = 0xffffffffu;

template <class S, class Combine>
__device__ inline S WarpReduce(S value, const Combine& combine) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    value = combine(value, __shfl_xor_sync(kAllLanes, value, offset));
  }
  return value;
}

template <class S, class Combine>
__device__ inline S BlockReduce(S value, const Combine& combine) {
  constexpr int kWarps = kThreads / 32;
  __shared__ S of_warps[kWarps];
  value = WarpReduce(value, combine);
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
  __syncthreads();
  S result = of_warps[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp) result = combine(result, of_warps[warp]);
  __syncthreads();
  return result;
}

template <class S>
__device__ inline S BlockSum(S value) {
  return BlockReduce(value, [](S a, S b) { return a + b; });
}

// Of values that are not NaN.
template <class S>
__device__ inline S BlockMax(S value) {
  return BlockReduce(value, [](S a, S b) { return b > a ? b : a; });
}

}  // namespace cadmus::cuda
