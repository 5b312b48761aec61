// SPDX-License-Identifier: Apache-2.0
// RoPE in place: a block per token, a thread per pack of pairs of a head.
#include "kernels/ops/rope.h"

#include "kernels/cuda/index_check.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/storage.cuh"

namespace cadmus::cuda {
namespace {

template <class T>
struct RopeTensor {
  T* x;
  const int32_t* positions;
  const Wide<T>*cos, *sin;
  Wide<T> sign;
  int64_t length, heads, half;
  int64_t entry_stride, token_stride, head_stride;
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads) RopeKernel(const RopeTensor<T> in, FaultView faults) {
  using S = Wide<T>;
  if (IsRaised(faults)) return;
  const int64_t t = blockIdx.x;
  T* const token = in.x + t / in.length * in.entry_stride + t % in.length * in.token_stride;
  const S* const cos = in.cos + in.positions[t] * in.half;
  const S* const sin = in.sin + in.positions[t] * in.half;
  const int64_t packs = in.half / N;
  for (int64_t p = threadIdx.x; p < in.heads * packs; p += kThreads) {
    const int64_t i = p % packs * N;
    T* const low = token + p / packs * in.head_stride + i;
    T* const high = low + in.half;
    Pack<T, N> u = LoadPack<N>(low), v = LoadPack<N>(high);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const S a = Widen(u.v[j]), b = Widen(v.v[j]);
      const S c = cos[i + j], s = in.sign * sin[i + j];
      u.v[j] = Narrow<T>(a * c - b * s);
      v.v[j] = Narrow<T>(a * s + b * c);
    }
    StorePack(low, u);
    StorePack(high, v);
  }
}

}  // namespace

void Rope(const RopeArgs& args, Stream& stream) {
  const TensorView& x = args.x_BSND;
  const int64_t tokens = x.dim(0) * x.dim(1);
  const FaultView faults = CheckIndices(args.kName,
                                        {.code = FaultCode::kPosition,
                                         .indices = Data<int32_t>(args.positions_BS),
                                         .n = tokens,
                                         .limit = args.cos_PF.dim(0)},
                                        stream);
  DispatchFloat(x.dtype(), [&](auto storage) {
    using T = typename decltype(storage)::Type;
    using S = Wide<T>;
    const RopeTensor<T> in = {.x = Data<T>(x),
                              .positions = Data<int32_t>(args.positions_BS),
                              .cos = Data<S>(args.cos_PF),
                              .sin = Data<S>(args.sin_PF),
                              .sign = args.direction == RopeDirection::kForward ? S(1) : S(-1),
                              .length = x.dim(1),
                              .heads = x.dim(2),
                              .half = x.dim(3) / 2,
                              .entry_stride = x.stride(0),
                              .token_stride = x.stride(1),
                              .head_stride = x.stride(2)};
    DispatchPack<T>({in.x}, {in.half, in.entry_stride, in.token_stride, in.head_stride},
                    [&](auto pack) {
                      LaunchKernel(args.kName, &RopeKernel<T, decltype(pack)::kLength>,
                                   {.x = tokens}, stream, in, faults);
                    });
  });
}

}  // namespace cadmus::cuda
