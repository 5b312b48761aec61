// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/add_rows.h"

#include "kernels/cuda/storage.cuh"
#include "kernels/cuda/token_blocks.cuh"

namespace cadmus::cuda {
namespace {

template <class S, class W>
__global__ void __launch_bounds__(kThreads)
    AddRowsKernel(const S* partials, int64_t stride, GradMode mode, W* out,
                  const TokenBlocks blocks) {
  S sums[1][1] = {};
  const bool is_mine =
      SumRows(blocks, sums, [partials, stride](int64_t row, int64_t d, S(&to)[1][1]) {
        to[0][0] += partials[row * stride + d];
      });
  if (!is_mine) return;
  const int64_t d = FirstColumn<1>(blocks);
  const S sum = sums[0][0];
  out[d] = Narrow<W>(mode == GradMode::kAccumulate ? S(Widen(out[d])) + sum : sum);
}

template <class S, class W>
void Add(const PartialRows& rows, Stream& stream) {
  const int64_t num_rows = rows.partials_BD.dim(0), width = rows.partials_BD.dim(1);
  constexpr int kColumns = 32;  // a warp's: more turns at the rows for the rest
  const TokenBlocks blocks = {
      .num_rows = num_rows, .width = width, .rows_per_block = num_rows, .packs = kColumns};
  LaunchKernel(rows.op, &AddRowsKernel<S, W>, {.x = DivideUp(width, kColumns)}, stream,
               Data<S>(rows.partials_BD), rows.partials_BD.stride(0), rows.mode,
               Data<W>(rows.out_D), blocks);
}

}  // namespace

void AddRows(const PartialRows& rows, Stream& stream) {
  switch (rows.out_D.dtype()) {
    case DType::kF64:
      return Add<double, double>(rows, stream);
    case DType::kF32:
      return Add<float, float>(rows, stream);
    case DType::kBF16:
      return Add<float, __nv_bfloat16>(rows, stream);
    default:
      CADMUS_UNREACHABLE(StrCat("no sums in ", Name(rows.out_D.dtype())));
  }
}

}  // namespace cadmus::cuda
