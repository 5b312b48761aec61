// SPDX-License-Identifier: Apache-2.0
// What a layout saves is what theory says: weights, gradients, optimizer state and activations of
// ZeRO, tensor, pipeline parallelism and recomputation, in bytes of the plan. (That the plan is the
// run: run_plan_test.cc.)
#include <gtest/gtest.h>

#include "launch/config/run_config.pb.h"
#include "launch/plan/run_plan.h"
#include "models/llama/shape.h"

namespace cadmus {
namespace {

constexpr int64_t kFloat = 4;
constexpr int64_t kWidth = 1024, kHidden = 2816, kHeads = 16, kKvHeads = 8, kHeadDim = 64;
constexpr int64_t kVocabulary = 32000, kTokens = 512;
constexpr int64_t kBlockWeights =
    (kHeads + 2 * kKvHeads) * kHeadDim * kWidth + kHeads * kHeadDim * kWidth + 3 * kWidth * kHidden;
constexpr int64_t kTable = kVocabulary * kWidth;

RunConfig SomeRun(int64_t layers) {
  RunConfig config;
  config.set_name("some");
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  llama.set_vocab_size(kVocabulary);
  llama.set_hidden_size(kWidth);
  llama.set_intermediate_size(kHidden);
  llama.set_num_hidden_layers(layers);
  llama.set_num_attention_heads(kHeads);
  llama.set_num_key_value_heads(kKvHeads);
  llama.set_max_position_embeddings(kTokens);
  config.mutable_data()->set_path("unused");
  config.mutable_data()->set_sequence_length(kTokens);
  config.mutable_train()->set_steps(10);
  config.mutable_train()->set_global_batch_size(8);
  config.mutable_optimizer()->set_lr(1e-3);
  return config;
}

int64_t Peak(const RunPlan& plan, MemoryCategory category, size_t stage = 0) {
  return plan.pipeline_ranks.at(stage).record.memory.peak_bytes[static_cast<size_t>(category)];
}

int64_t Activations(const RunPlan& plan, size_t stage = 0) {
  return Peak(plan, MemoryCategory::kActivationsInput, stage) +
         Peak(plan, MemoryCategory::kActivationsWeight, stage);
}

// Blocks of memory are rounded up to 256 bytes.
void ExpectAbout(int64_t is, double theory, const char* what) {
  EXPECT_NEAR(static_cast<double>(is), theory, 0.002 * theory) << what;
}

TEST(MemoryScaling, ZeroSharesOutOneStateMoreWithEachStage) {
  RunConfig config = SomeRun(4);
  const int ranks = 4;
  const auto all = static_cast<double>(MakePlan(config, 1).num_parameters * kFloat);
  config.mutable_parallel()->set_dp_shard(ranks);
  for (const int zero : {1, 2, 3}) {
    SCOPED_TRACE(zero);
    config.mutable_parallel()->set_zero(zero);
    const RunPlan plan = MakePlan(config, ranks);
    ExpectAbout(Peak(plan, MemoryCategory::kOptimizer), 2 * all / ranks, "moments");
    const auto gradients = static_cast<double>(Peak(plan, MemoryCategory::kGradients));
    const auto weights = static_cast<double>(Peak(plan, MemoryCategory::kWeights));
    if (zero == 1) {
      ExpectAbout(Peak(plan, MemoryCategory::kGradients), all, "whole gradients");
    } else {  // a shard, and the whole gradients of what backward is at: at most two tables
      EXPECT_GE(gradients, all / ranks);
      EXPECT_LE(gradients, all / ranks + 2.5 * kTable * kFloat);
    }
    if (zero < 3) {
      ExpectAbout(Peak(plan, MemoryCategory::kWeights), all, "whole weights");
    } else {  // a shard, and the modules of this pass and the next
      EXPECT_GE(weights, all / ranks);
      EXPECT_LE(weights, all / ranks + 1.01 * (kTable + kBlockWeights) * kFloat);
    }
  }
}

TEST(MemoryScaling, TensorParallelRanksHoldTheirPartOfEveryMatrix) {
  RunConfig config = SomeRun(4);
  const double matrices = (4.0 * kBlockWeights + 2.0 * kTable) * kFloat;
  const double norms = (2.0 * 4 + 1) * kWidth * kFloat;  // on every rank
  const double rope = 2.0 * kTokens * kHeadDim / 2 * kFloat;
  for (const int tp : {2, 4, 8}) {
    SCOPED_TRACE(tp);
    config.mutable_parallel()->set_tp(tp);
    const RunPlan plan = MakePlan(config, tp);
    ExpectAbout(Peak(plan, MemoryCategory::kWeights), matrices / tp + norms + rope, "weights");
    ExpectAbout(Peak(plan, MemoryCategory::kGradients), matrices / tp + norms, "gradients");
    ExpectAbout(Peak(plan, MemoryCategory::kOptimizer), 2 * (matrices / tp + norms), "moments");
  }
}

TEST(MemoryScaling, PipelineStagesHoldTheirBlocksAndTheEndsATable) {
  RunConfig config = SomeRun(8);
  config.mutable_parallel()->set_pp(4);
  const RunPlan plan = MakePlan(config, 4);
  for (size_t stage = 0; stage < 4; ++stage) {
    const double table = stage == 0 || stage == 3 ? kTable : 0;
    ExpectAbout(Peak(plan, MemoryCategory::kWeights, stage), (2 * kBlockWeights + table) * kFloat,
                "blocks of a stage");
  }
}

// What a block saves for one micro-batch, per token, from its shapes: x and h (M each) and the two
// normed rows (M each), queries, keys, values, the attention's output, gate and up, their product;
// and the statistics: two of norms, one per head.
constexpr int64_t kSavedPerToken =
    4 * kWidth + (kHeads + 2 * kKvHeads) * kHeadDim + kHeads * kHeadDim + 3 * kHidden + 2 + kHeads;

TEST(MemoryScaling, ActivationsGrowByWhatABlockSaves) {
  const auto growth = [](TrainConfig::Recompute recompute) {
    int64_t peaks[2];
    for (const int i : {0, 1}) {
      RunConfig config = SomeRun(i == 0 ? 4 : 12);
      config.mutable_train()->set_recompute(recompute);
      peaks[i] = Activations(MakePlan(config, 1));
    }
    return static_cast<double>(peaks[1] - peaks[0]) / (8.0 * kTokens * kFloat);
  };
  EXPECT_NEAR(growth(TrainConfig::NONE), kSavedPerToken, 0.002 * kSavedPerToken);
  const double selective =
      2.0 * kWidth + (kHeads + 2 * kKvHeads) * kHeadDim + 2.0 * kHidden;  // x, h, qkv, gate and up
  EXPECT_NEAR(growth(TrainConfig::SELECTIVE), selective, 0.002 * selective);
  EXPECT_NEAR(growth(TrainConfig::FULL), kWidth, 0.002 * kWidth);
}

TEST(MemoryScaling, OneForwardOneBackwardHoldsOneMicroBatchPerStageThatFollows) {
  RunConfig config = SomeRun(8);
  config.mutable_parallel()->set_pp(4);
  const RunPlan plan = MakePlan(config, 4);
  const double of_stage = 2.0 * kSavedPerToken * kTokens * kFloat;
  const auto held = static_cast<double>(Activations(plan, 1) - Activations(plan, 2));
  // One micro-batch more, and what is on its way to or from a neighbour.
  EXPECT_NEAR(held, of_stage, 2.1 * kWidth * kTokens * kFloat);
  config.mutable_parallel()->set_schedule(ParallelConfig::GPIPE);
  const RunPlan all_first = MakePlan(config, 4);
  EXPECT_NEAR(static_cast<double>(Activations(all_first, 1) - Activations(plan, 1)),
              (8 - 3) * of_stage, (8 - 3) * 2.1 * kWidth * kTokens * kFloat);
}

}  // namespace
}  // namespace cadmus
