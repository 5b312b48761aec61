// SPDX-License-Identifier: Apache-2.0
// Gradients of parameters that are not simply whole on every rank: rows that are partial over a
// group, parameters held by several stages, replicas and padding.
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "collectives/local/local_world.h"
#include "runtime/nn/initial_values.h"
#include "tests/runtime/parallel/data/toy_rank.h"

namespace cadmus {
namespace {

constexpr int kMicroBatches = 3;

// The sum over these ranks of the world, all micro-batches and `num_uses` uses.
double PlainSum(const Parameter& parameter, int64_t element, const std::vector<int>& ranks,
                int num_uses) {
  double sum = 0;
  for (const int rank : ranks) {
    for (int micro_batch = 0; micro_batch < kMicroBatches; ++micro_batch) {
      for (int use = 0; use < num_uses; ++use) {
        sum += SmallInteger({.rank = rank,
                             .micro_batch = micro_batch,
                             .use = use,
                             .element = element,
                             .parameter = &parameter});
      }
    }
  }
  return sum;
}

std::vector<ToyLayout> TwoGrids() {
  std::vector<ToyLayout> layouts;
  for (const int zero : {1, 2, 3}) {
    for (const Overlap overlap : {Overlap::kOff, Overlap::kOn}) {
      layouts.push_back({.dp_replicate = 1,
                         .dp_shard = 3,
                         .options = {.zero = zero, .bucket_bytes = 300, .overlap = overlap},
                         .num_grids = 2});
      layouts.push_back({.dp_replicate = 2,
                         .dp_shard = 2,
                         .options = {.zero = zero, .bucket_bytes = 300, .overlap = overlap},
                         .num_grids = 2});
    }
  }
  layouts.push_back({.num_grids = 2});
  return layouts;
}

std::vector<int> GridRanks(const ToyLayout& layout, int grid) {
  std::vector<int> ranks;
  for (int i = 0; i < layout.ranks_per_grid(); ++i)
    ranks.push_back(grid * layout.ranks_per_grid() + i);
  return ranks;
}

TEST(PartialRows, AreSummedOverTheirGroupAndTheOthersAreNot) {
  for (const ToyLayout& layout : TwoGrids()) {
    RunLocalRanks(layout.num_ranks(), [&](Bootstrap& bootstrap) {
      ToyRank rank(bootstrap, layout, [](Communicator& same_place) {
        ToyModel model = AwkwardModel();
        model.parameters.front().partial_rows = {{.begin = 1, .end = 3, .ranks = &same_place},
                                                 {.begin = 5, .end = 6, .ranks = &same_place}};
        return model;
      });
      rank.Step(0, kMicroBatches, SmallInteger);
      const Parameter& table = rank.model().parameters.front();  // [7, 3]
      const std::vector<double> gradient = rank.Gradient(table);
      for (int64_t element = 0; element < 21; ++element) {
        const int64_t row = element / 3;
        const bool is_partial = row == 1 || row == 2 || row == 5;
        std::vector<int> ranks = GridRanks(layout, rank.grid());
        if (is_partial) {
          for (const int other : GridRanks(layout, 1 - rank.grid())) ranks.push_back(other);
        }
        EXPECT_EQ(gradient[static_cast<size_t>(element)], PlainSum(table, element, ranks, 2))
            << "row " << row;
      }
    });
  }
}

TEST(TiedParameter, IsSummedOverItsHoldersAndCountedOnce) {
  for (const ToyLayout& layout : TwoGrids()) {
    RunLocalRanks(layout.num_ranks(), [&](Bootstrap& bootstrap) {
      const int grid = bootstrap.rank() / layout.ranks_per_grid();
      ToyRank rank(bootstrap, layout, [&](Communicator& same_place) {
        ToyModel model = AwkwardModel();
        Parameter& table = model.parameters.front();
        table.holders = &same_place;
        table.is_first_holder = grid == 0;
        table.num_uses = 1;
        return model;
      });
      const Parameter& table = rank.model().parameters.front();
      for (int step = 0; step < 2; ++step) {
        rank.Step(0, kMicroBatches, SmallInteger);
        std::vector<int> all;
        for (int other = 0; other < bootstrap.size(); ++other) all.push_back(other);
        const std::vector<double> gradient = rank.Gradient(table);
        double squared_norm = 0;
        for (int64_t element = 0; element < 21; ++element) {
          const double sum = PlainSum(table, element, all, 1);
          EXPECT_EQ(gradient[static_cast<size_t>(element)], sum);
          squared_norm += sum * sum;
        }
        EXPECT_EQ(rank.SquaredNorms()[0], squared_norm);
      }
    });
  }
}

// On a rank with the first and the last stage, which has both uses, the gradient has the bits that
// two holders give it, each with one use.
TEST(TiedParameter, OfTwoChunksEqualsThatOfTwoHolders) {
  // Draws that do not depend on the rank, but on which use it is.
  const auto values = [](int use) {
    return [use](Contribution contribution) {
      contribution.rank = 0;
      contribution.use = use;
      return AnyReal(contribution);
    };
  };
  for (const int zero : {1, 2, 3}) {
    for (const int dp_shard : {1, 2}) {
      const ToyLayout together = {.dp_shard = dp_shard, .options = {.zero = zero}};
      ToyLayout apart = together;
      apart.num_grids = 2;
      std::vector<double> expected;
      RunLocalRanks(apart.num_ranks(), [&](Bootstrap& bootstrap) {
        ToyRank rank(bootstrap, apart, [](Communicator& same_place) {
          ToyModel model = AwkwardModel();
          model.parameters.front().holders = &same_place;
          model.parameters.front().num_uses = 1;
          return model;
        });
        rank.Step(0, kMicroBatches, values(rank.grid()));
        const std::vector<double> gradient = rank.Gradient(rank.model().parameters.front());
        if (bootstrap.rank() == 0) expected = gradient;
      });
      RunLocalRanks(together.num_ranks(), [&](Bootstrap& bootstrap) {
        ToyRank rank(bootstrap, together, [](Communicator&) {
          ToyModel model = AwkwardModel();
          Parameter* const table = &model.parameters.front();
          table->num_uses = 1;
          model.chunks.push_back({model.chunks[0].back(), table});
          model.chunks[0].pop_back();
          return model;
        });
        ASSERT_EQ(rank.data().shards().size(), rank.model().parameters.size());
        Parameter& table = rank.model().parameters.front();
        rank.data().BeginStep(kMicroBatches);
        // Chunk 1 is ahead of chunk 0 by one micro-batch.
        const auto contribute = [&](Parameter& parameter, int chunk, int micro_batch) {
          rank.Contribute(parameter, chunk, {.micro_batch = micro_batch}, values(chunk));
        };
        for (int i = 0; i <= kMicroBatches; ++i) {
          if (i < kMicroBatches) {
            for (Parameter* parameter : rank.model().chunks[1]) contribute(*parameter, 1, i);
          }
          if (i > 0) {
            for (Parameter* parameter : rank.model().chunks[0]) contribute(*parameter, 0, i - 1);
          }
        }
        rank.data().ReduceGradients(1);
        rank.data().ReduceGradients(0);
        rank.data().TieReduce();
        const TensorView norms = rank.Upload(std::vector<double>(5));
        rank.data().SquaredNorms(norms);
        EXPECT_EQ(rank.Gradient(table), expected) << "zero " << zero << ", shards " << dp_shard;
      });
    }
  }
}

// Local rows of a [6, 4] parameter on each of two grids, as tensor-parallel ranks have them: rows
// 2 g and 2 g + 1 of the first four, owned; rows 4 and 5 on both, owned by grid 0; a row of
// padding.
ToyModel PlacedModel(int grid) {
  ToyModel model;
  Parameter parameter;
  parameter.name = "placed";
  parameter.shape = {6, 4};
  parameter.initial = {.kind = InitialValue::Kind::kNormal, .value = 1};
  parameter.local_shape = {5, 4};
  parameter.slices = {
      {.global_offset = {2 * grid, 0}, .local_offset = {0, 0}, .extent = {2, 4}},
      {.global_offset = {4, 0},
       .local_offset = {2, 0},
       .extent = {2, 4},
       .replica = grid,
       .num_replicas = 2},
  };
  model.parameters.push_back(parameter);
  model.chunks = {{&model.parameters.front()}};
  return model;
}

TEST(PlacedParameter, StartsFromGlobalElementsWithPaddingOfZeroAndIsCountedOnce) {
  for (const ToyLayout& layout : TwoGrids()) {
    RunLocalRanks(layout.num_ranks(), [&](Bootstrap& bootstrap) {
      const int grid = bootstrap.rank() / layout.ranks_per_grid();
      ToyRank rank(bootstrap, layout, [&](Communicator&) { return PlacedModel(grid); });
      const Parameter& parameter = rank.model().parameters.front();
      std::vector<double> global(24);
      FillInitialValues(parameter, 3, 0, 24, global.data());
      std::vector<double> local(global.begin() + 8 * grid, global.begin() + 8 * grid + 8);
      local.insert(local.end(), global.begin() + 16, global.end());
      local.resize(20, 0);
      EXPECT_EQ(rank.Weight(parameter), local);

      rank.Step(0, kMicroBatches, [](const Contribution& contribution) {
        return contribution.element < 16 ? 1.0 : 100.0;  // of padding: must not be counted
      });
      const double each = kMicroBatches * layout.ranks_per_grid();
      EXPECT_EQ(rank.SquaredNorms()[0], 24 * each * each);
    });
  }
}

}  // namespace
}  // namespace cadmus
