// SPDX-License-Identifier: Apache-2.0
// The gradient of a bias in two stages: over blocks of tokens, then over their partial sums.
#include "kernels/ops/bias_gradient.h"

#include "kernels/cuda/add_rows.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/storage.cuh"
#include "kernels/cuda/token_blocks.cuh"

namespace cadmus::cuda {
namespace {

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    BiasPartialsKernel(const T* dy, Wide<T>* partials, const TokenBlocks blocks) {
  using S = Wide<T>;
  S sums[1][N] = {};
  const auto add = [dy, width = blocks.width](int64_t row, int64_t d, S(&to)[1][N]) {
    const Pack<T, N> pack = LoadPack<N>(dy + row * width + d);
#pragma unroll
    for (int i = 0; i < N; ++i) to[0][i] += Widen(pack.v[i]);
  };
  if (SumRows(blocks, sums, add)) StorePartials(blocks, sums, partials);
}

}  // namespace

void BiasGradient(const BiasGradientArgs& args, Stream& stream) {
  const int64_t tokens = args.dy_TN.dim(0), width = args.dy_TN.dim(1);
  const DType dtype = args.dy_TN.dtype();
  DispatchFloat(dtype, [&](auto storage) {
    using T = typename decltype(storage)::Type;
    const T* dy = Data<T>(args.dy_TN);
    auto* const partials = static_cast<Wide<T>*>(args.workspace.raw());
    DispatchPack<T>({dy}, {width}, [&](auto pack) {
      constexpr int kLength = decltype(pack)::kLength;
      const TokenBlocks blocks = TokenBlocksOf(tokens, width, kLength);
      LaunchKernel(args.kName, &BiasPartialsKernel<T, kLength>, GridOf(blocks, kLength), stream, dy,
                   partials, blocks);
    });
  });
  const PartialRows rows = {
      .op = args.kName,
      .partials_BD = ConstTensorView(args.workspace.raw(), StatisticsDType(dtype),
                                     {NumTokenBlocks(tokens), width}),
      .mode = args.mode,
      .out_D = args.dbias_N};
  AddRows(rows, stream);
}

}  // namespace cadmus::cuda
