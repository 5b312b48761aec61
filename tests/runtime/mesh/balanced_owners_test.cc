// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/balanced_owners.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernels/base/error.h"
#include "tests/runtime/mesh/random_mesh.h"

namespace cadmus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BalancedOwners, LargestGoFirstAndTiesGoToTheLowerIndex) {
  EXPECT_THAT(BalancedOwners(std::vector<int64_t>{1, 5, 5, 3}, 2), ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(BalancedOwners(std::vector<int64_t>{4, 4, 4}, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(BalancedOwners(std::vector<int64_t>{2, 0, 7}, 1), ElementsAre(0, 0, 0));
  EXPECT_THAT(BalancedOwners({}, 4), IsEmpty());
}

TEST(BalancedOwners, NoOwnerHasMoreThanTheMeanAndOneItem) {
  Random random(8);
  for (int num_owners : {1, 2, 3, 8, 61}) {
    std::vector<int64_t> bytes(500);
    for (int64_t& item : bytes) item = random.Below(1 << 20);
    const std::vector<int> owners = BalancedOwners(bytes, num_owners);
    std::vector<int64_t> loads(num_owners);
    for (size_t i = 0; i < bytes.size(); ++i) loads.at(owners[i]) += bytes[i];
    const int64_t total = std::accumulate(bytes.begin(), bytes.end(), int64_t{0});
    EXPECT_LE(*std::max_element(loads.begin(), loads.end()),
              total / num_owners + *std::max_element(bytes.begin(), bytes.end()));
    EXPECT_EQ(BalancedOwners(bytes, num_owners), owners);
  }
}

TEST(BalancedOwners, NegativeBytesAndNoOwnersAreRefused) {
  EXPECT_THROW(BalancedOwners(std::vector<int64_t>{-1}, 1), Error);
  EXPECT_THROW(BalancedOwners({}, 0), Error);
}

}  // namespace
}  // namespace cadmus
