// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/timing/statistics.h"

#include <algorithm>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus::timing {

Summary Summarise(std::span<const double> values) {
  CADMUS_CHECK(!values.empty(), "a summary of no values");
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  const size_t middle = sorted.size() / 2;
  const double median =
      sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return {.median = median, .min = sorted.front(), .max = sorted.back()};
}

}  // namespace cadmus::timing
