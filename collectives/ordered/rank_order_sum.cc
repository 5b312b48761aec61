// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/rank_order_sum.h"

#include <algorithm>
#include <array>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// T: in memory, S: of the sums.
template <class T, class S>
void Sum(std::span<const void* const> inputs, T* output, int64_t count) {
  // A block of partial sums stays in the first-level cache while the inputs stream past.
  constexpr int64_t kBlock = 1024;
  alignas(64) std::array<S, kBlock> sum;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t n = std::min(kBlock, count - begin);
    std::copy_n(static_cast<const T*>(inputs[0]) + begin, n, sum.data());
    for (const void* input : inputs.subspan(1)) {
      const T* x = static_cast<const T*>(input) + begin;
      for (int64_t i = 0; i < n; ++i) sum[static_cast<size_t>(i)] += x[i];
    }
    std::transform(sum.data(), sum.data() + n, output + begin,
                   [](S value) { return static_cast<T>(value); });
  }
}

}  // namespace

void SumInRankOrder(DType dtype, std::span<const void* const> inputs, void* output, int64_t count) {
  switch (dtype) {
    case DType::kF64:
      return Sum<double, double>(inputs, static_cast<double*>(output), count);
    case DType::kF32:
      return Sum<float, float>(inputs, static_cast<float*>(output), count);
    case DType::kBF16:
      return Sum<BFloat16, float>(inputs, static_cast<BFloat16*>(output), count);
    default:
      CADMUS_UNREACHABLE("sums of other dtypes are refused at the call");
  }
}

}  // namespace cadmus
