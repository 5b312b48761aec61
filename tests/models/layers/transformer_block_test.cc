// SPDX-License-Identifier: Apache-2.0
// A block over tensor-parallel ranks computes what one rank computes: output, input gradient and
// the gradient of every parameter, in f64, with packed documents, with and without dropout and
// sequence parallel, with as many key/value heads as ranks, more, and fewer.
#include "models/layers/transformer_block.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include <gtest/gtest.h>
#include "kernels/base/error.h"
#include "tests/models/layers/block_ranks.h"

namespace cadmus {
namespace {

// The largest difference, relative to the largest value.
double Difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0, largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference = std::max(difference, std::abs(a[i] - b[i]));
    largest = std::max(largest, std::abs(b[i]));
  }
  EXPECT_GT(largest, 0);
  return difference / largest;
}

void ExpectAgrees(const BlockOutcome& outcome, const BlockOutcome& reference, double bound) {
  EXPECT_LE(Difference(outcome.y, reference.y), bound) << "y";
  EXPECT_LE(Difference(outcome.dx, reference.dx), bound) << "dx";
  EXPECT_EQ(outcome.gradients.size(), reference.gradients.size());
  for (const auto& [name, gradient] : reference.gradients) {
    EXPECT_LE(Difference(outcome.gradients.at(name), gradient), bound) << name;
  }
}

std::string ToString(BlockFamily family) {
  constexpr const char* kNames[] = {"Llama", "Qwen", "Gpt2"};
  return kNames[static_cast<int>(family)];
}

struct Heads {
  int64_t num_heads, num_kv_heads;
  int tp;
  BlockFamily family = BlockFamily::kLlama;

  friend std::ostream& operator<<(std::ostream& out, const Heads& heads) {
    return out << ToString(heads.family) << ", " << heads.num_heads << " heads, "
               << heads.num_kv_heads << " of keys, tp " << heads.tp;
  }
};

class BlockOverRanks : public testing::TestWithParam<Heads> {};

TEST_P(BlockOverRanks, ComputesWhatOneRankComputes) {
  const auto [num_heads, num_kv_heads, tp, family] = GetParam();
  for (const double dropout : {0.0, 0.3}) {
    const BlockCase block_case = {
        .family = family, .num_heads = num_heads, .num_kv_heads = num_kv_heads, .dropout = dropout};
    const BlockOutcome reference = RunBlock(block_case, {});
    for (const bool sequence_parallel : {true, false}) {
      for (const int token_parts : {1, 3}) {
        SCOPED_TRACE(StrCat("dropout ", dropout, ", sequence parallel ", sequence_parallel, ", ",
                            token_parts, " token parts"));
        ExpectAgrees(RunBlock(block_case, {.tp = tp,
                                           .options = {.sequence_parallel = sequence_parallel,
                                                       .token_parts = token_parts}}),
                     reference, 1e-12);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Heads, BlockOverRanks,
    testing::Values(Heads{6, 6, 2}, Heads{6, 3, 3}, Heads{6, 1, 2}, Heads{4, 2, 4}, Heads{4, 1, 4},
                    Heads{8, 2, 4}, Heads{6, 3, 3, BlockFamily::kQwen},
                    Heads{4, 2, 4, BlockFamily::kQwen}, Heads{6, 6, 3, BlockFamily::kGpt2}),
    [](const auto& heads) {
      return StrCat(ToString(heads.param.family), "Heads", heads.param.num_heads, "of",
                    heads.param.num_kv_heads, "tp", heads.param.tp);
    });

TEST(TransformerBlock, RunsTwiceToTheSameBits) {
  const BlockCase block_case = {.num_heads = 4, .num_kv_heads = 2, .dropout = 0.3};
  const BlockLayout layout = {.tp = 4, .options = {.token_parts = 2}};
  ExpectAgrees(RunBlock(block_case, layout), RunBlock(block_case, layout), 0);
}

TEST(TransformerBlock, AnUnsavedPassGivesTheSameBitsAndLeavesNothing) {
  for (const int tp : {1, 2}) {
    const BlockCase block_case = {.num_heads = 4, .num_kv_heads = 4, .dropout = 0.3};
    const BlockOutcome saved = ForwardBlock(block_case, {.tp = tp}, Mode::kTraining);
    const BlockOutcome unsaved = ForwardBlock(block_case, {.tp = tp}, Mode::kTrainingUnsaved);
    EXPECT_EQ(unsaved.y, saved.y);
    EXPECT_GT(saved.saved_bytes, 0);
    EXPECT_EQ(unsaved.saved_bytes, 0);
  }
}

// Sizes are whole multiples of what the allocator rounds to.
TEST(TransformerBlock, WithSequenceParallelARankSavesItsShare) {
  const BlockCase block_case = {.num_heads = 4, .num_kv_heads = 4, .num_positions = 64};
  const auto saved_bytes = [&](int tp, bool sequence_parallel) {
    return ForwardBlock(block_case, {.tp = tp, .options = {.sequence_parallel = sequence_parallel}},
                        Mode::kTraining)
        .saved_bytes;
  };
  const int64_t alone = saved_bytes(1, true);
  EXPECT_EQ(saved_bytes(2, true), alone / 2);
  EXPECT_EQ(saved_bytes(4, true), alone / 4);
  EXPECT_GT(saved_bytes(4, false), alone / 4);
}

TEST(TransformerBlock, InferenceOverRanksIsRefused) {
  try {
    ForwardBlock({.num_heads = 4, .num_kv_heads = 4}, {.tp = 2}, Mode::kInference);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
    EXPECT_THAT(error.message(), testing::HasSubstr("inference on 2 tensor-parallel ranks"));
    EXPECT_THAT(error.message(), testing::HasSubstr("parallel.tp: 1"));
  }
}

}  // namespace
}  // namespace cadmus
