// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/bias_gradient.h"

#include <algorithm>

#include "kernels/cpu/device.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/token_blocks.h"
#include "kernels/ops/token_blocks.h"

namespace cadmus::cpu {
namespace {

template <class T>
void SumRows(const BiasGradientArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const int64_t tokens = args.dy_TN.dim(0);
  const int64_t width = args.dy_TN.dim(1);
  const int64_t tokens_per_block = TokensPerBlock(tokens);
  const T* const dy = args.dy_TN.data<T>();
  S* const partials = static_cast<S*>(args.workspace.raw());
  ForPieces(pool, tokens, tokens_per_block, [&](int64_t begin, int64_t end) {
    S* const partial = partials + begin / tokens_per_block * width;
    std::fill_n(partial, width, S(0));
    for (int64_t t = begin; t < end; ++t) {
      const T* const dy_row = dy + t * width;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) partial[i] += S(dy_row[i]);
    }
  });
  AddRows<T>({.data = partials, .num_rows = NumTokenBlocks(tokens), .stride = width}, args.mode,
             args.dbias_N, pool);
}

}  // namespace

void BiasGradient(const BiasGradientArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.dy_TN.dtype(), [&]<class T>(Storage<T>) { SumRows<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
