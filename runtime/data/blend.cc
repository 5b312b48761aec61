// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/blend.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

constexpr int64_t kMaxPeriod = int64_t{1} << 18;
constexpr size_t kMaxSources = 4096;  // keeps the products of FillTable in 64 bits

// The shares of a period in which every fraction is a whole number; empty if there is none.
std::vector<int64_t> ExactShares(const std::vector<double>& fractions, int64_t period) {
  constexpr double kRounding = 1e-9;  // of the division by the sum
  std::vector<int64_t> shares;
  for (const double fraction : fractions) {
    const double share = fraction * static_cast<double>(period);
    const double whole = std::round(share);
    if (whole < 1 || std::abs(share - whole) > kRounding * whole) return {};
    shares.push_back(static_cast<int64_t>(whole));
  }
  return shares;
}

// The shares of the longest period by largest remainder.
std::vector<int64_t> NearestShares(const std::vector<double>& fractions) {
  std::vector<int64_t> shares;
  for (const double fraction : fractions) {
    shares.push_back(static_cast<int64_t>(fraction * static_cast<double>(kMaxPeriod)));
  }
  std::vector<size_t> order(fractions.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto remainder = [&](size_t i) {
    return fractions[i] * static_cast<double>(kMaxPeriod) - static_cast<double>(shares[i]);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return remainder(a) > remainder(b); });
  int64_t missing = kMaxPeriod - std::accumulate(shares.begin(), shares.end(), int64_t{0});
  for (size_t i = 0; missing > 0; i = (i + 1) % order.size(), --missing) ++shares[order[i]];
  return shares;
}

void CheckWeights(const std::vector<double>& weights) {
  if (weights.empty() || weights.size() > kMaxSources) {
    throw Error(Kind::kConfig,
                StrCat(weights.size(), " sources of data; give from 1 to ", kMaxSources));
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] > 0) || !std::isfinite(sum) ||
        weights[i] / sum * static_cast<double>(kMaxPeriod) < 1) {
      throw Error(Kind::kConfig, StrCat("the weight of source ", i, " is ", weights[i], " of ", sum,
                                        " in all; give positive weights, none below 1/", kMaxPeriod,
                                        " of their sum, or leave the source out"));
    }
  }
}

}  // namespace

Blend::Blend(const std::vector<double>& weights) {
  CheckWeights(weights);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> fractions;
  for (const double weight : weights) fractions.push_back(weight / sum);
  for (auto period = static_cast<int64_t>(weights.size()); period <= kMaxPeriod && shares_.empty();
       ++period) {
    shares_ = ExactShares(fractions, period);
  }
  if (shares_.empty()) shares_ = NearestShares(fractions);
  FillTable();
}

// With m sources, λ_i = share_i / D, and lag_i = n λ_i - (samples of i among the first n - 1):
// sample n goes, among the sources with lag_i ≥ 1 / (2m - 2), to one with the least (1 - 1 / (2m -
// 2) - lag_i) / λ_i, which would run out of time first. Below, all of it times D (2m - 2), in whole
// numbers.
void Blend::FillTable() {
  const auto num_sources = static_cast<int64_t>(shares_.size());
  const int64_t period = std::accumulate(shares_.begin(), shares_.end(), int64_t{0});
  const int64_t scale = std::max<int64_t>(1, 2 * num_sources - 2);
  std::vector<int64_t> counts(shares_.size(), 0);
  std::vector<int64_t> lags(shares_.size(), 0);  // times D
  table_.reserve(static_cast<size_t>(period));
  for (int64_t n = 0; n < period; ++n) {
    size_t chosen = shares_.size();
    int64_t chosen_slack = 0;
    for (size_t i = 0; i < shares_.size(); ++i) {
      lags[i] += shares_[i];
      if (lags[i] * scale < period) continue;
      const int64_t slack = period * (scale - 1) - lags[i] * scale;
      // slack / share, compared without division.
      if (chosen == shares_.size() || slack * shares_[chosen] < chosen_slack * shares_[i]) {
        chosen = i;
        chosen_slack = slack;
      }
    }
    CADMUS_CHECK(chosen < shares_.size(), StrCat("no source for sample ", n, " of ", period));
    lags[chosen] -= period;
    table_.push_back({static_cast<uint32_t>(chosen), static_cast<uint32_t>(counts[chosen]++)});
  }
}

Blend::Place Blend::At(int64_t g) const {
  CADMUS_CHECK(g >= 0, StrCat("sample ", g));
  const Entry& entry = table_[static_cast<size_t>(g % period())];
  return {.source = entry.source, .sample = g / period() * shares_[entry.source] + entry.sample};
}

}  // namespace cadmus
