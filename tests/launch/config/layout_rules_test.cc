// SPDX-License-Identifier: Apache-2.0
// Every rule of a layout, its refusal with numbers and remedy, and the two properties of the whole:
// what is accepted can be placed, what is refused has a reason.
#include "launch/config/layout_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>

#include "kernels/base/str_cat.h"
#include "launch/config/apply_override.h"
#include "launch/config/layouts.h"
#include "launch/config/run_config.pb.h"
#include "runtime/mesh/make_mesh.h"
#include "runtime/parallel/pipeline/stage_layout.h"
#include "runtime/schedule/configured_schedule.h"
#include "tests/runtime/mesh/random_mesh.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

// 12 heads, 4 of keys and values, 8 blocks; 24 samples of 16 tokens.
RunConfig Base() {
  RunConfig config;
  config.set_name("layouts");
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  llama.set_vocab_size(131);
  llama.set_hidden_size(24);
  llama.set_intermediate_size(24);
  llama.set_num_hidden_layers(8);
  llama.set_num_attention_heads(12);
  llama.set_num_key_value_heads(4);
  llama.set_max_position_embeddings(64);
  config.mutable_data()->set_path("unused");
  config.mutable_data()->set_sequence_length(16);
  config.mutable_train()->set_steps(3);
  config.mutable_train()->set_global_batch_size(24);
  return config;
}

RunConfig With(const std::vector<std::string>& overrides) {
  RunConfig config = Base();
  for (const std::string& text : overrides) {
    if (text.starts_with("blocks=")) {
      for (char digit : text.substr(7))
        config.mutable_parallel()->add_blocks_per_stage(digit - '0');
    } else {
      ApplyOverride(text, config);
    }
  }
  return config;
}

struct Refusal {
  int world_size;
  std::vector<std::string> overrides;
  std::string field;
  std::vector<std::string> texts;
};

