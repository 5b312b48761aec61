// SPDX-License-Identifier: Apache-2.0
// LayerNorm: a block per row; dweight and dbias in two stages, over blocks of tokens in one
// reading, then over their partial sums.
#include "kernels/ops/layer_norm.h"

#include "kernels/cuda/add_rows.h"
#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/storage.cuh"
#include "kernels/cuda/token_blocks.cuh"

namespace cadmus::cuda {
namespace {

template <class T>
struct ForwardRows {
  const T *x, *residual, *weight, *bias;
  T *sum, *y;
  Wide<T>*mean, *rstd;
  int64_t width;
  double epsilon;
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads) LayerNormForwardKernel(const ForwardRows<T> rows) {
  using S = Wide<T>;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * rows.width;
  const auto width = static_cast<double>(rows.width);
  const T* s = rows.x + at;
  double sum = 0;
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
    for (int i = 0; i < N; ++i) sum += double(Widen(pack.v[i]));
  }
  if (rows.residual != nullptr) s = rows.sum + at;  // each thread reads what it wrote
  // Two passes: the variance is about the mean, in f64.
  const double mean = BlockSum(sum) / width;
  double squares = 0;
  for (int64_t d = threadIdx.x * N; d < rows.width; d += kThreads * N) {
    const Pack<T, N> pack = LoadPack<N>(s + d);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const double deviation = double(Widen(pack.v[i])) - mean;
      squares += deviation * deviation;
    }
  }
  const S m = static_cast<S>(mean);
  const S r = static_cast<S>(1.0 / sqrt(BlockSum(squares) / width + rows.epsilon));
  if (threadIdx.x == 0) {
    rows.mean[blockIdx.x] = m;
    rows.rstd[blockIdx.x] = r;
  }
  for (int64_t d = threadIdx.x * N; d < rows.width; d += kThreads * N) {
    Pack<T, N> pack = LoadPack<N>(s + d);
    const Pack<T, N> weight = LoadPack<N>(rows.weight + d);
    const Pack<T, N> bias = LoadPack<N>(rows.bias + d);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      pack.v[i] = Narrow<T>((Widen(pack.v[i]) - m) * r * Widen(weight.v[i]) + Widen(bias.v[i]));
    }
    StorePack(rows.y + at + d, pack);
  }
}

template <class T>
struct BackwardRows {
  const T *s, *weight;
  const Wide<T>*mean, *rstd;
  const T *dy, *dsum;
  T* ds;
  int64_t width;
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads) LayerNormBackwardKernel(const BackwardRows<T> rows) {
  using S = Wide<T>;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * rows.width;
  const auto width = static_cast<double>(rows.width);
  const S m = rows.mean[blockIdx.x], r = rows.rstd[blockIdx.x];
  double sum_g = 0, sum_gn = 0;
  for (int64_t d = threadIdx.x * N; d < rows.width; d += kThreads * N) {
    const Pack<T, N> s = LoadPack<N>(rows.s + at + d);
    const Pack<T, N> dy = LoadPack<N>(rows.dy + at + d);
    const Pack<T, N> weight = LoadPack<N>(rows.weight + d);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const double g = double(Widen(dy.v[i])) * double(Widen(weight.v[i]));
      sum_g += g;
      sum_gn += g * (double(Widen(s.v[i])) - double(m));
    }
  }
  const S mean_g = static_cast<S>(BlockSum(sum_g) / width);
  const S mean_gn = static_cast<S>(double(r) * BlockSum(sum_gn) / width);
  for (int64_t d = threadIdx.x * N; d < rows.width; d += kThreads * N) {
    const Pack<T, N> s = LoadPack<N>(rows.s + at + d);
    const Pack<T, N> dy = LoadPack<N>(rows.dy + at + d);
    const Pack<T, N> weight = LoadPack<N>(rows.weight + d);
    Pack<T, N> dsum = {};
    if (rows.dsum != nullptr) dsum = LoadPack<N>(rows.dsum + at + d);
    Pack<T, N> ds;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const S normalised = (Widen(s.v[i]) - m) * r;
      S gradient = r * (Widen(dy.v[i]) * Widen(weight.v[i]) - mean_g - normalised * mean_gn);
      if (rows.dsum != nullptr) gradient += Widen(dsum.v[i]);
      ds.v[i] = Narrow<T>(gradient);
    }
    StorePack(rows.ds + at + d, ds);
  }
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    LayerNormPartialsKernel(const BackwardRows<T> rows, Wide<T>* partials,
                            const TokenBlocks blocks) {
  using S = Wide<T>;
  S sums[2][N] = {};  // of dweight, of dbias
  const auto add = [&rows](int64_t row, int64_t d, S(&to)[2][N]) {
    const Pack<T, N> s = LoadPack<N>(rows.s + row * rows.width + d);
    const Pack<T, N> dy = LoadPack<N>(rows.dy + row * rows.width + d);
    const S m = rows.mean[row], r = rows.rstd[row];
#pragma unroll
    for (int i = 0; i < N; ++i) {
      to[0][i] += Widen(dy.v[i]) * ((Widen(s.v[i]) - m) * r);
      to[1][i] += Widen(dy.v[i]);
    }
  };
  if (SumRows(blocks, sums, add)) StorePartials(blocks, sums, partials);
}

}  // namespace

