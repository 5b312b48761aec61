// SPDX-License-Identifier: Apache-2.0
// What is said of repeated measurements: the median, and how far they lie apart.
#pragma once

#include <span>

namespace cadmus::timing {

struct Summary {
  double median = 0;
  double min = 0, max = 0;

  double spread() const { return (max - min) / median; }
};

// Of at least one value; the median of an even number is the mean of the two in the middle.
Summary Summarise(std::span<const double> values);

}  // namespace cadmus::timing
