// SPDX-License-Identifier: Apache-2.0
// RMSNorm of the rows of a [T, H, D] view: the tokens of RmsNorm, which are rows of one head, and
// the heads of HeadNorm. A block of threads per row, or, where a row is short, some lanes of a
// warp; dweight in two stages, over blocks of rows, then over their partial sums.
#include "kernels/ops/rms_norm.h"

#include <bit>
#include <limits>

#include "kernels/cuda/add_rows.h"
#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/storage.cuh"
#include "kernels/cuda/token_blocks.cuh"
#include "kernels/ops/head_norm.h"

namespace cadmus::cuda {
namespace {

// Row i is head i mod H of token i / H.
template <class T>
struct Rows {
  T* data = nullptr;  // null: absent
  int64_t token_stride = 0, head_stride = 0;
  int num_heads = 1;

  __device__ T* operator[](int64_t i) const {
    if (num_heads == 1) return data + i * token_stride;
    const auto row = static_cast<unsigned>(i);  // see NumRows
    const auto heads = static_cast<unsigned>(num_heads);
    return data + row / heads * token_stride + row % heads * head_stride;
  }
};

// Of a [T, D] or a [T, H, D] view.
template <class T>
Rows<T> RowsOf(const auto& view) {
  T* const data = static_cast<T*>(view.raw());
  if (!view || view.num_dims() == 2)
    return {.data = data, .token_stride = view ? view.stride(0) : 0};
  return {.data = data,
          .token_stride = view.stride(0),
          .head_stride = view.stride(1),
          .num_heads = static_cast<int>(view.dim(1))};
}

// Numbers of rows fit 32 bits, whose division is cheap.
int64_t NumRows(const ConstTensorView& rstd) {
  const int64_t rows = rstd.num_elements();
  CADMUS_CHECK(rows <= std::numeric_limits<int32_t>::max(), StrCat(rows, " rows to normalise"));
  return rows;
}

// Who works on a row: a block, or neighbouring lanes whose packs hold it. Sums have the same bits
// either way: the other threads of a block would add zeros.
struct BlockOfRow {
  __device__ int64_t row() const { return blockIdx.x; }
  __device__ int thread() const { return static_cast<int>(threadIdx.x); }
  __device__ int num_threads() const { return kThreads; }
  __device__ double Sum(double value) const { return BlockSum(value); }
};

struct LanesOfRow {
  int log2_lanes;  // at most 5

