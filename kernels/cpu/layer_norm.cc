// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/layer_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/device.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/token_blocks.h"
#include "kernels/ops/token_blocks.h"

namespace cadmus::cpu {
namespace {

template <class S>
struct Statistics {
  S mean, rstd;
};

// Two passes: the variance is about the mean, in f64.
template <class T>
Statistics<Wide<T>> StatisticsOf(const T* s, int64_t width, double epsilon) {
  const auto n = static_cast<double>(width);
  const double mean = Sum<double>(width, [s](int64_t d) { return double(s[d]); }) / n;
  const double squares = Sum<double>(width, [s, mean](int64_t d) {
    const double deviation = double(s[d]) - mean;
    return deviation * deviation;
  });
  return {static_cast<Wide<T>>(mean), static_cast<Wide<T>>(1.0 / std::sqrt(squares / n + epsilon))};
}

template <class T>
void Forward(const LayerNormForwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.x_TD.dim(0);
  const int64_t width = args.x_TD.dim(1);
  const T* const x = args.x_TD.data<T>();
  const T* const residual = args.residual_TD ? args.residual_TD.data<T>() : nullptr;
  const T* const weight = args.weight_D.data<T>();
  const T* const bias = args.bias_D.data<T>();
  T* const sum = args.sum_TD ? args.sum_TD.data<T>() : nullptr;
  T* const y = args.y_TD.data<T>();
  S* const mean = args.mean_T.data<S>();
  S* const rstd = args.rstd_T.data<S>();
  ForPieces(pool, tokens, RowsPerTask(width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const T* s = x + t * width;
      if (residual != nullptr) {
        AddRow(s, residual + t * width, width, sum + t * width);
        s = sum + t * width;
      }
      const auto [m, r] = StatisticsOf(s, width, args.epsilon);
      mean[t] = m;
      rstd[t] = r;
      T* const y_row = y + t * width;
#pragma GCC ivdep
      for (int64_t d = 0; d < width; ++d) {
        y_row[d] = static_cast<T>((S(s[d]) - m) * r * S(weight[d]) + S(bias[d]));
      }
    }
  });
}

template <class T>
struct RowGradient {
  const T *s, *weight, *dy;
  const T* dsum;  // null: none
  Wide<T> mean, rstd;
  T* ds;                    // may lie on dy or dsum
  Wide<T>*dweight, *dbias;  // += this row's share
};

template <class T>
void BackwardRow(const RowGradient<T>& row, int64_t width) {
  using S = Wide<T>;
  const auto [s, weight, dy, dsum, m, r, ds, dweight, dbias] = row;
  // Before ds, which may lie on dy.
#pragma omp simd
  for (int64_t d = 0; d < width; ++d) {
    dweight[d] += S(dy[d]) * ((S(s[d]) - m) * r);
    dbias[d] += S(dy[d]);
  }
  const auto g = [&row](int64_t d) { return double(row.dy[d]) * double(row.weight[d]); };
  const double sum_g = Sum<double>(width, g);
  const double sum_gn = double(r) * Sum<double>(width, [&row, &g](int64_t d) {
                          return g(d) * (double(row.s[d]) - double(row.mean));
                        });
  const S mean_g = static_cast<S>(sum_g / static_cast<double>(width));
  const S mean_gn = static_cast<S>(sum_gn / static_cast<double>(width));
#pragma GCC ivdep
  for (int64_t d = 0; d < width; ++d) {
    const S normalised = (S(s[d]) - m) * r;
    const S gradient = r * (S(dy[d]) * S(weight[d]) - mean_g - normalised * mean_gn);
    ds[d] = static_cast<T>(dsum == nullptr ? gradient : gradient + S(dsum[d]));
  }
}

template <class T>
void Backward(const LayerNormBackwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.s_TD.dim(0);
  const int64_t width = args.s_TD.dim(1);
  const int64_t tokens_per_block = TokensPerBlock(tokens);
  const T* const s = args.s_TD.data<T>();
  const T* const weight = args.weight_D.data<T>();
  const S* const mean = args.mean_T.data<S>();
  const S* const rstd = args.rstd_T.data<S>();
  const T* const dy = args.dy_TD.data<T>();
  const T* const dsum = args.dsum_TD ? args.dsum_TD.data<T>() : nullptr;
  T* const ds = args.ds_TD.data<T>();
  S* const partials = static_cast<S*>(args.workspace.raw());
  ForPieces(pool, tokens, tokens_per_block, [&](int64_t begin, int64_t end) {
    S* const partial = partials + begin / tokens_per_block * 2 * width;
    std::fill_n(partial, 2 * width, S(0));
    for (int64_t t = begin; t < end; ++t) {
      BackwardRow<T>({.s = s + t * width,
                      .weight = weight,
                      .dy = dy + t * width,
                      .dsum = dsum == nullptr ? nullptr : dsum + t * width,
                      .mean = mean[t],
                      .rstd = rstd[t],
                      .ds = ds + t * width,
                      .dweight = partial,
                      .dbias = partial + width},
                     width);
    }
  });
  PartialRows<S> rows = {.data = partials, .num_rows = NumTokenBlocks(tokens), .stride = 2 * width};
  AddRows<T>(rows, args.dweight_mode, args.dweight_D, pool);
  rows.data += width;
  AddRows<T>(rows, args.dbias_mode, args.dbias_D, pool);
}

}  // namespace

void LayerNormForward(const LayerNormForwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.x_TD.dtype(), [&]<class T>(Storage<T>) { Forward<T>(args, pool); });
  });
}

void LayerNormBackward(const LayerNormBackwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.s_TD.dtype(), [&]<class T>(Storage<T>) { Backward<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
