// SPDX-License-Identifier: Apache-2.0
// What one layout saves, any other loads, bit for bit: weights and tensors that are sharded like
// them; each element is written by one rank, and replicas share the writing.
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "collectives/local/local_world.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/checkpoint/save_checkpoint.h"
#include "tests/runtime/parallel/data/toy_rank.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

// Two grids hold rows of "placed": tensor-parallel ranks with a padded row and a row of both.
ToyModel CutModel(int grid, int num_grids) {
  ToyModel model = AwkwardModel();
  Parameter parameter;
  parameter.name = "placed";
  parameter.shape = {7, 5};
  parameter.initial = {.kind = InitialValue::Kind::kNormal, .value = 1};
  parameter.norm_slot = static_cast<int>(model.parameters.size());
  if (num_grids == 2) {
    parameter.local_shape = {5, 5};
    parameter.slices = {
        {.global_offset = {3 * grid, 0}, .local_offset = {0, 0}, .extent = {3, 5}},
        {.global_offset = {6, 0},
         .local_offset = {3, 0},
         .extent = {1, 5},
         .replica = grid,
         .num_replicas = 2},
    };
    for (Parameter& whole : model.parameters) {
      const Shape origin = whole.shape.num_dims() == 2 ? Shape({0, 0}) : Shape({0});
      whole.local_shape = whole.shape;
      whole.slices = {{.global_offset = origin,
                       .local_offset = origin,
                       .extent = whole.shape,
                       .replica = grid,
                       .num_replicas = 2}};
    }
  }
  model.parameters.push_back(parameter);
  model.chunks[0].push_back(&model.parameters.back());
  return model;
}

// The places of an entry's elements in the global tensor.
std::vector<int64_t> GlobalElements(const StateEntry& entry) {
  std::vector<int64_t> elements(static_cast<size_t>(entry.local.num_elements()));
  for (size_t i = 0; i < elements.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t stride = 1;
    for (int dim = entry.global_shape.num_dims() - 1; dim >= 0; --dim) {
      elements[i] += (entry.offset[dim] + rest % entry.local.dim(dim)) * stride;
      rest /= entry.local.dim(dim);
      stride *= entry.global_shape[dim];
    }
  }
  return elements;
}

// The values of all elements of all tensors.
using State = std::map<std::string, std::map<int64_t, double>>;

// One rank's weights, and a moment of each.
class StatefulRank {
 public:
  StatefulRank(Bootstrap& bootstrap, const ToyLayout& layout)
      : rank_(bootstrap, layout, [&](Communicator&) {
          return CutModel(bootstrap.rank() / layout.ranks_per_grid(), layout.num_grids);
        }) {
    for (const ParameterShard& shard : rank_.data().shards()) {
      moments_.emplace_back(DType::kF64, Shape{shard.range.extent}, MemoryCategory::kOptimizer,
                            rank_.compute());
      rank_.device().FillZero(moments_.back(), rank_.compute());
    }
  }

  std::vector<StateEntry> Entries() {
    std::vector<StateEntry> entries = rank_.data().StateEntries();
    for (size_t i = 0; i < moments_.size(); ++i) {
      const auto of_moment = EntriesOf("m.", rank_.data().shards()[i], moments_[i]);
      entries.insert(entries.end(), of_moment.begin(), of_moment.end());
    }
    rank_.data().ShareWriting(entries);
    return entries;
  }

  // Weights that no seed gives; of moments, each element knows its place.
  void Train() {
    rank_.Step(0, 2, [](Contribution contribution) {
      contribution.rank = 0;  // ranks that hold the same stay equal
      return AnyReal(contribution);
    });
    for (const StateEntry& entry : Entries()) {
      if (!entry.name.starts_with("m.")) continue;
      const std::vector<int64_t> elements = GlobalElements(entry);
      rank_.device().CopyOnDevice(
          entry.local.Reshape({entry.local.num_elements()}),
          rank_.Upload(std::vector<double>(elements.begin(), elements.end())), rank_.compute());
    }
    rank_.compute().Synchronize(rank_.device().wait_limit());
  }

