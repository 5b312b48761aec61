// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/permutation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

TEST(Permutation, IsABijectionWithItsInverse) {
  for (int64_t n : {1,  2,  3,  4,  5,   7,   8,   9,    11,   15,   16,   17,   31,
                    63, 64, 65, 97, 255, 256, 257, 1009, 4095, 4096, 4097, 16381}) {
    for (uint64_t epoch : {0, 1}) {
      const Permutation permutation(n, 1234, epoch);
      std::vector<bool> seen(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) {
        const int64_t item = permutation.ItemAt(i);
        ASSERT_TRUE(0 <= item && item < n) << item << " of " << n;
        ASSERT_FALSE(seen[static_cast<size_t>(item)]) << item << " twice, n = " << n;
        seen[static_cast<size_t>(item)] = true;
        ASSERT_EQ(permutation.IndexOf(item), i) << "n = " << n;
      }
    }
  }
}

TEST(Permutation, InvertsOnDomainsTooLargeToEnumerate) {
  for (int64_t n : {(int64_t{1} << 31) - 1, (int64_t{1} << 32) + 1, int64_t{1'000'000'000'039},
                    (int64_t{1} << 61) + 1, (int64_t{1} << 62) - 1, int64_t{1} << 62}) {
    const Permutation permutation(n, 7, 3);
    std::set<int64_t> items;
    for (int64_t k = 0; k < 200; ++k) {
      const int64_t index = k < 100 ? k : n - 1 - (k - 100);
      const int64_t item = permutation.ItemAt(index);
      ASSERT_TRUE(0 <= item && item < n);
      ASSERT_EQ(permutation.IndexOf(item), index);
      items.insert(item);
    }
    EXPECT_EQ(items.size(), 200u);
  }
}

TEST(Permutation, DependsOnSeedAndEpochAlone) {
  const auto order = [](uint64_t seed, uint64_t epoch) {
    const Permutation permutation(101, seed, epoch);
    std::vector<int64_t> items;
    for (int64_t i = 0; i < 101; ++i) items.push_back(permutation.ItemAt(i));
    return items;
  };
  EXPECT_EQ(order(1, 0), order(1, 0));
  EXPECT_NE(order(1, 0), order(1, 1));
  EXPECT_NE(order(1, 0), order(2, 0));
  EXPECT_NE(order(1, 2), order(2, 1));
}

// The order is part of every run that was ever saved: it must not change.
TEST(Permutation, KeepsItsOrderForever) {
  const Permutation permutation(10, 42, 0);
  std::vector<int64_t> items;
  for (int64_t i = 0; i < 10; ++i) items.push_back(permutation.ItemAt(i));
  EXPECT_EQ(items, (std::vector<int64_t>{2, 6, 1, 3, 9, 7, 8, 0, 5, 4}));
}

// Each item is equally likely at each place over the seeds: chi-squared with (n-1)^2 degrees of
// freedom stays within five standard deviations of its mean.
TEST(Permutation, PutsEveryItemAnywhereEquallyOften) {
  constexpr int kSeeds = 1000;
  for (int64_t n : {2, 3, 5, 8, 13, 16, 17}) {
    std::vector<int> count(static_cast<size_t>(n * n));
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Permutation permutation(n, seed, 0);
      for (int64_t i = 0; i < n; ++i) ++count[static_cast<size_t>(i * n + permutation.ItemAt(i))];
    }
    const double expected = static_cast<double>(kSeeds) / static_cast<double>(n);
    double chi_squared = 0;
    for (int c : count) chi_squared += (c - expected) * (c - expected) / expected;
    const double freedom = static_cast<double>((n - 1) * (n - 1));
    EXPECT_LT(chi_squared, freedom + 5 * std::sqrt(2 * freedom)) << "n = " << n;
  }
}

TEST(Permutation, LeavesFewNeighboursTogether) {
  constexpr int64_t kItems = 10007;
  const Permutation permutation(kItems, 5, 0);
  int together = 0;
  for (int64_t i = 0; i + 1 < kItems; ++i) {
    if (std::abs(permutation.ItemAt(i + 1) - permutation.ItemAt(i)) == 1) ++together;
  }
  EXPECT_LT(together, 12);  // 2 expected
}

TEST(Permutation, RefusesWhatIsOutsideItsDomain) {
  EXPECT_THROW(Permutation(0, 1, 0), Error);
  EXPECT_THROW(Permutation((int64_t{1} << 62) + 1, 1, 0), Error);
  const Permutation permutation(3, 1, 0);
  EXPECT_THROW(permutation.ItemAt(3), Error);
  EXPECT_THROW(permutation.ItemAt(-1), Error);
  EXPECT_THROW(permutation.IndexOf(3), Error);
}

}  // namespace
}  // namespace cadmus
