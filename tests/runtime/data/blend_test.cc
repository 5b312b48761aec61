// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/blend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/base/philox.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Samples are numbered one by one in each source, and after every sample the counts of all sources
// are within one of their shares.
void ExpectFair(const Blend& blend, int64_t num_samples) {
  const std::vector<int64_t>& shares = blend.shares();
  const int64_t period = blend.period();
  ASSERT_EQ(std::accumulate(shares.begin(), shares.end(), int64_t{0}), period);
  std::vector<int64_t> counts(shares.size(), 0);
  for (int64_t g = 0; g < num_samples; ++g) {
    const Blend::Place place = blend.At(g);
    ASSERT_EQ(place.sample, counts[static_cast<size_t>(place.source)]++) << "sample " << g;
    for (size_t i = 0; i < shares.size(); ++i) {
      ASSERT_LT(std::abs(counts[i] * period - (g + 1) * shares[i]), period)
          << "source " << i << " after sample " << g;
    }
  }
}

TEST(Blend, OneSourceTakesAllSamples) {
  const Blend blend({0.25});
  EXPECT_EQ(blend.period(), 1);
  ExpectFair(blend, 10);
}

TEST(Blend, DecimalWeightsAndCountsAreExact) {
  EXPECT_THAT(Blend({0.7, 0.3}).shares(), ElementsAre(7, 3));
  EXPECT_THAT(Blend({1, 2, 3}).shares(), ElementsAre(1, 2, 3));
  EXPECT_THAT(Blend({20, 30, 50}).shares(), ElementsAre(2, 3, 5));
  EXPECT_THAT(Blend({0.1234, 0.8766}).shares(), ElementsAre(617, 4383));
  EXPECT_THAT(Blend({1e9, 3e9}).shares(), ElementsAre(1, 3));
}

TEST(Blend, OtherWeightsAreTheNearestOfALongPeriod) {
  const std::vector<double> weights = {std::sqrt(2), std::acos(-1.0), 1e-4, std::exp(1.0)};
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const Blend blend(weights);
  for (size_t i = 0; i < weights.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(blend.shares()[i]) / static_cast<double>(blend.period()),
                weights[i] / sum, 1.0 / (1 << 18));
  }
}

TEST(Blend, FollowsItsWeightsWithinOneSampleAtEveryPoint) {
  ExpectFair(Blend({0.7, 0.3}), 100);
  ExpectFair(Blend({1, 1, 1}), 30);
  ExpectFair(Blend({90, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}), 1000);
  const PhiloxKey key = DeriveKey(1, 0, SiteOf("blend test"));
  for (uint32_t round = 0; round < 40; ++round) {
    std::vector<double> weights(2 + Philox(key, {round, 0, 0, 0})[0] % 12);
    for (uint32_t i = 0; i < weights.size(); ++i) {
      weights[i] = 1 + Philox(key, {round, 1, i, 0})[0] % (round % 2 == 0 ? 100 : 3);
    }
    const Blend blend(weights);
    ExpectFair(blend, std::min<int64_t>(2500, 2 * blend.period() + 3));
  }
}

TEST(Blend, ReachesAnySampleAtOnce) {
  const Blend blend({0.7, 0.3});
  const int64_t far = int64_t{10} * 1'000'000'000'000;
  int64_t of_second = 0;
  for (int64_t g = far; g < far + 10; ++g) of_second += blend.At(g).source;
  EXPECT_EQ(of_second, 3);
  EXPECT_EQ(blend.At(far).sample, blend.At(far).source == 0 ? far / 10 * 7 : far / 10 * 3);
}

TEST(Blend, RefusesWeightsThatGiveNothing) {
  const auto refused = [](const std::vector<double>& weights, const std::string& text) {
    ExpectError(Kind::kConfig, HasSubstr(text), [&] { Blend blend(weights); });
  };
  refused({}, "0 sources");
  refused({1, 0}, "source 1 is 0");
  refused({-1, 2}, "source 0 is -1");
  refused({1, 1e-9}, "leave the source out");
  refused({1, std::numeric_limits<double>::quiet_NaN()}, "positive weights");
  refused({1, std::numeric_limits<double>::infinity()}, "positive weights");
}

}  // namespace
}  // namespace cadmus