  std::filesystem::path Save(const std::filesystem::path& folder) {
    const CheckpointInfo info = {.run_name = "test", .completed_steps = 1};
    return SaveCheckpoint({.folder = folder,
                           .info = info,
                           .entries = Entries(),
                           .world = rank_.world(),
                           .stream = rank_.compute()});
  }

  // Ranks that have the same element must agree.
  void AddTo(State& state) {
    for (const StateEntry& entry : Entries()) {
      const std::vector<double> values = rank_.Read(entry.local);
      const std::vector<int64_t> elements = GlobalElements(entry);
      for (size_t i = 0; i < values.size(); ++i) {
        const auto [known, is_new] = state[entry.name].emplace(elements[i], values[i]);
        EXPECT_EQ(known->second, values[i]) << entry.name << ", element " << elements[i];
      }
    }
  }

  ToyRank& rank() { return rank_; }

 private:
  ToyRank rank_;
  std::vector<Tensor> moments_;
};

TEST(Checkpoint, OfOneLayoutIsLoadedByAnyOther) {
  const TemporaryFolder folder;
  const ToyLayout one = {};
  const ToyLayout zero_1 = {.dp_shard = 3, .options = {.zero = 1}};
  const ToyLayout zero_3 = {.dp_replicate = 2, .dp_shard = 2, .options = {.zero = 3}};
  const ToyLayout cut = {.dp_shard = 2, .options = {.zero = 2}, .num_grids = 2};
  std::mutex mutex;
  for (const ToyLayout& from : {zero_1, zero_3, cut}) {
    std::filesystem::path checkpoint;
    State saved;
    RunLocalRanks(from.num_ranks(), [&](Bootstrap& bootstrap) {
      StatefulRank rank(bootstrap, from);
      rank.Train();
      const auto path = rank.Save(folder.path());
      const std::scoped_lock lock(mutex);
      checkpoint = path;
      rank.AddTo(saved);
    });
    EXPECT_EQ(saved.size(), 12u);
    EXPECT_EQ(saved.at("placed").size(), 35u);
    EXPECT_EQ(saved.at("m.placed").at(34), 34);
    for (const ToyLayout& to : {one, zero_1, zero_3, cut}) {
      State loaded;
      RunLocalRanks(to.num_ranks(), [&](Bootstrap& bootstrap) {
        StatefulRank rank(bootstrap, to);
        LoadCheckpoint(checkpoint, rank.Entries(), rank.rank().compute());
        const std::vector<double> matrix = rank.rank().Weight(*rank.rank().model().chunks[0][2]);
        const std::scoped_lock lock(mutex);
        rank.AddTo(loaded);
        // What modules see is what was loaded.
        for (size_t i = 0; i < matrix.size(); ++i)
          EXPECT_EQ(matrix[i], saved.at("matrix").at(static_cast<int64_t>(i)));
      });
      EXPECT_EQ(loaded, saved);
    }
  }
}

TEST(Checkpoint, ReplicasShareTheWriting) {
  const ToyLayout layout = {.dp_replicate = 2, .dp_shard = 2, .options = {.zero = 1}};
  std::vector<int64_t> bytes(4);
  RunLocalRanks(4, [&](Bootstrap& bootstrap) {
    StatefulRank rank(bootstrap, layout);
    for (const StateEntry& entry : rank.Entries()) {
      if (entry.is_writer) bytes[static_cast<size_t>(bootstrap.rank())] += entry.local.num_bytes();
    }
  });
  const int64_t all = 2 * 8 * (21 + 5 + 66 + 1 + 24 + 35);
  EXPECT_EQ(bytes[0] + bytes[1] + bytes[2] + bytes[3], all);
  for (const int64_t share : bytes) EXPECT_NEAR(static_cast<double>(share), all / 4, all / 8);
}

}  // namespace
}  // namespace cadmus
