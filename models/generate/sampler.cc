// SPDX-License-Identifier: Apache-2.0
#include "models/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/base/error.h"
#include "kernels/base/philox.h"

namespace cadmus {

Sampler::Sampler(const SamplerOptions& options) : options_(options) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    throw Error(Kind::kConfig,
                StrCat("temperature is ", options.temperature, "; 0 is greedy, 1 the model's own"));
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    throw Error(Kind::kConfig, StrCat("top-p is ", options.top_p, "; it must be in (0, 1]"));
  }
}

int32_t Sampler::Next(std::span<const double> logits, int64_t position) {
  if (std::any_of(logits.begin(), logits.end(), [](double logit) { return std::isnan(logit); })) {
    throw Error(Kind::kNumerics, "the model's logits are NaN; its weights are not usable");
  }
  const auto best = std::max_element(logits.begin(), logits.end());
  if (options_.temperature == 0) return static_cast<int32_t>(best - logits.begin());

  order_.resize(logits.size());
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  probabilities_.resize(logits.size());
  double total = 0;
  for (size_t i = 0; i < order_.size(); ++i) {
    probabilities_[i] =
        std::exp((logits[static_cast<size_t>(order_[i])] - *best) / options_.temperature);
    total += probabilities_[i];
  }
  double nucleus = 0;
  size_t kept = 0;
  while (kept < probabilities_.size() && nucleus < options_.top_p * total)
    nucleus += probabilities_[kept++];

  const PhiloxKey key =
      DeriveKey(options_.seed, static_cast<uint64_t>(position), SiteOf("sampler"));
  double left = UniformFromWord(Philox(key, {})[0]) * nucleus;
  for (size_t i = 0; i < kept; ++i) {
    left -= probabilities_[i];
    if (left < 0) return order_[i];
  }
  return order_[kept - 1];
}

}  // namespace cadmus
