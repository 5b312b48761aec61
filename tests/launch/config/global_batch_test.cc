// SPDX-License-Identifier: Apache-2.0
#include "launch/config/global_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/config/run_config.pb.h"
#include "tests/launch/config/config_error.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Samples of 16 tokens, two at once.
RunConfig WithTokens(int64_t tokens) {
  RunConfig config;
  config.mutable_data()->set_sequence_length(16);
  config.mutable_train()->set_micro_batch_size(2);
  config.mutable_train()->set_global_batch_tokens(tokens);
  return config;
}

int64_t Resolved(RunConfig config, int world_size) {
  ResolveGlobalBatch(world_size, config);
  EXPECT_EQ(config.train().global_batch_tokens(), 0);
  return config.train().global_batch_size();
}

std::string ErrorOf(RunConfig config, int world_size) {
  return ConfigErrorOf([&] { ResolveGlobalBatch(world_size, config); });
}

TEST(GlobalBatch, InTokensBecomesSamples) {
  EXPECT_EQ(Resolved(WithTokens(16 * 12), 1), 12);
  EXPECT_EQ(Resolved(WithTokens(16 * 12), 6), 12);  // dp_replicate fills the world
}

TEST(GlobalBatch, InSamplesStaysAsItIs) {
  RunConfig config = WithTokens(0);
  config.mutable_train()->set_global_batch_size(7);
  EXPECT_EQ(Resolved(config, 4), 7);
}

TEST(GlobalBatch, OnlyDataParallelRanksDivideIt) {
  RunConfig config = WithTokens(16 * 4);
  config.mutable_parallel()->set_tp(2);
  config.mutable_parallel()->set_dp_shard(2);
  EXPECT_EQ(Resolved(config, 4), 4);
}

TEST(GlobalBatch, ThatTheRanksDoNotDivideIsRefusedWithTheNearest) {
  EXPECT_THAT(ErrorOf(WithTokens(500), 3),
              AllOf(HasSubstr("train.global_batch_tokens = 500"), HasSubstr("96 = "),
                    HasSubstr("16 × 2 × 3"), HasSubstr("480 or 576")));
  EXPECT_THAT(ErrorOf(WithTokens(5), 1), HasSubstr("nearest that are: 32"));
  EXPECT_THAT(ErrorOf(WithTokens(-64), 1), HasSubstr("nearest that are: 32"));
}

TEST(GlobalBatch, InBothIsRefused) {
  RunConfig config = WithTokens(64);
  config.mutable_train()->set_global_batch_size(4);
  EXPECT_THAT(ErrorOf(config, 1), AllOf(HasSubstr("both set"), HasSubstr("set the other to 0")));
  config.mutable_train()->set_global_batch_size(0);
  EXPECT_EQ(Resolved(config, 1), 4);
}

}  // namespace
}  // namespace cadmus
