// SPDX-License-Identifier: Apache-2.0
// Sampler: from the logits of one position to the next token: greedy, or by temperature and
// nucleus, with a seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cadmus {

struct SamplerOptions {
  double temperature = 0;  // 0: greedy, the first of equal logits
  double top_p = 1;        // the smallest set of likeliest tokens with at least this probability
  uint64_t seed = 0;
};

class Sampler {
 public:
  // Throws kConfig unless temperature ≥ 0 and 0 < top_p ≤ 1.
  explicit Sampler(const SamplerOptions& options);

  // `position` counts generated tokens: the draw depends on (seed, position) only.
  // Throws kNumerics if a logit is NaN.
  int32_t Next(std::span<const double> logits, int64_t position);

 private:
  SamplerOptions options_;
  std::vector<int32_t> order_;
  std::vector<double> probabilities_;
};

}  // namespace cadmus
