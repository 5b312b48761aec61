// SPDX-License-Identifier: Apache-2.0
// Dropout: a thread per group of four columns that share a draw; the draws are those of
// kernels/base/philox.h, the very code of the CPU.
#include "kernels/ops/dropout.h"

#include "kernels/base/philox.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/launch_kernel.cuh"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    AddOrCopyKernel(const T* x, const T* residual, T* y, int64_t elements) {
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N;
  if (at >= elements) return;
  const Pack<T, N> in = LoadPack<N>(x + at);
  Pack<T, N> other = {};
  if (residual != nullptr) other = LoadPack<N>(residual + at);
  Pack<T, N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const Wide<T> x_wide = Widen(in.v[i]);
    out.v[i] = Narrow<T>(residual == nullptr ? x_wide : Widen(other.v[i]) + x_wide);
  }
  StorePack(y + at, out);
}

template <class T>
struct DropRows {
  const T *x, *residual;
  T* y;
  const StepScalars* scalars;
  const int64_t* samples;
  const int32_t* positions;
  double probability;
  uint64_t site;
  int64_t tokens, width, column_base;
};

template <class T>
__device__ inline T Dropped(const DropRows<T>& rows, int64_t at, T x, Wide<T> factor) {
  const Wide<T> kept = Widen(x) * factor;
  return Narrow<T>(rows.residual == nullptr ? kept : Widen(rows.residual[at]) + kept);
}

template <class T>
__global__ void __launch_bounds__(kThreads) DropoutKernel(const DropRows<T> rows) {
  using S = Wide<T>;
  const int64_t first_group = rows.column_base / 4;
  const int64_t groups = (rows.column_base + rows.width + 3) / 4 - first_group;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= rows.tokens * groups) return;
  const int64_t t = index / groups;
  const int64_t group = first_group + index % groups;
  const PhiloxKey key =
      DeriveKey(rows.scalars->seed, static_cast<uint64_t>(rows.scalars->step), rows.site);
  const auto sample = static_cast<uint64_t>(rows.samples[t]);
  const PhiloxWords words =
      Philox(key, {static_cast<uint32_t>(sample), static_cast<uint32_t>(sample >> 32),
                   static_cast<uint32_t>(rows.positions[t]), static_cast<uint32_t>(group)});
  const S kept = static_cast<S>(1.0 / (1.0 - rows.probability));
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int64_t column = group * 4 + j - rows.column_base;
    if (column < 0 || column >= rows.width) continue;
    const int64_t at = t * rows.width + column;
    const S factor =
        UniformFromWord(words[static_cast<size_t>(j)]) >= rows.probability ? kept : S(0);
    rows.y[at] = Dropped(rows, at, rows.x[at], factor);
  }
}

template <class T>
void AddOrCopy(const DropoutArgs& args, Stream& stream) {
  const T *x = Data<T>(args.x_TD), *residual = Data<T>(args.residual_TD);
  T* y = Data<T>(args.y_TD);
  const int64_t elements = args.x_TD.num_elements();
  DispatchPack<T>({x, residual, y}, {elements}, [&](auto pack) {
    constexpr int kLength = decltype(pack)::kLength;
    LaunchKernel(args.kName, &AddOrCopyKernel<T, kLength>,
                 {.x = DivideUp(elements, kThreads * kLength)}, stream, x, residual, y, elements);
  });
}

template <class T>
void Drop(const DropoutArgs& args, Stream& stream) {
  const DropRows<T> rows = {.x = Data<T>(args.x_TD),
                            .residual = Data<T>(args.residual_TD),
                            .y = Data<T>(args.y_TD),
                            .scalars = static_cast<const StepScalars*>(args.scalars.raw()),
                            .samples = Data<int64_t>(args.row_samples_T),
                            .positions = Data<int32_t>(args.row_positions_T),
                            .probability = args.probability,
                            .site = args.site,
                            .tokens = args.x_TD.dim(0),
                            .width = args.x_TD.dim(1),
                            .column_base = args.column_base};
  const int64_t groups = (rows.column_base + rows.width + 3) / 4 - rows.column_base / 4;
  LaunchKernel(args.kName, &DropoutKernel<T>, {.x = DivideUp(rows.tokens * groups, kThreads)},
               stream, rows);
}

}  // namespace

void Dropout(const DropoutArgs& args, Stream& stream) {
  DispatchFloat(args.x_TD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    if (args.probability > 0) {
      Drop<T>(args, stream);
    } else {
      AddOrCopy<T>(args, stream);
    }
  });
}

}  // namespace cadmus::cuda