TEST(LayoutRules, EveryRuleSaysItsNumbersAndTheNearestValue) {
  const Refusal refusals[] = {
      {6, {"parallel.tp=4"}, "parallel", {"tp 4", "must divide the world of 6"}},
      {4, {"parallel.dp_replicate=3"}, "parallel", {"dp_replicate 3", "must equal", "4 ranks"}},
      {2, {"parallel.pp=0"}, "parallel", {"pp = 0", "at least 1 rank"}},
      {2, {"parallel.cp_ring=2"}, "parallel.cp_ring", {"cp_ring = 2", "not supported yet"}},
      {2, {"parallel.cp_ulysses=2"}, "parallel.cp_ulysses", {"not supported yet"}},
      {2, {"parallel.edp_shard=2"}, "parallel.edp_shard", {"not supported yet"}},
      {2, {"parallel.ep=2"}, "parallel.ep", {"expert parallelism is not supported yet"}},
      {2, {"parallel.etp=2"}, "parallel.etp", {"not supported yet"}},
      {5, {}, "train.global_batch_size", {"24", "1 × 5 × 1", "20 or 25"}},
      {2, {"train.micro_batch_size=16"}, "train.global_batch_size", {"16 × 2 × 1", "32"}},
      {2, {"parallel.zero=4"}, "parallel.zero", {"zero = 4", "nearest: 3"}},
      {2, {"parallel.zero=-1"}, "parallel.zero", {"zero = -1", "nearest: 0"}},
      {2, {"parallel.dp_shard=2", "parallel.zero=0"}, "parallel.zero", {"dp_shard = 2", "zero 1"}},
      {2, {"parallel.prefetch=-1"}, "parallel.prefetch", {"-1", "nearest: 0"}},
      {5, {"parallel.tp=5"}, "parallel.tp", {"tp = 5", "num_attention_heads = 12", "allows is 4"}},
      {3, {"parallel.tp=3"}, "parallel.tp", {"tp = 3", "num_key_value_heads = 4", "allows is 2"}},
      {4,
       {"parallel.tp=4", "model.llama.intermediate_size=18"},
       "parallel.tp",
       {"tp = 4", "intermediate_size = 18", "allows is 2"}},
      {4,
       {"parallel.tp=4", "data.sequence_length=18"},
       "parallel.sequence_parallel",
       {"18 tokens", "tp 4", "nearest: tp 2, or sequence_parallel false"}},
      {2,
       {"parallel.tp=2", "parallel.token_parts=3"},
       "parallel.token_parts",
       {"token_parts = 3", "8 tokens of a rank", "2 or 4"}},
      {2, {"parallel.token_parts=0"}, "parallel.token_parts", {"token_parts = 0", "nearest: 1"}},
      {8,
       {"parallel.pp=8", "model.llama.num_hidden_layers=6"},
       "parallel.pp",
       {"pp = 8 × 1", "6 blocks", "nearest: pp 6"}},
      {8,
       {"parallel.pp=8", "parallel.schedule=ZBV"},
       "parallel.schedule",
       {"ZBV", "16 stages", "nearest: pp 4, or schedule ONE_F_ONE_B"}},
      {1,
       {"parallel.schedule=ZBV", "model.llama.num_hidden_layers=1"},
       "parallel.schedule",
       {"1 blocks", "2 stages", "nearest: schedule ONE_F_ONE_B"}},
      {2,
       {"parallel.pp=2", "parallel.schedule=INTERLEAVED", "parallel.chunks=5"},
       "parallel.chunks",
       {"chunks = 5 × pp 2", "10 stages", "nearest: chunks 4"}},
      {2,
       {"parallel.pp=2", "parallel.schedule=INTERLEAVED", "parallel.chunks=0"},
       "parallel.chunks",
       {"chunks = 0", "nearest: chunks 1"}},
      {2, {"parallel.pp=2", "blocks=224"}, "parallel.blocks_per_stage", {"3 entries", "4, 4"}},
      {2,
       {"parallel.pp=2", "blocks=54"},
       "parallel.blocks_per_stage",
       {"sums to 9", "8 blocks", "4, 4"}},
      {4,
       {"parallel.pp=4", "blocks=4040"},
       "parallel.blocks_per_stage",
       {"stage 1 0 blocks", "the embedding", "the head", "2, 2, 2, 2"}},
      {2, {"parallel.schedule=FROM_FILE"}, "parallel.schedule", {"schedule_file"}},
      {2,
       {"parallel.schedule_file=x.textproto"},
       "parallel.schedule_file",
       {"x.textproto", "FROM_FILE only", "ONE_F_ONE_B"}},
      {1, {"train.recompute_blocks=2"}, "train.recompute_blocks", {"= 2", "FULL", "NONE"}},
      {1,
       {"train.recompute=FULL", "train.recompute_blocks=9"},
       "train.recompute_blocks",
       {"= 9", "num_hidden_layers = 8"}},
      {1,
       {"train.recompute=FULL", "train.recompute_blocks=-1"},
       "train.recompute_blocks",
       {"= -1", "nearest: 0"}},
  };
  for (const Refusal& refusal : refusals) {
    const std::string what = testing::PrintToString(refusal.overrides);
    const auto problems = LayoutProblems(With(refusal.overrides), refusal.world_size);
    ASSERT_FALSE(problems.empty()) << what;
    EXPECT_EQ(problems.front().field, refusal.field) << what;
    for (const std::string& text : refusal.texts) {
      EXPECT_THAT(problems.front().rule, HasSubstr(text)) << what;
    }
  }
}

TEST(LayoutRules, AcceptsEveryAxisAndOption) {
  const std::pair<int, std::vector<std::string>> valid[] = {
      {1, {}},
      {8, {"parallel.pp=2", "parallel.dp_shard=2", "parallel.tp=2", "parallel.zero=3"}},
      {8, {"parallel.dp_replicate=2", "parallel.dp_shard=2", "parallel.tp=2"}},
      {4, {"parallel.tp=4", "data.sequence_length=18", "parallel.sequence_parallel=false"}},
      {12, {"parallel.tp=12", "data.sequence_length=24"}},  // three ranks share a key/value head
      {2, {"parallel.tp=2", "parallel.token_parts=4"}},
      {4, {"parallel.pp=4", "parallel.schedule=INTERLEAVED"}},
      {2, {"parallel.pp=2", "parallel.schedule=INTERLEAVED", "parallel.chunks=4"}},
      {2, {"parallel.schedule=INTERLEAVED", "parallel.chunks=1"}},
      {2, {"parallel.pp=2", "parallel.schedule=DUAL_PIPE_V", "train.global_batch_size=1"}},
      {4, {"parallel.pp=4", "blocks=0440"}},
      {8, {"parallel.pp=8", "parallel.schedule=GPIPE"}},
      {2, {"parallel.pp=2", "parallel.schedule=FROM_FILE", "parallel.schedule_file=mine"}},
      {1, {"train.recompute=FULL", "train.recompute_blocks=3", "train.offload_activations=true"}},
  };
  for (const auto& [world_size, overrides] : valid) {
    const auto problems = LayoutProblems(With(overrides), world_size);
    EXPECT_TRUE(problems.empty()) << testing::PrintToString(overrides) << ": "
                                  << problems.front().rule;
  }
}

