// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/rank_order_sum.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

template <class T>
void ExpectSumsInOrder(int num_inputs, int64_t count, int output_index) {
  std::vector<std::vector<T>> inputs;
  for (int p = 0; p < num_inputs; ++p) {
    inputs.emplace_back();
    // 1e16 + 1 - 1e16 is 0 in this order and 1 in another.
    for (int64_t i = 0; i < count; ++i) {
      constexpr T kValues[] = {T(1e16), T(1), T(-1e16), T(3)};
      inputs.back().push_back(kValues[(p + i) % 4]);
    }
  }
  // bf16 is added up in f32 and rounded once.
  using Sum = std::conditional_t<std::is_same_v<T, BFloat16>, float, T>;
  std::vector<T> expected;
  for (size_t i = 0; i < inputs[0].size(); ++i) {
    Sum sum = inputs[0][i];
    for (int p = 1; p < num_inputs; ++p) sum += inputs[static_cast<size_t>(p)][i];
    expected.push_back(static_cast<T>(sum));
  }
  std::vector<const void*> pointers;
  for (const auto& input : inputs) pointers.push_back(input.data());
  std::vector<T> apart(static_cast<size_t>(count));
  T* output = output_index < 0 ? apart.data() : inputs[static_cast<size_t>(output_index)].data();
  SumInRankOrder(DTypeOf<T>, pointers, output, count);
  EXPECT_EQ(std::vector<T>(output, output + count), expected)
      << num_inputs << " inputs of " << count << ", into " << output_index;
}

TEST(SumInRankOrder, AddsFromTheFirstInputOn) {
  for (int64_t count : {0, 1, 7, 1023, 1024, 1025, 5003}) {
    for (int num_inputs : {1, 2, 3, 5}) {
      for (int output_index = -1; output_index < num_inputs; ++output_index) {
        ExpectSumsInOrder<double>(num_inputs, count, output_index);
        ExpectSumsInOrder<float>(num_inputs, count, output_index);
        ExpectSumsInOrder<BFloat16>(num_inputs, count, output_index);
      }
    }
  }
}

}  // namespace
}  // namespace cadmus
