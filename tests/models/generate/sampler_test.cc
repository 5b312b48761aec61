// SPDX-License-Identifier: Apache-2.0
// The sampler's choices on distributions that are known.
#include "models/generate/sampler.h"

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include "kernels/base/error.h"

namespace cadmus {
namespace {

Kind KindOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Kind::kInternal;
}

// Logits of these probabilities.
std::vector<double> Logits(std::vector<double> probabilities) {
  for (double& p : probabilities) p = std::log(p);
  return probabilities;
}

TEST(Sampler, GreedyTakesTheFirstOfEqualLogits) {
  Sampler sampler({});
  EXPECT_EQ(sampler.Next(std::vector<double>{-1, 3, 2, 3}, 0), 1);
  EXPECT_EQ(sampler.Next(std::vector<double>{5}, 1), 0);
  const double minus_infinity = -std::numeric_limits<double>::infinity();
  EXPECT_EQ(sampler.Next(std::vector<double>{minus_infinity, -1e300}, 2), 1);
}

TEST(Sampler, DrawDependsOnSeedAndPositionAlone) {
  const std::vector<double> logits = Logits(std::vector<double>(64, 1.0 / 64));
  Sampler a({.temperature = 1, .seed = 5}), b({.temperature = 1, .seed = 5});
  std::vector<int32_t> forwards, backwards(100);
  for (int64_t i = 0; i < 100; ++i) forwards.push_back(a.Next(logits, i));
  for (int64_t i = 100; i-- > 0;) backwards[static_cast<size_t>(i)] = b.Next(logits, i);
  EXPECT_EQ(forwards, backwards);
  Sampler other({.temperature = 1, .seed = 6});
  std::vector<int32_t> others;
  for (int64_t i = 0; i < 100; ++i) others.push_back(other.Next(logits, i));
  EXPECT_NE(others, forwards);
}

TEST(Sampler, TemperatureScalesTheLogits) {
  // At temperature 1/2 probabilities are squared: 1 : 9 : 36 instead of 1 : 3 : 6.
  constexpr int kDraws = 20000;
  for (const auto& [temperature, expected] :
       {std::pair{1.0, std::vector<double>{0.1, 0.3, 0.6}},
        std::pair{0.5, std::vector<double>{1 / 46.0, 9 / 46.0, 36 / 46.0}}}) {
    Sampler sampler({.temperature = temperature, .seed = 1});
    const std::vector<double> logits = Logits({0.1, 0.3, 0.6});
    std::vector<double> counts(3);
    for (int64_t i = 0; i < kDraws; ++i) ++counts[static_cast<size_t>(sampler.Next(logits, i))];
    for (size_t token = 0; token < 3; ++token) {
      const double deviation = std::sqrt(expected[token] * (1 - expected[token]) / kDraws);
      EXPECT_NEAR(counts[token] / kDraws, expected[token], 4 * deviation) << temperature;
    }
  }
}

TEST(Sampler, NucleusIsTheSmallestSetOfTheLikeliest) {
  const std::vector<double> logits = Logits({0.1, 0.4, 0.2, 0.3});
  const auto drawn = [&](double top_p) {
    Sampler sampler({.temperature = 1, .top_p = top_p, .seed = 2});
    std::set<int32_t> tokens;
    for (int64_t i = 0; i < 2000; ++i) tokens.insert(sampler.Next(logits, i));
    return tokens;
  };
  EXPECT_EQ(drawn(0.01), (std::set<int32_t>{1}));
  EXPECT_EQ(drawn(0.39), (std::set<int32_t>{1}));
  EXPECT_EQ(drawn(0.41), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(drawn(0.75), (std::set<int32_t>{1, 2, 3}));
  EXPECT_EQ(drawn(1), (std::set<int32_t>{0, 1, 2, 3}));
}

TEST(Sampler, VeryLargeLogitsDoNotOverflow) {
  Sampler sampler({.temperature = 0.01, .seed = 3});
  EXPECT_EQ(sampler.Next(std::vector<double>{1e300, -1e300, 0}, 0), 0);
}

TEST(Sampler, NanLogitsAreAnErrorOfNumerics) {
  const std::vector<double> logits = {0, std::nan(""), 1};
  for (const double temperature : {0.0, 1.0}) {
    Sampler sampler({.temperature = temperature});
    EXPECT_EQ(KindOf([&] { sampler.Next(logits, 0); }), Kind::kNumerics);
  }
}

TEST(Sampler, OptionsOutsideTheirRangesAreRefused) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double temperature : {-0.1, infinity, std::nan("")})
    EXPECT_EQ(KindOf([&] { Sampler({.temperature = temperature}); }), Kind::kConfig);
  for (const double top_p : {0.0, -1.0, 1.01, std::nan("")})
    EXPECT_EQ(KindOf([&] { Sampler({.top_p = top_p}); }), Kind::kConfig);
}

}  // namespace
}  // namespace cadmus
