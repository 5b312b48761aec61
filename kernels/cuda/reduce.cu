// SPDX-License-Identifier: Apache-2.0
// Whole-tensor sums in two stages: a block per kReduceBlock elements, then one block over all.
#include "kernels/ops/reduce.h"

#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

enum class Term { kIdentity, kSquare };

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    PartialSumsKernel(const T* x, int64_t n, Term term, double* partials) {
  const int64_t begin = blockIdx.x * kReduceBlock;
  const int64_t end = min(n, begin + kReduceBlock);
  double sum = 0;
  for (int64_t i = begin + threadIdx.x * N; i < end; i += kThreads * N) {
    const Pack<T, N> pack = LoadPack<N>(x + i);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const double value = Widen(pack.v[j]);
      sum += term == Term::kSquare ? value * value : value;
    }
  }
  sum = BlockSum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads)
    TotalKernel(const double* partials, int64_t blocks, GradMode mode, double* out) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < blocks; i += kThreads) sum += partials[i];
  sum = BlockSum(sum);
  if (threadIdx.x == 0) out[0] = mode == GradMode::kAccumulate ? out[0] + sum : sum;
}

template <class Args>
void Reduce(const Args& args, Term term, Stream& stream) {
  const int64_t n = args.x_N.dim(0);
  const int64_t blocks = DivideUp(n, kReduceBlock);
  auto* const partials = static_cast<double*>(args.workspace.raw());
  DispatchFloat(args.x_N.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const T* x = Data<T>(args.x_N);
    DispatchPack<T>({x}, {n}, [&](auto pack) {
      LaunchKernel(args.kName, &PartialSumsKernel<T, decltype(pack)::kLength>, {.x = blocks},
                   stream, x, n, term, partials);
    });
  });
  LaunchKernel(args.kName, &TotalKernel, {.x = 1}, stream, static_cast<const double*>(partials),
               blocks, args.mode, Data<double>(args.out));
}

__global__ void ClipFactorKernel(const double* squared_norm, double max_norm, double* norm_out,
                                 StepScalars* scalars) {
  const double norm = sqrt(squared_norm[0]);
  const double factor = max_norm / (norm + 1e-6);
  const bool keeps = max_norm == 0 || factor >= 1;  // false for NaN, which must be seen
  norm_out[0] = norm;
  scalars->clip_factor = keeps ? 1.0 : factor;
}

}  // namespace

void Sum(const SumArgs& args, Stream& stream) { Reduce(args, Term::kIdentity, stream); }
void SquaredNorm(const SquaredNormArgs& args, Stream& stream) {
  Reduce(args, Term::kSquare, stream);
}

void ClipFactor(const ClipFactorArgs& args, Stream& stream) {
  LaunchKernel(args.kName, &ClipFactorKernel, {.x = 1, .threads = 1}, stream,
               Data<double>(args.squared_norm), args.max_norm, Data<double>(args.norm),
               static_cast<StepScalars*>(args.scalars.raw()));
}

}  // namespace cadmus::cuda
