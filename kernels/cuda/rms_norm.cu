// SPDX-License-Identifier: Apache-2.0
// RMSNorm: a block per row; dweight in two stages, partial sums over blocks of tokens in the order
// of the tokens, then over the blocks in theirs.
#include "kernels/ops/rms_norm.h"

#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/storage.cuh"
#include "kernels/ops/token_blocks.h"

namespace cadmus::cuda {
namespace {

template <class T>
struct ForwardRows {
  const T *x, *residual, *weight;
  T *sum, *y;
  Wide<T>* rstd;
  int64_t width;
  double epsilon;
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads) RmsNormForwardKernel(const ForwardRows<T> rows) {
  using S = Wide<T>;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * rows.width;
  const T* s = rows.x + at;
  double squares = 0;
  for (int64_t d = threadIdx.x * N; d < rows.width; d += kThreads * N) {
    Pack<T, N> pack = LoadPack<N>(s + d);
    if (rows.residual != nullptr) {
      const Pack<T, N> residual = LoadPack<N>(rows.residual + at + d);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        pack.v[i] = Narrow<T>(Widen(pack.v[i]) + Widen(residual.v[i]));
      }
      StorePack(rows.sum + at + d, pack);
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const double value = Widen(pack.v[i]);
      squares += value * value;
    }
  }
  squares = BlockSum(squares);
  const S r = static_cast<S>(1.0 / sqrt(squares / static_cast<double>(rows.width) + rows.epsilon));
  if (threadIdx.x == 0) rows.rstd[blockIdx.x] = r;
  if (rows.residual != nullptr) s = rows.sum + at;  // each thread reads what it wrote
  for (int64_t d = threadIdx.x * N; d < rows.width; d += kThreads * N) {
    Pack<T, N> pack = LoadPack<N>(s + d);
    const Pack<T, N> weight = LoadPack<N>(rows.weight + d);
#pragma unroll
    for (int i = 0; i < N; ++i) pack.v[i] = Narrow<T>(Widen(pack.v[i]) * r * Widen(weight.v[i]));
    StorePack(rows.y + at + d, pack);
  }
}

template <class T>
struct BackwardRows {
  const T *s, *weight;
  const Wide<T>* rstd;
  const T *dy, *dsum;
  T* ds;
  Wide<T>* partials;
  int64_t tokens, width, tokens_per_block;
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads) RmsNormBackwardKernel(const BackwardRows<T> rows) {
  using S = Wide<T>;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * rows.width;
  double dot = 0;
  for (int64_t d = threadIdx.x * N; d < rows.width; d += kThreads * N) {
    const Pack<T, N> s = LoadPack<N>(rows.s + at + d);
    const Pack<T, N> dy = LoadPack<N>(rows.dy + at + d);
    const Pack<T, N> weight = LoadPack<N>(rows.weight + d);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      dot += double(Widen(dy.v[i])) * double(Widen(weight.v[i])) * double(Widen(s.v[i]));
    }
  }
  dot = BlockSum(dot);
  const S r = rows.rstd[blockIdx.x];
  const S c = static_cast<S>(double(r) * double(r) * (dot / static_cast<double>(rows.width)));
  for (int64_t d = threadIdx.x * N; d < rows.width; d += kThreads * N) {
    const Pack<T, N> s = LoadPack<N>(rows.s + at + d);
    const Pack<T, N> dy = LoadPack<N>(rows.dy + at + d);
    const Pack<T, N> weight = LoadPack<N>(rows.weight + d);
    Pack<T, N> dsum = {};
    if (rows.dsum != nullptr) dsum = LoadPack<N>(rows.dsum + at + d);
    Pack<T, N> ds;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      S gradient = r * (Widen(dy.v[i]) * Widen(weight.v[i]) - Widen(s.v[i]) * c);
      if (rows.dsum != nullptr) gradient += Widen(dsum.v[i]);
      ds.v[i] = Narrow<T>(gradient);
    }
    StorePack(rows.ds + at + d, ds);
  }
}

