// SPDX-License-Identifier: Apache-2.0
// The gate's list is as long and its inputs are as hard as promised.
#include "tests/launch/run/layouts/cases.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <iterator>
#include <set>

#include "launch/config/layout_rules.h"
#include "launch/config/run_config.pb.h"
#include "models/families.h"
#include "runtime/data/global_batch.h"
#include "tests/launch/run/layouts/family_cases.h"
#include "tests/launch/run/layouts/layout_gate.h"
#include "tests/launch/run/layouts/pairwise_cases.h"
#include "tests/launch/run/layouts/schedule_file_cases.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

std::vector<LayoutCase> AllCases() {
  std::vector<LayoutCase> all = CoreCases();
  std::ranges::move(PairwiseCases(), std::back_inserter(all));
  std::ranges::move(FamilyCases(), std::back_inserter(all));
  const TemporaryFolder folder;
  std::ranges::move(ScheduleFileCases(folder.path()), std::back_inserter(all));
  return all;
}

TEST(LayoutCases, AreFourHundredDistinctValidLayouts) {
  const std::vector<LayoutCase> all = AllCases();
  EXPECT_GE(all.size(), 400u);
  std::set<std::string> names;
  for (const LayoutCase& layout : all) {
    EXPECT_TRUE(LayoutProblems(*layout.config, layout.world_size).empty()) << layout.Name();
    names.insert(layout.Name());
  }
  EXPECT_EQ(names.size(), all.size());
}

TEST(LayoutCases, HaveEverySizeOfEveryAxisAndEverySchedule) {
  std::set<int> tp, pp, dp, schedules;
  for (const LayoutCase& layout : CoreCases()) {
    const ParallelConfig& parallel = layout.config->parallel();
    tp.insert(parallel.tp());
    pp.insert(parallel.pp());
    dp.insert(parallel.dp_replicate() * parallel.dp_shard());
    if (parallel.pp() == 8) schedules.insert(parallel.schedule());
  }
  for (const auto& sizes : {tp, pp, dp}) EXPECT_EQ(sizes.size(), 8u);
  EXPECT_EQ(schedules.size(), 6u);
}

TEST(LayoutCases, HaveFewerKeyValueHeadsThanRanksTiedHeadsAndUnevenStages) {
  int few_heads = 0, tied = 0, uneven = 0, padded = 0;
  for (const LayoutCase& layout : AllCases()) {
    const ParallelConfig& parallel = layout.config->parallel();
    const DecoderShape shape = MakeShape(layout.config->model());
    few_heads += shape.num_kv_heads < parallel.tp();
    tied += shape.tied_embeddings;
    uneven += parallel.blocks_per_stage_size() > 0 || shape.num_layers % parallel.pp();
    padded += parallel.tp() > 1 && shape.vocab_size % parallel.tp() != 0;
  }
  for (int count : {few_heads, tied, uneven, padded}) EXPECT_GE(count, 30);
}

TEST(LayoutCases, OtherFamiliesMeetEveryZeroStageScheduleAndRecomputation) {
  for (const bool gpt2 : {false, true}) {
    std::set<int> zero, schedules, recompute;
    int count = 0, tensor_parallel = 0, few_heads = 0;
    for (const LayoutCase& layout : FamilyCases()) {
      const ParallelConfig& parallel = layout.config->parallel();
      const DecoderShape shape = MakeShape(layout.config->model());
      if (shape.qk_norm == gpt2) continue;
      ++count;
      if (parallel.dp_shard() > 1) zero.insert(parallel.zero());
      schedules.insert(parallel.schedule());
      recompute.insert(layout.config->train().recompute());
      tensor_parallel += parallel.tp() > 1;
      few_heads += shape.num_kv_heads < parallel.tp();
    }
    EXPECT_GE(count, 12);
    EXPECT_EQ(zero.size(), 3u);
    EXPECT_EQ(schedules.size(), 6u);
    EXPECT_EQ(recompute.size(), 3u);
    EXPECT_GE(tensor_parallel, 5);
    EXPECT_GE(few_heads, gpt2 ? 0 : 1);
  }
}

TEST(LayoutCases, PairsOfOptionValuesAreCovered) {
  std::set<std::pair<int, int>> recompute_and_schedule, zero_and_schedule;
  for (const LayoutCase& layout : PairwiseCases()) {
    const ParallelConfig& parallel = layout.config->parallel();
    recompute_and_schedule.emplace(layout.config->train().recompute(), parallel.schedule());
    if (parallel.dp_shard() > 1) zero_and_schedule.emplace(parallel.zero(), parallel.schedule());
  }
  EXPECT_EQ(recompute_and_schedule.size(), 3u * 6u);
  EXPECT_EQ(zero_and_schedule.size(), 3u * 6u);
}

TEST(LayoutCases, RanksAndMicroBatchesHaveUnequalSupervisedTokensAndClippingActs) {
  LayoutGate gate;
  const LayoutCase layout = CoreCases().front();
  std::set<int64_t> per_rank, per_micro_batch;
  bool packed = false;
  for (int rank = 0; rank < 2; ++rank) {
    const GlobalBatch batches(gate.data(),
                              {.seed = layout.config->train().seed(),
                               .sequence_length = layout.config->data().sequence_length(),
                               .global_batch_size = layout.config->train().global_batch_size(),
                               .micro_batch_size = 1,
                               .dp_index = rank,
                               .dp_count = 2,
                               .vocab_size = layout.config->model().llama().vocab_size()});
    StepBatch batch = batches.Allocate();
    batches.Fill(0, batch);
    int64_t of_rank = 0;
    for (const MicroBatch& micro_batch : batch.micro_batches) {
      const auto supervised =
          std::ranges::count_if(micro_batch.labels_BS, [](int32_t label) { return label >= 0; });
      per_micro_batch.insert(supervised);
      of_rank += supervised;
      packed |= micro_batch.documents_BS.front() != micro_batch.documents_BS.back();
    }
    per_rank.insert(of_rank);
  }
  EXPECT_EQ(per_rank.size(), 2u);
  EXPECT_GE(per_micro_batch.size(), 3u);
  EXPECT_TRUE(packed);
  for (const GlobalStep& step : gate.OneRank(*layout.config))
    EXPECT_GT(step.result.gradient_norm, 1.5 * layout.config->optimizer().clip_norm());
}

}  // namespace
}  // namespace cadmus