// Any value that a person might type in any field of a layout.
RunConfig RandomLayout(Random& random) {
  RunConfig config = Base();
  const auto pick = [&](std::initializer_list<int> values) {
    return *(values.begin() + random.Below(static_cast<int>(values.size())));
  };
  ParallelConfig& p = *config.mutable_parallel();
  p.set_pp(pick({1, 1, 2, 3, 4, 8}));
  p.set_dp_replicate(pick({0, 0, 0, 1, 2, 3}));
  p.set_dp_shard(pick({1, 1, 2, 3, 4}));
  p.set_tp(pick({1, 1, 2, 3, 4, 5, 6}));
  p.set_zero(pick({0, 1, 2, 3, 3, 4}));
  p.set_prefetch(pick({0, 1, 2, 2, -1}));
  p.set_sequence_parallel(random.Below(2) == 0);
  p.set_token_parts(pick({1, 1, 2, 3, 4, 0}));
  p.set_schedule(static_cast<ParallelConfig::Schedule>(random.Below(6)));
  p.set_chunks(pick({1, 2, 2, 3, 4}));
  if (random.Below(4) == 0) {
    for (int stage = 0; stage < p.pp(); ++stage) p.add_blocks_per_stage(pick({0, 2, 3, 4}));
  }
  TrainConfig& train = *config.mutable_train();
  train.set_global_batch_size(pick({6, 12, 24, 25}));
  train.set_micro_batch_size(pick({1, 1, 2, 3}));
  train.set_recompute(static_cast<TrainConfig::Recompute>(random.Below(3)));
  train.set_recompute_blocks(pick({0, 0, 0, 1, 9}));
  config.mutable_model()->mutable_llama()->set_num_key_value_heads(pick({1, 2, 3, 4, 6, 12}));
  return config;
}

// Independent of how the rules are written: what is accepted has whole numbers everywhere.
void ExpectWholeNumbers(const RunConfig& config, int world_size) {
  const AxisSizes sizes = FillWorld(MakeAxisSizes(config.parallel()), world_size);
  const LlamaConfig& llama = config.model().llama();
  const TrainConfig& train = config.train();
  EXPECT_EQ(llama.num_attention_heads() % sizes.tp, 0);
  EXPECT_EQ(llama.intermediate_size() % sizes.tp, 0);
  EXPECT_EQ(std::gcd<int64_t>(llama.num_key_value_heads(), sizes.tp),
            std::min<int64_t>(llama.num_key_value_heads(), sizes.tp));
  const int64_t ranks = sizes.dp_replicate * sizes.dp_shard;
  EXPECT_EQ(train.global_batch_size() % (train.micro_batch_size() * ranks), 0);
  const ParallelConfig& parallel = config.parallel();
  const auto stages = MakeStageLayout(
      llama.num_hidden_layers(), sizes.pp * *NumChunks(parallel),
      {parallel.blocks_per_stage().data(), static_cast<size_t>(parallel.blocks_per_stage_size())});
  EXPECT_EQ(stages.back().first_block + stages.back().num_blocks, llama.num_hidden_layers());
  for (size_t stage = 1; stage + 1 < stages.size(); ++stage) EXPECT_GE(stages[stage].num_blocks, 1);
}

TEST(LayoutRules, WhatIsAcceptedCanBePlacedAndWhatIsRefusedHasAReasonAndANeighbour) {
  Random random(5);
  int accepted = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    const RunConfig config = RandomLayout(random);
    const ParallelConfig& p = config.parallel();
    const int fitting = p.pp() * std::max(p.dp_replicate(), 1) * p.dp_shard() * p.tp();
    const int world_size = random.Below(4) == 0 ? 1 + random.Below(12) : fitting;
    const auto problems = LayoutProblems(config, world_size);
    const std::string what = StrCat(world_size, " ranks: ", DescribeLayout(config, Base()));
    if (problems.empty()) {
      ++accepted;
      ExpectWholeNumbers(config, world_size);
    }
    for (const LayoutProblem& problem : problems) {
      EXPECT_FALSE(problem.field.empty()) << what;
      EXPECT_GT(problem.rule.size(), 20u) << what;
      EXPECT_EQ(problem.rule.find("nearest: ;"), std::string::npos) << what << problem.rule;
      EXPECT_FALSE(problem.rule.ends_with(": ")) << what << problem.rule;
    }
    if (!problems.empty() && trial % 10 == 0) {
      const auto nearest = NearestValidLayout(config, world_size);
      if (nearest.has_value()) {
        EXPECT_TRUE(LayoutProblems(*nearest, world_size).empty()) << what;
      }
    }
    if (testing::Test::HasFailure()) FAIL() << what;
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace cadmus
