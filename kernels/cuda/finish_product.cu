// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/finish_product.h"

#include "kernels/cuda/launch_kernel.cuh"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

struct Matrices {
  int64_t batch, rows, columns;
  int64_t batch_stride, row_stride;
};

// T: of C, B: of the bias.
template <class T, class B>
__global__ void __launch_bounds__(kThreads)
    FinishProductKernel(T* c, const B* bias, bool clears, const Matrices shape) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= shape.batch * shape.rows * shape.columns) return;
  const int64_t column = i % shape.columns, row = i / shape.columns % shape.rows;
  T* const at =
      c + i / (shape.columns * shape.rows) * shape.batch_stride + row * shape.row_stride + column;
  Wide<T> value = clears ? Wide<T>(0) : Widen(*at);
  if (bias != nullptr) value += Widen(bias[column]);
  *at = Narrow<T>(value);
}

}  // namespace

void FinishProduct(const ProductRest& rest, Stream& stream) {
  const TensorView& c = rest.c;
  const int rows = c.num_dims() - 2;
  const Matrices shape = {.batch = rows == 1 ? c.dim(0) : 1,
                          .rows = c.dim(rows),
                          .columns = c.dim(rows + 1),
                          .batch_stride = rows == 1 ? c.stride(0) : 0,
                          .row_stride = c.stride(rows)};
  const auto finish = [&]<class T, class B>(T* to, const B* bias) {
    LaunchKernel("Gemm", &FinishProductKernel<T, B>, {.x = DivideUp(c.num_elements(), kThreads)},
                 stream, to, bias, rest.clears, shape);
  };
  DispatchFloat(c.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    if constexpr (std::is_same_v<T, float>) {
      if (rest.bias_N.dtype() == DType::kBF16) {
        return finish(Data<T>(c), Data<__nv_bfloat16>(rest.bias_N));
      }
    }
    finish(Data<T>(c), Data<T>(rest.bias_N));
  });
}

}  // namespace cadmus::cuda
