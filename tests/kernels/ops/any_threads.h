// SPDX-License-Identifier: Apache-2.0
// The test that every kernel shares: its bits depend neither on the number of threads (on a GPU:
// on the run). And the type in which results of a storage type are judged.
#pragma once

#include <type_traits>

#include "tests/kernels/ops/op_test_support.h"

namespace cadmus {

// `compute` takes a bench and returns all results as one vector.
template <class Compute>
void ExpectSameBitsForAnyThreads(const Compute& compute) {
  const auto with_one = compute(OpBench(1));
  for (int num_threads : {2, 3}) {
    EXPECT_TRUE(BitEqual(compute(OpBench(num_threads)), with_one)) << num_threads << " threads";
  }
}

template <class T>
void Append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// f32 results are held against f64, f64 results against the processor's 80 bits.
template <class T>
using Wider = std::conditional_t<std::is_same_v<T, float>, double, long double>;

}  // namespace cadmus
