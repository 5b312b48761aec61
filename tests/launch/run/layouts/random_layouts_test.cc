// SPDX-License-Identifier: Apache-2.0
// What the validator accepts runs and computes the step of one rank; what it refuses has a reason
// with field and numbers, and a neighbour that runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "kernels/base/str_cat.h"
#include "launch/config/layout_rules.h"
#include "launch/config/layouts.h"
#include "launch/config/run_config.pb.h"
#include "tests/launch/run/layouts/layout_gate.h"
#include "tests/launch/run/layouts/small_run.h"
#include "tests/runtime/mesh/random_mesh.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

// Any values, most of which fit by themselves, on at most 8 ranks.
RunConfig RandomLayout(Random& random) {
  const auto pick = [&](std::initializer_list<int> values) {
    return *(values.begin() + random.Below(static_cast<int>(values.size())));
  };
  RunConfig config = SmallRun(1);
  ParallelConfig& p = *config.mutable_parallel();
  do {
    SetSplit({.dp_replicate = pick({1, 1, 2, 3}),
              .dp_shard = pick({1, 2, 2, 3, 4}),
              .tp = pick({1, 2, 3, 4, 5, 6, 8}),
              .pp = pick({1, 2, 2, 3, 4, 8})},
             config);
  } while (p.dp_replicate() * p.dp_shard() * p.tp() * p.pp() > kMaxLayoutRanks);
  p.set_zero(pick({0, 1, 2, 3, 3, 3, 4}));
  p.set_prefetch(pick({-1, 0, 1, 2, 2}));
  p.set_sequence_parallel(random.Below(2) == 0);
  p.set_token_parts(pick({1, 1, 2, 3, 5}));
  p.set_schedule(static_cast<ParallelConfig::Schedule>(random.Below(ParallelConfig::FROM_FILE)));
  p.set_chunks(pick({0, 1, 2, 3, 4}));
  if (random.Below(4) == 0) {
    for (int stage = 0; stage < p.pp(); ++stage) p.add_blocks_per_stage(pick({0, 2, 3, 4}));
  }
  TrainConfig& train = *config.mutable_train();
  train.set_global_batch_size(pick({4, 12, 12, 25}));
  train.set_micro_batch_size(pick({1, 1, 2, 3}));
  train.set_recompute(static_cast<TrainConfig::Recompute>(random.Below(3)));
  train.set_recompute_blocks(pick({0, 0, 0, 1, 9}));
  train.set_offload_activations(random.Below(4) == 0);
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  llama.set_num_key_value_heads(pick({2, 12}));
  llama.set_tie_word_embeddings(random.Below(2) == 0);
  return config;
}

LayoutCase CaseOf(RunConfig config, int world_size) {
  return {std::make_shared<const RunConfig>(std::move(config)), world_size, CpuStreams::kInline};
}

TEST(RandomLayouts, RunWhereTheyAreAcceptedAndAreRefusedWithAReason) {
  constexpr int kRuns = 30;
  constexpr int kNeighbours = 8;  // of which are neighbours of refused ones
  LayoutGate gate;
  Random random(11);
  std::set<std::string> refused;
  int num_runs = 0, num_neighbours = 0;
  const auto run = [&](const LayoutCase& layout) {
    ++num_runs;
    const std::vector<GlobalStep> steps =
        TrainLayout(*layout.config, layout.world_size, gate.data(), {.num_steps = 1});
    const std::span<const GlobalStep> one_rank = gate.OneRank(*layout.config);
    EXPECT_EQ(FirstDisagreement(steps, one_rank.first(1)), std::nullopt) << layout.Name();
  };
  while (num_runs < kRuns) {
    const RunConfig config = RandomLayout(random);
    const ParallelConfig& p = config.parallel();
    const int ranks = p.dp_replicate() * p.dp_shard() * p.tp() * p.pp();
    const int world_size = random.Below(8) == 0 ? 1 + random.Below(kMaxLayoutRanks) : ranks;
    const std::vector<LayoutProblem> problems = LayoutProblems(config, world_size);
    const LayoutCase layout = CaseOf(config, world_size);
    if (problems.empty() && num_runs < kRuns - kNeighbours + num_neighbours) run(layout);
    if (problems.empty()) continue;
    for (const LayoutProblem& problem : problems) {
      refused.insert(problem.field);
      EXPECT_TRUE(problem.field == "parallel" || problem.rule.find(problem.field) == 0)
          << problem.field << ": " << problem.rule;
      EXPECT_NE(problem.rule.find_first_of("0123456789"), std::string::npos) << problem.rule;
      if (problem.field != "parallel") {
        EXPECT_THAT(problem.rule, HasSubstr("; "));
      }
    }
    const std::optional<RunConfig> nearest = NearestValidLayout(config, world_size);
    if (!nearest) continue;
    const std::vector<LayoutProblem> left = LayoutProblems(*nearest, world_size);
    EXPECT_TRUE(left.empty()) << layout.Name() << ": " << left.front().rule;
    if (num_neighbours < kNeighbours && refused.size() > static_cast<size_t>(num_neighbours)) {
      ++num_neighbours;
      run(CaseOf(*nearest, world_size));
    }
  }
  EXPECT_GE(refused.size(), 8u);
}

}  // namespace
}  // namespace cadmus