  __device__ int64_t row() const {
    return (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) >> log2_lanes;
  }
  __device__ int thread() const { return static_cast<int>(threadIdx.x) & (num_threads() - 1); }
  __device__ int num_threads() const { return 1 << log2_lanes; }
  __device__ double Sum(double value) const {
    for (int offset = num_threads() / 2; offset > 0; offset /= 2) {
      value += __shfl_xor_sync(kAllLanes, value, offset);
    }
    return value;
  }
};

// Says to a generic lambda who works on a row of packs of N, and how many blocks that takes.
template <int N, class Body>
void DispatchRow(int64_t num_rows, int64_t width, const Body& body) {
  const int64_t packs = DivideUp(width, N);
  if (packs > 32) return body(BlockOfRow{}, num_rows);
  const int log2_lanes = std::bit_width(static_cast<uint64_t>(packs - 1));
  body(LanesOfRow{log2_lanes}, DivideUp(num_rows, kThreads >> log2_lanes));
}

template <class T>
struct ForwardRows {
  Rows<const T> x, residual;
  const T* weight;
  Rows<T> sum, y;
  Wide<T>* rstd;
  int64_t num_rows, width;
  double epsilon;
};

template <class T, int N, class RowThreads>
__global__ void __launch_bounds__(kThreads)
    RmsNormForwardKernel(const ForwardRows<T> rows, const RowThreads threads) {
  using S = Wide<T>;
  const int64_t row = threads.row();
  const int64_t width = row < rows.num_rows ? rows.width : 0;
  const int64_t begin = threads.thread() * N, step = threads.num_threads() * N;
  const T* s = rows.x[row];
  double squares = 0;
  for (int64_t d = begin; d < width; d += step) {
    Pack<T, N> pack = LoadPack<N>(s + d);
    if (rows.residual.data != nullptr) {
      const Pack<T, N> residual = LoadPack<N>(rows.residual[row] + d);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        pack.v[i] = Narrow<T>(Widen(pack.v[i]) + Widen(residual.v[i]));
      }
      StorePack(rows.sum[row] + d, pack);
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const double value = Widen(pack.v[i]);
      squares += value * value;
    }
  }
  squares = threads.Sum(squares);
  const S r = static_cast<S>(1.0 / sqrt(squares / static_cast<double>(rows.width) + rows.epsilon));
  if (width > 0 && threads.thread() == 0) rows.rstd[row] = r;
  if (rows.residual.data != nullptr) s = rows.sum[row];  // each thread reads what it wrote
  for (int64_t d = begin; d < width; d += step) {
    Pack<T, N> pack = LoadPack<N>(s + d);
    const Pack<T, N> weight = LoadPack<N>(rows.weight + d);
#pragma unroll
    for (int i = 0; i < N; ++i) pack.v[i] = Narrow<T>(Widen(pack.v[i]) * r * Widen(weight.v[i]));
    StorePack(rows.y[row] + d, pack);
  }
}

template <class T>
struct BackwardRows {
  Rows<const T> s;
  const T* weight;
  const Wide<T>* rstd;
  Rows<const T> dy, dsum;
  Rows<T> ds;
  int64_t num_rows, width;
};

template <class T, int N, class RowThreads>
__global__ void __launch_bounds__(kThreads)
    RmsNormBackwardKernel(const BackwardRows<T> rows, const RowThreads threads) {
  using S = Wide<T>;
  const int64_t row = threads.row();
  const int64_t width = row < rows.num_rows ? rows.width : 0;
  const int64_t begin = threads.thread() * N, step = threads.num_threads() * N;
  const T *const s_row = rows.s[row], *const dy_row = rows.dy[row];
  double dot = 0;
  for (int64_t d = begin; d < width; d += step) {
    const Pack<T, N> s = LoadPack<N>(s_row + d);
    const Pack<T, N> dy = LoadPack<N>(dy_row + d);
    const Pack<T, N> weight = LoadPack<N>(rows.weight + d);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      dot += double(Widen(dy.v[i])) * double(Widen(weight.v[i])) * double(Widen(s.v[i]));
    }
  }
  dot = threads.Sum(dot);
  if (width == 0) return;
  const S r = rows.rstd[row];
  const S c = static_cast<S>(double(r) * double(r) * (dot / static_cast<double>(width)));
  for (int64_t d = begin; d < width; d += step) {
    const Pack<T, N> s = LoadPack<N>(s_row + d);
    const Pack<T, N> dy = LoadPack<N>(dy_row + d);
    const Pack<T, N> weight = LoadPack<N>(rows.weight + d);
    Pack<T, N> dsum = {};
    if (rows.dsum.data != nullptr) dsum = LoadPack<N>(rows.dsum[row] + d);
    Pack<T, N> ds;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      S gradient = r * (Widen(dy.v[i]) * Widen(weight.v[i]) - Widen(s.v[i]) * c);
      if (rows.dsum.data != nullptr) gradient += Widen(dsum.v[i]);
      ds.v[i] = Narrow<T>(gradient);
    }
    StorePack(rows.ds[row] + d, ds);
  }
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    RmsNormPartialsKernel(const BackwardRows<T> rows, Wide<T>* partials, const TokenBlocks blocks) {
  using S = Wide<T>;
  S sums[1][N] = {};
  const auto add = [&rows](int64_t row, int64_t d, S(&to)[1][N]) {
    const Pack<T, N> s = LoadPack<N>(rows.s[row] + d);
    const Pack<T, N> dy = LoadPack<N>(rows.dy[row] + d);
    const S r = rows.rstd[row];
#pragma unroll
    for (int i = 0; i < N; ++i) to[0][i] += Widen(dy.v[i]) * (Widen(s.v[i]) * r);
  };
  if (SumRows(blocks, sums, add)) StorePartials(blocks, sums, partials);
}

template <class T>
void Forward(const char* op, const ForwardRows<T>& rows, Stream& stream) {
  // The residual and the sum are contiguous.
  DispatchPack<T>({rows.x.data, rows.residual.data, rows.weight, rows.sum.data, rows.y.data},
                  {rows.width, rows.x.token_stride, rows.x.head_stride, rows.y.token_stride,
                   rows.y.head_stride},
                  [&](auto pack) {
                    constexpr int kLength = decltype(pack)::kLength;
                    DispatchRow<kLength>(
                        rows.num_rows, rows.width, [&](auto threads, int64_t num_blocks) {
                          LaunchKernel(op, &RmsNormForwardKernel<T, kLength, decltype(threads)>,
                                       {.x = num_blocks}, stream, rows, threads);
                        });
                  });
}