void LayerNormForward(const LayerNormForwardArgs& args, Stream& stream) {
  DispatchFloat(args.x_TD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const ForwardRows<T> rows = {.x = Data<T>(args.x_TD),
                                 .residual = Data<T>(args.residual_TD),
                                 .weight = Data<T>(args.weight_D),
                                 .bias = Data<T>(args.bias_D),
                                 .sum = Data<T>(args.sum_TD),
                                 .y = Data<T>(args.y_TD),
                                 .mean = Data<Wide<T>>(args.mean_T),
                                 .rstd = Data<Wide<T>>(args.rstd_T),
                                 .width = args.x_TD.dim(1),
                                 .epsilon = args.epsilon};
    DispatchPack<T>({rows.x, rows.residual, rows.weight, rows.bias, rows.sum, rows.y}, {rows.width},
                    [&](auto pack) {
                      LaunchKernel(args.kName, &LayerNormForwardKernel<T, decltype(pack)::kLength>,
                                   {.x = args.x_TD.dim(0)}, stream, rows);
                    });
  });
}

void LayerNormBackward(const LayerNormBackwardArgs& args, Stream& stream) {
  const int64_t tokens = args.s_TD.dim(0), width = args.s_TD.dim(1);
  const DType dtype = args.s_TD.dtype();
  DispatchFloat(dtype, [&](auto storage) {
    using T = typename decltype(storage)::Type;
    using S = Wide<T>;
    const BackwardRows<T> rows = {.s = Data<T>(args.s_TD),
                                  .weight = Data<T>(args.weight_D),
                                  .mean = Data<S>(args.mean_T),
                                  .rstd = Data<S>(args.rstd_T),
                                  .dy = Data<T>(args.dy_TD),
                                  .dsum = Data<T>(args.dsum_TD),
                                  .ds = Data<T>(args.ds_TD),
                                  .width = width};
    auto* const partials = static_cast<S*>(args.workspace.raw());
    DispatchPack<T>({rows.s, rows.weight, rows.dy, rows.dsum, rows.ds}, {width}, [&](auto pack) {
      constexpr int kLength = decltype(pack)::kLength;
      const TokenBlocks blocks = TokenBlocksOf(tokens, width, kLength);
      // Before ds, which may lie on dy.
      LaunchKernel(args.kName, &LayerNormPartialsKernel<T, kLength>, GridOf(blocks, kLength),
                   stream, rows, partials, blocks);
      LaunchKernel(args.kName, &LayerNormBackwardKernel<T, kLength>, {.x = tokens}, stream, rows);
    });
  });
  const ConstTensorView partials_B2D(args.workspace.raw(), StatisticsDType(dtype),
                                     {NumTokenBlocks(tokens), 2 * width});
  const PartialRows dweight = {.op = args.kName,
                               .partials_BD = partials_B2D.Slice(1, 0, width),
                               .mode = args.dweight_mode,
                               .out_D = args.dweight_D};
  const PartialRows dbias = {.op = args.kName,
                             .partials_BD = partials_B2D.Slice(1, width, 2 * width),
                             .mode = args.dbias_mode,
                             .out_D = args.dbias_D};
  AddRows(dweight, stream);
  AddRows(dbias, stream);
}

}  // namespace cadmus::cuda
