// SPDX-License-Identifier: Apache-2.0
#include "launch/config/layouts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "launch/config/layout_rules.h"
#include "launch/config/run_config.pb.h"
#include "launch/config/validate_run.h"
#include "tests/launch/config/config_error.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

RunConfig Base() {
  RunConfig config;
  config.set_name("layouts");
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  llama.set_vocab_size(131);
  llama.set_hidden_size(24);
  llama.set_intermediate_size(24);
  llama.set_num_hidden_layers(8);
  llama.set_num_attention_heads(6);
  llama.set_max_position_embeddings(64);
  config.mutable_data()->set_path("unused");
  config.mutable_data()->set_sequence_length(24);
  config.mutable_train()->set_steps(3);
  config.mutable_train()->set_global_batch_size(24);
  return config;
}

TEST(Layouts, AllSplitsOfAWorldAreDistinctAndValid) {
  std::set<std::string> seen;
  for (const RunConfig& split : ValidSplits(Base(), 6)) {
    EXPECT_TRUE(LayoutProblems(split, 6).empty());
    EXPECT_TRUE(seen.insert(DescribeLayout(split, Base())).second);
  }
  // 6 = 2 · 3 over four axes: 4 · 4 ways, of which none is refused.
  EXPECT_EQ(seen.size(), 16u);
}

TEST(Layouts, RefusedSplitsAreLeftOut) {
  for (const RunConfig& split : ValidSplits(Base(), 4)) EXPECT_NE(split.parallel().tp(), 4);
}

TEST(Layouts, NearestKeepsWhatItCan) {
  RunConfig config = Base();
  config.mutable_parallel()->set_pp(2);
  config.mutable_parallel()->set_tp(4);
  const auto nearest = NearestValidLayout(config, 8);
  ASSERT_TRUE(nearest.has_value());
  EXPECT_EQ(nearest->parallel().tp(), 2);
  EXPECT_EQ(nearest->parallel().pp(), 2);
  EXPECT_EQ(nearest->parallel().dp_replicate(), 2);
}

TEST(Layouts, NearestGivesUpAnOptionBeforeTwoAxes) {
  RunConfig config = Base();
  config.mutable_parallel()->set_pp(8);
  config.mutable_parallel()->set_schedule(ParallelConfig::DUAL_PIPE_V);
  const auto nearest = NearestValidLayout(config, 8);
  ASSERT_TRUE(nearest.has_value());
  EXPECT_EQ(DescribeLayout(*nearest, config),
            "pp 8, dp_replicate 1, dp_shard 1, cp_ring 1, cp_ulysses 1, tp 1; schedule "
            "ONE_F_ONE_B");
}

TEST(Layouts, NoSplitOfARankCountThatNothingDivides) {
  EXPECT_FALSE(NearestValidLayout(Base(), 97).has_value());
}

TEST(Layouts, RefusalNamesTheRuleAndTheNearestValidLayout) {
  RunConfig config = Base();
  config.mutable_parallel()->set_tp(4);
  const std::string text = ConfigErrorOf([&] { ValidateRun(config, 8); });
  EXPECT_THAT(text, HasSubstr("tp = 4"));
  EXPECT_THAT(text, HasSubstr("num_attention_heads = 6"));
  EXPECT_THAT(text, HasSubstr("next smaller tp that this model allows is 3"));
  EXPECT_THAT(text, HasSubstr("nearest valid layout: pp 1, dp_replicate 4, dp_shard 1"));
}

TEST(Layouts, NearestOfALargeWorldIsFoundAtOnce) {
  RunConfig config = Base();
  config.mutable_train()->set_global_batch_size(131072);
  config.mutable_parallel()->set_tp(7);
  const auto nearest = NearestValidLayout(config, 131072);
  ASSERT_TRUE(nearest.has_value());
  EXPECT_TRUE(LayoutProblems(*nearest, 131072).empty());
}

}  // namespace
}  // namespace cadmus
