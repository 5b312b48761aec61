// SPDX-License-Identifier: Apache-2.0
// Blend: which of several sources each sample of a run comes from, a function of its number alone.
// At every point of the run, the samples taken from each source are its share within one sample.
#pragma once

#include <cstdint>
#include <vector>

namespace cadmus {

// Weights become whole shares of a period D ≤ 2^18: exactly (to 1e-9) if some such D allows it
// (0.7 and 0.3: D = 10), else to the nearest of 2^18. A table holds one period, ordered so that after any n
// samples the count of source i differs from n share_i / D by less than one: the chairman
// assignment. Source: R. Tijdeman, "The chairman assignment problem", Discrete Mathematics 32
// (1980), pages 323-330. (To take the source that lags most, as Megatron-LM does, keeps no such
// bound for many sources.)
class Blend {
 public:
  struct Place {
    int64_t source = 0;
    int64_t sample = 0;  // of this source, from 0
  };

  // Throws kConfig, naming the number of the source, unless there is one and all weights are
  // positive, finite, and at least 2^-18 of their sum.
  explicit Blend(const std::vector<double>& weights);

  // Of sample g >= 0 of the run. O(1).
  Place At(int64_t g) const;

  int64_t period() const { return static_cast<int64_t>(table_.size()); }
  const std::vector<int64_t>& shares() const { return shares_; }  // of the period

 private:
  struct Entry {
    uint32_t source;
    uint32_t sample;  // in the period
  };

  void FillTable();

  std::vector<int64_t> shares_;
  std::vector<Entry> table_;
};

}  // namespace cadmus
