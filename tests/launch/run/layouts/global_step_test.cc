// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/global_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <cmath>
#include <numeric>

#include "tests/launch/run/layouts/agreement.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A [4, 3] tensor of 0, 1, … over two ranks as `pieces_of` lays it out.
RankStep Holding(const std::vector<PieceRun>& runs, int64_t count) {
  RankStep step;
  Piece piece = {.name = "w", .global_shape = {4, 3}, .runs = runs};
  piece.values.assign(static_cast<size_t>(count), -1);  // padding
  for (const PieceRun& run : runs) {
    for (int64_t i = 0; i < run.count; ++i)
      piece.values[static_cast<size_t>(run.begin + i)] = static_cast<double>(run.global_begin + i);
  }
  step.state.push_back(piece);
  return step;
}

std::vector<double> Counting() {
  std::vector<double> values(12);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

TEST(GlobalStep, BoxesAreFittedTogether) {
  const RankStep left = Holding(RunsOfBox({4, 3}, {0, 0}, {4, 1}, true), 4);
  const RankStep right = Holding(RunsOfBox({4, 3}, {0, 1}, {4, 2}, true), 8);
  const GlobalStep step = PutTogether({&left, &right});
  EXPECT_TRUE(step.problems.empty());
  EXPECT_EQ(step.state.at(0).values, Counting());
}

TEST(GlobalStep, FlatRangesOfSlicesAreFittedTogether) {
  // Rank 0 of two has rows 0 and 2, and a row of padding at the end; it is cut flat in two shards.
  const std::vector<PlacedSlice> slices = {
      {.global_offset = {0, 0}, .local_offset = {0, 0}, .extent = {1, 3}},
      {.global_offset = {2, 0}, .local_offset = {1, 0}, .extent = {1, 3}}};
  const std::vector<PlacedSlice> others = {
      {.global_offset = {1, 0}, .local_offset = {0, 0}, .extent = {1, 3}},
      {.global_offset = {3, 0}, .local_offset = {1, 0}, .extent = {1, 3}}};
  const auto runs = [](const std::vector<PlacedSlice>& of, int64_t offset, int64_t extent) {
    return RunsOfRange({4, 3}, {3, 3}, of, {.offset = offset, .extent = extent}, true);
  };
  const RankStep ranks[] = {Holding(runs(slices, 0, 5), 5), Holding(runs(slices, 5, 4), 4),
                            Holding(runs(others, 0, 5), 5), Holding(runs(others, 5, 4), 4)};
  const GlobalStep step = PutTogether({&ranks[0], &ranks[1], &ranks[2], &ranks[3]});
  EXPECT_TRUE(step.problems.empty());
  EXPECT_EQ(step.state.at(0).values, Counting());
}

TEST(GlobalStep, ElementWithoutAWriterIsNamed) {
  const RankStep left = Holding(RunsOfBox({4, 3}, {0, 0}, {4, 1}, true), 4);
  const RankStep right = Holding(RunsOfBox({4, 3}, {0, 1}, {3, 2}, true), 6);
  EXPECT_THAT(PutTogether({&left, &right}).problems,
              ElementsAre(HasSubstr("w, element 10: written by no rank")));
}

TEST(GlobalStep, ElementWithTwoWritersIsNamed) {
  const RankStep whole = Holding(RunsOfBox({4, 3}, {0, 0}, {4, 3}, true), 12);
  EXPECT_THAT(PutTogether({&whole, &whole}).problems,
              ElementsAre(HasSubstr("w, element 0: written by rank 0 and by rank 1")));
}

TEST(GlobalStep, CopyWithOtherBitsIsNamed) {
  const RankStep whole = Holding(RunsOfBox({4, 3}, {0, 0}, {4, 3}, true), 12);
  RankStep copy = Holding(RunsOfBox({4, 3}, {0, 0}, {4, 3}, false), 12);
  EXPECT_TRUE(PutTogether({&whole, &copy}).problems.empty());
  copy.state[0].values[7] = 8;
  EXPECT_THAT(PutTogether({&whole, &copy}).problems,
              ElementsAre(HasSubstr("w, element 7: 8 on rank 1, 7 on its writer, rank 0")));
}

TEST(GlobalStep, OtherResultsOfARankAreNamed) {
  RankStep a, b;
  b.result.loss = 1;
  EXPECT_THAT(PutTogether({&a, &b}).problems, ElementsAre(HasSubstr("rank 1 reports loss 1")));
}

TEST(Agreement, NamesTheFirstTensorBeyondTheBound) {
  const auto run = [](double error) {
    GlobalStep step;
    step.gradients = {{"gradient of a", {3, 4}}, {"gradient of b", {1, 0}}};
    step.gradients[1].values[1] += error;
    return std::vector<GlobalStep>{step};
  };
  EXPECT_FALSE(FirstDisagreement(run(0.9e-10), run(0)).has_value());
  const auto fault = FirstDisagreement(run(1.1e-10), run(0));
  ASSERT_TRUE(fault.has_value());
  EXPECT_THAT(*fault, HasSubstr("step 0: gradient of b is"));
  EXPECT_TRUE(FirstDisagreement(run(std::nan("")), run(0)).has_value());
}

}  // namespace
}  // namespace cadmus