// ds, and the partial sums of dweight.
template <class T>
void Backward(const char* op, const BackwardRows<T>& rows, Wide<T>* partials, Stream& stream) {
  // dsum is contiguous.
  DispatchPack<T>({rows.s.data, rows.weight, rows.dy.data, rows.dsum.data, rows.ds.data},
                  {rows.width, rows.s.token_stride, rows.s.head_stride, rows.dy.token_stride,
                   rows.dy.head_stride, rows.ds.token_stride, rows.ds.head_stride},
                  [&](auto pack) {
                    constexpr int kLength = decltype(pack)::kLength;
                    const TokenBlocks blocks = TokenBlocksOf(rows.num_rows, rows.width, kLength);
                    // Before ds, which may lie on dy.
                    LaunchKernel(op, &RmsNormPartialsKernel<T, kLength>, GridOf(blocks, kLength),
                                 stream, rows, partials, blocks);
                    DispatchRow<kLength>(
                        rows.num_rows, rows.width, [&](auto threads, int64_t num_blocks) {
                          LaunchKernel(op, &RmsNormBackwardKernel<T, kLength, decltype(threads)>,
                                       {.x = num_blocks}, stream, rows, threads);
                        });
                  });
}

// Both ops' second stage: their arguments name it alike.
void AddPartials(const auto& args, int64_t num_rows, Stream& stream) {
  const PartialRows rows = {
      .op = args.kName,
      .partials_BD = ConstTensorView(args.workspace.raw(), StatisticsDType(args.weight_D.dtype()),
                                     {NumTokenBlocks(num_rows), args.weight_D.dim(0)}),
      .mode = args.dweight_mode,
      .out_D = args.dweight_D};
  AddRows(rows, stream);
}

}  // namespace

void RmsNormForward(const RmsNormForwardArgs& args, Stream& stream) {
  DispatchFloat(args.x_TD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    Forward<T>(args.kName,
               {.x = RowsOf<const T>(args.x_TD),
                .residual = RowsOf<const T>(args.residual_TD),
                .weight = Data<T>(args.weight_D),
                .sum = RowsOf<T>(args.sum_TD),
                .y = RowsOf<T>(args.y_TD),
                .rstd = Data<Wide<T>>(args.rstd_T),
                .num_rows = NumRows(args.rstd_T),
                .width = args.x_TD.dim(1),
                .epsilon = args.epsilon},
               stream);
  });
}

void RmsNormBackward(const RmsNormBackwardArgs& args, Stream& stream) {
  const int64_t num_rows = NumRows(args.rstd_T);
  DispatchFloat(args.s_TD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    Backward<T>(args.kName,
                {.s = RowsOf<const T>(args.s_TD),
                 .weight = Data<T>(args.weight_D),
                 .rstd = Data<Wide<T>>(args.rstd_T),
                 .dy = RowsOf<const T>(args.dy_TD),
                 .dsum = RowsOf<const T>(args.dsum_TD),
                 .ds = RowsOf<T>(args.ds_TD),
                 .num_rows = num_rows,
                 .width = args.s_TD.dim(1)},
                static_cast<Wide<T>*>(args.workspace.raw()), stream);
  });
  AddPartials(args, num_rows, stream);
}

void HeadNormForward(const HeadNormForwardArgs& args, Stream& stream) {
  DispatchFloat(args.x_THD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    Forward<T>(args.kName,
               {.x = RowsOf<const T>(args.x_THD),
                .residual = {},
                .weight = Data<T>(args.weight_D),
                .sum = {},
                .y = RowsOf<T>(args.y_THD),
                .rstd = Data<Wide<T>>(args.rstd_TH),
                .num_rows = NumRows(args.rstd_TH),
                .width = args.x_THD.dim(2),
                .epsilon = args.epsilon},
               stream);
  });
}

void HeadNormBackward(const HeadNormBackwardArgs& args, Stream& stream) {
  const int64_t num_rows = NumRows(args.rstd_TH);
  DispatchFloat(args.x_THD.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    Backward<T>(args.kName,
                {.s = RowsOf<const T>(args.x_THD),
                 .weight = Data<T>(args.weight_D),
                 .rstd = Data<Wide<T>>(args.rstd_TH),
                 .dy = RowsOf<const T>(args.dy_THD),
                 .dsum = {},
                 .ds = RowsOf<T>(args.dx_THD),
                 .num_rows = num_rows,
                 .width = args.x_THD.dim(2)},
                static_cast<Wide<T>*>(args.workspace.raw()), stream);
  });
  AddPartials(args, num_rows, stream);
}

}  // namespace cadmus::cuda