// A thread per column and block of tokens.
template <class T>
__global__ void __launch_bounds__(kThreads) RmsNormPartialsKernel(const BackwardRows<T> rows) {
  using S = Wide<T>;
  const int64_t d = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (d >= rows.width) return;
  const int64_t begin = blockIdx.y * rows.tokens_per_block;
  const int64_t end = min(rows.tokens, begin + rows.tokens_per_block);
  S sum = 0;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t at = t * rows.width + d;
    sum += Widen(rows.dy[at]) * (Widen(rows.s[at]) * rows.rstd[t]);
  }
  rows.partials[blockIdx.y * rows.width + d] = sum;
}

// T: storage, W: of dweight.
template <class T, class W>
__global__ void __launch_bounds__(kThreads)
    RmsNormWeightKernel(const Wide<T>* partials, int64_t blocks, int64_t width, GradMode mode,
                        W* dweight) {
  using S = Wide<T>;
  const int64_t d = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (d >= width) return;
  S sum = 0;
  for (int64_t block = 0; block < blocks; ++block) sum += partials[block * width + d];
  if (mode == GradMode::kAccumulate) sum = S(Widen(dweight[d])) + sum;
  dweight[d] = Narrow<W>(sum);
}

}  // namespace

void RmsNormForward(const RmsNormForwardArgs& args, Stream& stream) {
  DispatchFloat(args.x_TD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const ForwardRows<T> rows = {.x = Data<T>(args.x_TD),
                                 .residual = Data<T>(args.residual_TD),
                                 .weight = Data<T>(args.weight_D),
                                 .sum = Data<T>(args.sum_TD),
                                 .y = Data<T>(args.y_TD),
                                 .rstd = Data<Wide<T>>(args.rstd_T),
                                 .width = args.x_TD.dim(1),
                                 .epsilon = args.epsilon};
    DispatchPack<T>({rows.x, rows.residual, rows.weight, rows.sum, rows.y}, {rows.width},
                    [&](auto pack) {
                      LaunchKernel(args.kName, &RmsNormForwardKernel<T, decltype(pack)::kLength>,
                                   {.x = args.x_TD.dim(0)}, stream, rows);
                    });
  });
}

void RmsNormBackward(const RmsNormBackwardArgs& args, Stream& stream) {
  DispatchFloat(args.s_TD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    using S = Wide<T>;
    const int64_t tokens = args.s_TD.dim(0), width = args.s_TD.dim(1);
    const BackwardRows<T> rows = {.s = Data<T>(args.s_TD),
                                  .weight = Data<T>(args.weight_D),
                                  .rstd = Data<S>(args.rstd_T),
                                  .dy = Data<T>(args.dy_TD),
                                  .dsum = Data<T>(args.dsum_TD),
                                  .ds = Data<T>(args.ds_TD),
                                  .partials = static_cast<S*>(args.workspace.raw()),
                                  .tokens = tokens,
                                  .width = width,
                                  .tokens_per_block = TokensPerBlock(tokens)};
    const int64_t blocks = DivideUp(tokens, rows.tokens_per_block);
    const int64_t column_blocks = DivideUp(width, kThreads);
    // Before ds, which may lie on dy.
    LaunchKernel(args.kName, &RmsNormPartialsKernel<T>,
                 {.x = column_blocks, .y = static_cast<int>(blocks)}, stream, rows);
    DispatchPack<T>({rows.s, rows.weight, rows.dy, rows.dsum, rows.ds}, {width}, [&](auto pack) {
      LaunchKernel(args.kName, &RmsNormBackwardKernel<T, decltype(pack)::kLength>, {.x = tokens},
                   stream, rows);
    });
    const auto sum_blocks = [&]<class W>(W* dweight) {
      LaunchKernel(args.kName, &RmsNormWeightKernel<T, W>, {.x = column_blocks}, stream,
                   static_cast<const S*>(rows.partials), blocks, width, args.dweight_mode, dweight);
    };
    if (args.dweight_D.dtype() == args.s_TD.dtype()) {
      sum_blocks(Data<T>(args.dweight_D));
    } else {
      sum_blocks(Data<S>(args.dweight_D));
    }
  });
}

}  // namespace cadmus::cuda
