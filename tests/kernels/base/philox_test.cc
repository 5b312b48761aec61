// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/philox.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace cadmus {
namespace {

// The known answers that the authors of the method publish with Random123 (philox4x32, 10 rounds).
TEST(Philox, GivesThePublishedKnownAnswers) {
  EXPECT_EQ(Philox({0, 0}, {0, 0, 0, 0}),
            (PhiloxWords{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox({0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}),
            (PhiloxWords{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox({0xa4093822, 0x299f31d0}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (PhiloxWords{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, KeysDependOnSeedStepAndSiteInAllTheirBits) {
  std::set<std::pair<uint32_t, uint32_t>> keys;
  int count = 0;
  auto add = [&](uint64_t seed, uint64_t step, uint64_t site) {
    const PhiloxKey key = DeriveKey(seed, step, site);
    keys.emplace(key.lo, key.hi);
    ++count;
  };
  add(0, 0, 0);
  for (int bit = 0; bit < 64; ++bit) {
    add(uint64_t{1} << bit, 0, 0);
    add(0, uint64_t{1} << bit, 0);
    add(0, 0, uint64_t{1} << bit);
  }
  EXPECT_EQ(keys.size(), static_cast<size_t>(count));
}

TEST(Philox, SitesAreTheFnv1aHashOfTheirNames) {
  EXPECT_EQ(SiteOf(""), 0xcbf29ce484222325);
  EXPECT_EQ(SiteOf("a"), 0xaf63dc4c8601ec8c);
  EXPECT_EQ(SiteOf("foobar"), 0x85944171f73967e8);
  EXPECT_NE(SiteOf("\x80"), SiteOf("\x81"));
}

TEST(Philox, UniformsAreInsideTheOpenInterval) {
  EXPECT_GT(UniformFromWord(0), 0.0);
  EXPECT_LT(UniformFromWord(0xffffffff), 1.0);
  EXPECT_EQ(UniformFromWord(0x80000000), 0.5 + 0x1p-33);
}

TEST(Philox, NormalsAreFiniteWithTheMomentsOfTheNormalDistribution) {
  double sum = 0;
  double squares = 0;
  double fourths = 0;
  constexpr int kPairs = 200'000;
  for (uint32_t i = 0; i < kPairs; ++i) {
    const PhiloxWords words = Philox({1, 2}, {i, 0, 0, 0});
    for (double x : NormalPairFromWords(words[0], words[1])) {
      sum += x;
      squares += x * x;
      fourths += x * x * x * x;
    }
  }
  const double n = 2.0 * kPairs;
  EXPECT_NEAR(sum / n, 0.0, 4 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1.0, 4 * std::sqrt(2 / n));
  EXPECT_NEAR(fourths / n, 3.0, 4 * std::sqrt(96 / n));
  for (uint32_t a : {0U, 0xffffffffU}) {
    for (double x : NormalPairFromWords(a, a)) EXPECT_TRUE(std::isfinite(x));
  }
}

}  // namespace
}  // namespace cadmus
