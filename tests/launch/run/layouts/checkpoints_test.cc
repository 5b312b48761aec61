// SPDX-License-Identifier: Apache-2.0
// What one layout saves, any other goes on from (P3): it reads the same weights and moments bit for
// bit, and its next step is that of one rank that was never interrupted (P1).
#include <gtest/gtest.h>

#include "launch/config/run_config.pb.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/checkpoint/save_checkpoint.h"
#include "tests/launch/run/layouts/layout_gate.h"

namespace cadmus {
namespace {

constexpr int kSavedSteps = 2;

std::vector<GlobalStep> TrainAndSave(const LayoutCase& layout, LayoutGate& gate,
                                     const std::filesystem::path& folder) {
  std::vector<std::vector<RankStep>> ranks(static_cast<size_t>(layout.world_size));
  RunLayoutRanks(layout.world_size, {}, [&](Device& device, Communicator& world) {
    TrainingJob job(*layout.config, device, world);
    ranks[static_cast<size_t>(world.rank())] = RunSteps(job, gate.data(), {.count = kSavedSteps});
    SaveCheckpoint({.folder = folder,
                    .info = {.run_name = "layouts", .completed_steps = kSavedSteps},
                    .entries = job.StateEntries(),
                    .world = world,
                    .stream = job.compute()});
  });
  return PutStepsTogether(ranks);
}

// What is there right after loading, then the next step.
std::vector<GlobalStep> LoadAndTrain(const LayoutCase& layout, LayoutGate& gate,
                                     const std::filesystem::path& folder) {
  std::vector<std::vector<RankStep>> ranks(static_cast<size_t>(layout.world_size));
  RunLayoutRanks(layout.world_size, {}, [&](Device& device, Communicator& world) {
    TrainingJob job(*layout.config, device, world);
    LoadCheckpoint(folder / CheckpointName(kSavedSteps), job.StateEntries(), job.compute());
    auto& steps = ranks[static_cast<size_t>(world.rank())];
    steps.push_back({.state = StatePieces(job)});
    steps.push_back(RunSteps(job, gate.data(), {.first = kSavedSteps, .count = 1}).front());
  });
  return PutStepsTogether(ranks);
}

// The bits of weights and moments only.
std::vector<Fingerprint> StateOf(const GlobalStep& step) {
  const GlobalStep state = {.state = step.state};
  return Fingerprints({&state, 1});
}

struct Move {
  const char* from;
  const char* to;
  const char* model = "";
};

TEST(Checkpoints, OfOneLayoutAreGoneOnFromInAnother) {
  constexpr char kTied[] =
      " model.llama.tie_word_embeddings=true model.llama.num_key_value_heads=2";
  const Move moves[] = {
      {"", "pp=2 tp=2 dp_shard=2 zero=3"},
      {"pp=2 tp=2 dp_shard=2 zero=3 schedule=ZBV", "", kTied},
      {"dp_shard=4 zero=1", "pp=4 schedule=INTERLEAVED", kTied},
      {"tp=4", "dp_replicate=2 dp_shard=2 zero=2", kTied},
      {"dp_replicate=2 tp=2 sequence_parallel=false",
       "pp=2 dp_shard=3 zero=3 schedule=DUAL_PIPE_V"},
      {"pp=4 dp_shard=2 zero=2 blocks_per_stage=[0,5,3,0]", "tp=3 dp_shard=2 zero=3"},
      {"pp=8", "tp=6", kTied},
      {"dp_shard=3 zero=3", "dp_shard=2 zero=3 pp=3 train.recompute=FULL"},
  };
  LayoutGate gate;
  for (const Move& move : moves) {
    const LayoutCase from = NamedLayout(std::string(move.from) + move.model);
    const LayoutCase to = NamedLayout(std::string(move.to) + move.model);
    SCOPED_TRACE(from.Name() + " → " + to.Name());
    const std::span<const GlobalStep> one_rank = gate.OneRank(*from.config);
    ASSERT_EQ(&gate.OneRank(*to.config), &gate.OneRank(*from.config)) << "another run";

    const TemporaryFolder folder;
    const std::vector<GlobalStep> saved = TrainAndSave(from, gate, folder.path());
    EXPECT_EQ(FirstDisagreement(saved, one_rank.first(kSavedSteps)), std::nullopt);
    const std::vector<GlobalStep> resumed = LoadAndTrain(to, gate, folder.path());
    EXPECT_TRUE(resumed.front().problems.empty()) << resumed.front().problems.front();
    EXPECT_EQ(StateOf(saved.back()), StateOf(resumed.front()));
    EXPECT_EQ(FirstDisagreement({&resumed.back(), 1}, one_rank.subspan(kSavedSteps)), std::nullopt);
  }
}

}  // namespace
}  // namespace cadmus
