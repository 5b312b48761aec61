// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rope.h"

#include "kernels/cpu/device.h"
#include "kernels/cpu/index_check.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

template <class T>
void Rotate(const RopeArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const TensorView& x = args.x_BSND;
  const int64_t length = x.dim(1);
  const int64_t tokens = x.dim(0) * length;
  const int64_t heads = x.dim(2);
  const int64_t half = x.dim(3) / 2;
  T* const data = x.data<T>();
  const int32_t* const positions = args.positions_BS.data<int32_t>();
  const S* const cos_table = args.cos_PF.data<S>();
  const S* const sin_table = args.sin_PF.data<S>();
  const S sign = args.direction == RopeDirection::kForward ? S(1) : S(-1);
  CheckIndices("position", positions, tokens, args.cos_PF.dim(0));
  ForPieces(pool, tokens, RowsPerTask(heads * 2 * half), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      T* const token = data + t / length * x.stride(0) + t % length * x.stride(1);
      const S* const cos = cos_table + positions[t] * half;
      const S* const sin = sin_table + positions[t] * half;
      for (int64_t n = 0; n < heads; ++n) {
        T* const low = token + n * x.stride(2);
        T* const high = low + half;
#pragma GCC ivdep
        for (int64_t i = 0; i < half; ++i) {
          const S u = low[i];
          const S v = high[i];
          const S turned_sin = sign * sin[i];
          low[i] = static_cast<T>(u * cos[i] - v * turned_sin);
          high[i] = static_cast<T>(u * turned_sin + v * cos[i]);
        }
      }
    }
  });
}

}  // namespace

void Rope(const RopeArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.x_BSND.dtype(), [&]<class T>(Storage<T>) { Rotate<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
