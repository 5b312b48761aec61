// SPDX-License-Identifier: Apache-2.0
#include "launch/config/did_you_mean.h"

#include <gtest/gtest.h>

#include <vector>

namespace cadmus {
namespace {

TEST(DidYouMean, DistanceCountsEditsAndSwaps) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("", "abc"), 3);
  EXPECT_EQ(EditDistance("abc", ""), 3);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
  EXPECT_EQ(EditDistance("lr", "rl"), 1);
  EXPECT_EQ(EditDistance("dp_sahrd", "dp_shard"), 1);
  EXPECT_EQ(EditDistance("same", "same"), 0);
}

TEST(DidYouMean, SuggestsTheNearestAndTheFirstOfEquals) {
  const std::vector<std::string> known = {"beta1", "beta2", "weight_decay", "lr"};
  EXPECT_EQ(DidYouMean("beta", known), "beta1");
  EXPECT_EQ(DidYouMean("wieght_decay", known), "weight_decay");
  EXPECT_EQ(DidYouMean("LR", known), "lr");
  EXPECT_EQ(DidYouMean("momentum", known), std::nullopt);
  EXPECT_EQ(DidYouMean("", known), std::nullopt);
  EXPECT_EQ(DidYouMean("x", {}), std::nullopt);
}

}  // namespace
}  // namespace cadmus
