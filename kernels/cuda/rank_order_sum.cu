// SPDX-License-Identifier: Apache-2.0
// The sum of the ordered communicators: per element, from the first input on.
#include <algorithm>

#include "kernels/cuda/host_work.h"
#include "kernels/cuda/launch_kernel.cuh"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

struct SumInputs {
  const void* at[kMaxSumInputs];
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    RankOrderSumKernel(const __grid_constant__ SumInputs inputs, int num_inputs, T* output,
                       int64_t count) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * N;
  if (i >= count) return;
  Wide<T> sum[N];
  const Pack<T, N> first = LoadPack<N>(static_cast<const T*>(inputs.at[0]) + i);
#pragma unroll
  for (int j = 0; j < N; ++j) sum[j] = Widen(first.v[j]);
  for (int p = 1; p < num_inputs; ++p) {
    const Pack<T, N> next = LoadPack<N>(static_cast<const T*>(inputs.at[p]) + i);
#pragma unroll
    for (int j = 0; j < N; ++j) sum[j] += Widen(next.v[j]);
  }
  Pack<T, N> rounded;
#pragma unroll
  for (int j = 0; j < N; ++j) rounded.v[j] = Narrow<T>(sum[j]);
  StorePack(output + i, rounded);
}

template <class T, int N>
void Sum(const SumInputs& inputs, int num_inputs, T* output, int64_t count, Stream& stream) {
  LaunchKernel("SumInRankOrder", &RankOrderSumKernel<T, N>, {.x = DivideUp(count, kThreads * N)},
               stream, inputs, num_inputs, output, count);
}

template <class T>
bool AllowPacks(std::span<const void* const> inputs, const T* output, int64_t count) {
  return AllowsPacks<T>(kPack<T>, {output}, {count}) &&
         std::all_of(inputs.begin(), inputs.end(),
                     [](const void* input) { return AllowsPacks<T>(kPack<T>, {input}, {}); });
}

}  // namespace

void SumInRankOrderAndWait(DType dtype, std::span<const void* const> inputs, void* output,
                           int64_t count, Stream& stream) {
  if (inputs.size() > kMaxSumInputs) {
    throw Error(Kind::kConfig, StrCat("a sum over ", inputs.size(), " ranks on a GPU: at most ",
                                      kMaxSumInputs, "; set communication.transport = NCCL"));
  }
  MakeCurrent(CudaStreamOf(stream).where().device);
  SumInputs pointers = {};
  std::copy(inputs.begin(), inputs.end(), pointers.at);
  const int num_inputs = static_cast<int>(inputs.size());
  DispatchFloat(dtype, [&](auto storage) {
    using T = typename decltype(storage)::Type;
    auto* const to = static_cast<T*>(output);
    if (AllowPacks(inputs, to, count)) {
      Sum<T, kPack<T>>(pointers, num_inputs, to, count, stream);
    } else {
      Sum<T, 1>(pointers, num_inputs, to, count, stream);
    }
  });
  AwaitGpu(stream);
}

}  // namespace cadmus::cuda
