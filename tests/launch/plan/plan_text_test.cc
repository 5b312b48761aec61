// SPDX-License-Identifier: Apache-2.0
#include "launch/plan/plan_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace cadmus {
namespace {

using testing::HasSubstr;
using testing::Not;

RankRecord Record(int64_t activation_bytes, std::vector<CollectiveTotal> collectives) {
  RankRecord record = {.num_parameters = 7'900'000'000,
                       .num_micro_batches = 16,
                       .collectives = std::move(collectives),
                       .executed_flops = 2e15};
  record.memory.peak_bytes[static_cast<size_t>(MemoryCategory::kWeights)] = int64_t{31} << 30;
  record.memory.peak_bytes[static_cast<size_t>(MemoryCategory::kActivationsWeight)] =
      activation_bytes;
  record.memory.peak_total_bytes = (int64_t{31} << 30) + activation_bytes;
  record.memory.high_water_bytes = record.memory.peak_total_bytes + 256;
  return record;
}

// 4 pipeline ranks: the inner two are alike.
RunPlan FourPipelineRanks() {
  const CollectiveTotal send = {"pp", "send", 16, 16 << 20};
  const CollectiveTotal receive = {"pp", "receive", 16, 16 << 20};
  const CollectiveTotal norm = {"pp+dp_shard+tp", "all-reduce", 1, 72};
  return {.world_size = 4096,
          .layout = {.pp = 4, .dp_replicate = 1, .dp_shard = 128, .tp = 8},
          .schedule = "ONE_F_ONE_B",
          .zero = 2,
          .num_parameters = 1'000'317'931'520,
          .samples_per_step = 2048,
          .sequence_length = 8192,
          .micro_batch_size = 1,
          .num_micro_batches = 16,
          .pipeline_ranks = {{0, Record(int64_t{4} << 30, {norm, send})},
                             {1024, Record(int64_t{2} << 30, {norm, receive, send})},
                             {2048, Record(int64_t{2} << 30, {norm, receive, send})},
                             {3072, Record(int64_t{1} << 30, {norm, receive})}},
          .bubble_fraction = 3.0 / 19,
          .memory_limit_bytes = int64_t{64} << 30,
          .model_flops = 7.5e18,
          .executed_flops = 8.192e18};
}

TEST(PlanText, SaysLayoutStepAndFlops) {
  const std::string text = PlanToText(FourPipelineRanks());
  EXPECT_THAT(text, HasSubstr("4096 ranks: pp 4, dp_replicate 1, dp_shard 128, cp_ring 1, "
                              "cp_ulysses 1, tp 8; zero 2; schedule ONE_F_ONE_B\n"));
  EXPECT_THAT(text, HasSubstr("1.00T (1000317931520)"));
  EXPECT_THAT(text, HasSubstr("2048 samples of 8192 tokens: 16.8M tokens; each rank runs 16 "
                              "micro-batches of 1\n"));
  EXPECT_THAT(text, HasSubstr("model 7.50E (1.83P a rank); executed 8.19E (2.00P a rank)\n"));
  EXPECT_THAT(text, HasSubstr("bubble      15.8% of a step"));
  EXPECT_THAT(text, HasSubstr("fits: needs 35.0GiB of device.memory_gib = 64.0GiB\n"));
}

TEST(PlanText, PipelineRanksWithTheSameNumbersShareARow) {
  const std::string text = PlanToText(FourPipelineRanks());
  EXPECT_THAT(text, HasSubstr("\n  pp 0         7.90G  31.0GiB"));
  EXPECT_THAT(text, HasSubstr("\n  pp 1–2       7.90G  31.0GiB"));
  EXPECT_THAT(text, HasSubstr("\n  pp 3         7.90G  31.0GiB"));
  EXPECT_THAT(text, HasSubstr("\n  pp 1–2  pp+dp_shard+tp  all-reduce      1      72B\n"
                              "          pp              receive        16  16.0MiB\n"
                              "          pp              send           16  16.0MiB\n"));
}

TEST(PlanText, OneRankHasNoCommunication) {
  RunPlan plan = FourPipelineRanks();
  plan.world_size = 1;
  plan.layout = {.dp_replicate = 1};
  plan.schedule = "";
  plan.zero = 0;
  plan.pipeline_ranks.resize(1);
  plan.pipeline_ranks[0].record.collectives.clear();
  plan.memory_limit_bytes = int64_t{8} << 30;
  const std::string text = PlanToText(plan);
  EXPECT_THAT(text, HasSubstr("1 rank: pp 1"));
  EXPECT_THAT(text, HasSubstr("every rank"));
  EXPECT_THAT(text, HasSubstr("communication: none"));
  EXPECT_THAT(text, HasSubstr("does not fit: needs 35.0GiB of device.memory_gib = 8.0GiB\n"));
  EXPECT_THAT(text, Not(HasSubstr("zero")));
  EXPECT_THAT(text, Not(HasSubstr("schedule")));
  EXPECT_THAT(text, Not(HasSubstr("bubble")));
}

TEST(PlanText, OnGpusContextAndLibrariesAreAColumnAndAreAdded) {
  RunPlan plan = FourPipelineRanks();
  EXPECT_THAT(PlanToText(plan), Not(HasSubstr("context")));
  for (PipelineRankPlan& rank : plan.pipeline_ranks) {
    rank.record.context = {.context_bytes = int64_t{1} << 30, .nccl_bytes = int64_t{1} << 30};
  }
  const std::string text = PlanToText(plan);
  EXPECT_THAT(text, HasSubstr("high water  context, libraries\n"));
  EXPECT_THAT(text, HasSubstr("35.0GiB              2.0GiB\n"));
  EXPECT_THAT(text, HasSubstr("GPU: a rank takes 66.0GiB: 64.0GiB of device.memory_gib, and 2.0GiB "
                              "of context and libraries (an estimate; with NCCL unless "
                              "communication.transport = MPI)\n"));
  const auto json = nlohmann::json::parse(PlanToJson(plan));
  EXPECT_EQ(json.at("gpu_bytes"), int64_t{66} << 30);
  const auto& context = json.at("pipeline_ranks").at(0).at("context_and_libraries");
  EXPECT_EQ(context.at("context_bytes"), int64_t{1} << 30);
  EXPECT_EQ(context.at("total_bytes"), int64_t{2} << 30);
}

TEST(PlanJson, HoldsEveryNumber) {
  const auto json = nlohmann::json::parse(PlanToJson(FourPipelineRanks()));
  EXPECT_EQ(json.at("world_size"), 4096);
  EXPECT_EQ(json.at("layout").at("dp_shard"), 128);
  EXPECT_EQ(json.at("schedule"), "ONE_F_ONE_B");
  EXPECT_EQ(json.at("zero"), 2);
  EXPECT_EQ(json.at("num_parameters"), 1'000'317'931'520);
  EXPECT_EQ(json.at("tokens_per_step"), 2048 * 8192);
  EXPECT_EQ(json.at("num_micro_batches"), 16);
  EXPECT_EQ(json.at("model_flops"), 7.5e18);
  EXPECT_DOUBLE_EQ(json.at("bubble_fraction"), 3.0 / 19);
  EXPECT_EQ(json.at("fits"), true);
  ASSERT_EQ(json.at("pipeline_ranks").size(), 4u);
  const auto& rank = json.at("pipeline_ranks").at(1);
  EXPECT_EQ(rank.at("rank"), 1024);
  EXPECT_EQ(rank.at("num_parameters"), 7'900'000'000);
  EXPECT_EQ(rank.at("executed_flops"), 2e15);
  const auto& memory = rank.at("memory");
  EXPECT_EQ(memory.at("peak_bytes").size(), static_cast<size_t>(kNumMemoryCategories));
  EXPECT_EQ(memory.at("peak_bytes").at("activations until weight-backward"), int64_t{2} << 30);
  EXPECT_EQ(memory.at("high_water_bytes"), (int64_t{33} << 30) + 256);
  EXPECT_EQ(
      rank.at("collectives").at(2),
      nlohmann::json({{"group", "pp"}, {"operation", "send"}, {"calls", 16}, {"bytes", 16 << 20}}));
}

}  // namespace
}  // namespace cadmus
