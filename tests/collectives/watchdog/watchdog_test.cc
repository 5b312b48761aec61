// SPDX-License-Identifier: Apache-2.0
#include "collectives/watchdog/watchdog.h"

#include <gtest/gtest.h>

#include <numeric>

namespace cadmus {
namespace {

using std::chrono::milliseconds;

TEST(Watchdog, GivesEachPeerTheLimitAfterItsLastProgress) {
  Watchdog watchdog;
  watchdog.Reset(3, milliseconds(100));
  const Watchdog::Clock::time_point start{};
  watchdog.Begin(start);
  watchdog.Progress(1, start + milliseconds(90));
  EXPECT_EQ(watchdog.Deadline(0), start + milliseconds(100));
  EXPECT_EQ(watchdog.Deadline(1), start + milliseconds(190));
  watchdog.Begin(start + milliseconds(500));
  EXPECT_EQ(watchdog.Deadline(1), start + milliseconds(600));
}

TEST(Watchdog, SaysWhoWaitsForWhom) {
  const int missing[] = {2, 3};
  std::vector<int> members(4);
  std::iota(members.begin(), members.end(), 0);
  ExpiredWait wait{.call = {.group = "dp_replicate",
                            .op = CollectiveOp::kAllReduce,
                            .sequence = 42,
                            .bytes = int64_t{4} << 20,
                            .dtype = DType::kF32,
                            .site = "gradients bucket 3"},
                   .rank = 1,
                   .missing_ranks = missing,
                   .members = members,
                   .waited = std::chrono::seconds(20),
                   .limit = std::chrono::seconds(20)};
  EXPECT_EQ(Describe(wait),
            "group dp_replicate (4 ranks), all-reduce #42 'gradients bucket 3' (4.0 MiB of F32): "
            "rank 1 has waited 20.0 s for ranks 2, 3; they may be stopped, dead or in another "
            "operation: look there first. If slow work is expected, raise the time limit of "
            "collectives (now 20.0 s)");

  // Where the group's ranks are not the world's, both are named.
  members = {8, 9, 10, 11};
  EXPECT_NE(Describe(wait).find("for ranks 2, 3 (ranks 10, 11 of the world); they"),
            std::string::npos);
  wait.missing_ranks = wait.missing_ranks.first(1);
  EXPECT_NE(Describe(wait).find("for rank 2 (rank 10 of the world); it may"), std::string::npos);
}

TEST(Watchdog, NamesTheFirstOfManyMissingRanks) {
  std::vector<int> members(1000);
  std::iota(members.begin(), members.end(), 0);
  const std::string text =
      Describe(ExpiredWait{.missing_ranks = std::span(members).subspan(1), .members = members});
  EXPECT_NE(text.find("for ranks 1, 2, "), std::string::npos);
  EXPECT_NE(text.find(", 16 and 983 more; they"), std::string::npos);
}

}  // namespace
}  // namespace cadmus
