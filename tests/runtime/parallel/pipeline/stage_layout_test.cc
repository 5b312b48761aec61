// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/pipeline/stage_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

TEST(StageLayout, SpreadsBlocksEvenlyWithOneMoreInTheFirstStages) {
  const std::vector<StageRange> stages = MakeStageLayout(10, 4, {});
  ASSERT_EQ(stages.size(), 4u);
  const std::vector<int64_t> first = {0, 3, 6, 8}, count = {3, 3, 2, 2};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stages[i].first_block, first[i]);
    EXPECT_EQ(stages[i].num_blocks, count[i]);
    EXPECT_EQ(stages[i].has_embedding, i == 0);
    EXPECT_EQ(stages[i].has_head, i == 3);
  }
}

TEST(StageLayout, TakesAListWhoseEndsMayHaveNoBlocks) {
  const std::vector<int32_t> list = {0, 3, 0};
  const std::vector<int32_t> ends = {0, 3, 2, 0};
  EXPECT_EQ(MakeStageLayout(5, 4, ends)[3].first_block, 5);
  EXPECT_TRUE(MakeStageLayout(3, 3, list)[2].has_head);
}

TEST(StageLayout, OneStageHasEverything) {
  const std::vector<StageRange> stages = MakeStageLayout(2, 1, {});
  EXPECT_TRUE(stages[0].has_embedding && stages[0].has_head);
}

void ExpectRefused(int64_t blocks, int stages, const std::vector<int32_t>& list,
                   const std::string& text) {
  try {
    MakeStageLayout(blocks, stages, list);
    FAIL() << "no error; expected " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
    EXPECT_THAT(error.message(), HasSubstr(text));
  }
}

TEST(StageLayout, RefusesWhatDoesNotFit) {
  ExpectRefused(2, 5, {}, "2 blocks do not fill a pipeline of 5 stages");
  ExpectRefused(4, 2, {4}, "1 entries for a pipeline of 2 stages");
  ExpectRefused(4, 2, {1, 2}, "sums to 3, the model has 4 blocks");
  ExpectRefused(4, 3, {2, 0, 2}, "stage 1 0 blocks");
  ExpectRefused(4, 2, {5, -1}, "stage 1 -1 blocks");
}

TEST(StageLayout, RefusalNamesTheNearestListThatFits) {
  ExpectRefused(5, 2, {4, 4}, "nearest: 3, 2");
  ExpectRefused(3, 4, {}, "take at most 3, or parallel.blocks_per_stage = 0, 1, 1, 1");
  ExpectRefused(2, 4, {1, 1}, "nearest: 0, 1, 1, 0");
  ExpectRefused(2, 5, {1, 1}, "take at most 4 stages");
}

}  // namespace
}  // namespace cadmus
