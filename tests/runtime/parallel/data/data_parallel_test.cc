// SPDX-License-Identifier: Apache-2.0
// Every ZeRO stage over every grid computes the plain sum, in memory that shrinks as it should.
#include "runtime/parallel/data/data_parallel.h"

#include <cmath>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "collectives/local/local_world.h"
#include "kernels/base/error.h"
#include "runtime/nn/initial_values.h"
#include "tests/runtime/parallel/data/toy_rank.h"

namespace cadmus {
namespace {

constexpr int kMicroBatches = 3;
constexpr int kSteps = 2;

std::string ToString(const ToyLayout& layout) {
  return StrCat("zero ", layout.options.zero, ", dp_shard ", layout.dp_shard, ", dp_replicate ",
                layout.dp_replicate, ", buckets of ", layout.options.bucket_bytes, " bytes",
                layout.options.overlap == Overlap::kOn ? "" : ", no overlap");
}

std::vector<double> PlainSum(const Parameter& parameter, int step, int num_ranks,
                             const Gradients& gradients) {
  std::vector<double> sum(static_cast<size_t>(parameter.LocalShape().num_elements()));
  for (size_t i = 0; i < sum.size(); ++i) {
    for (int rank = 0; rank < num_ranks; ++rank) {
      for (int micro_batch = 0; micro_batch < kMicroBatches; ++micro_batch) {
        for (int use = 0; use < parameter.num_uses; ++use) {
          sum[i] += gradients({.rank = rank,
                               .step = step,
                               .micro_batch = micro_batch,
                               .use = use,
                               .element = static_cast<int64_t>(i),
                               .parameter = &parameter});
        }
      }
    }
  }
  return sum;
}

double SumOfSquares(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return sum;
}

TEST(DataParallel, EveryStageOverEveryGridIsThePlainSum) {
  for (const int dp_shard : {1, 2, 3, 4}) {
    for (const int dp_replicate : {1, 2}) {
      for (int zero = dp_shard == 1 ? 0 : 1; zero <= 3; ++zero) {
        const ToyLayout layout = {.dp_replicate = dp_replicate,
                                  .dp_shard = dp_shard,
                                  .options = {.zero = zero, .bucket_bytes = 600}};
        SCOPED_TRACE(ToString(layout));
        RunLocalRanks(layout.num_ranks(), [&](Bootstrap& bootstrap) {
          ToyRank rank(bootstrap, layout);
          std::map<const Parameter*, std::vector<double>> weights;
          for (const Parameter& parameter : rank.model().parameters) {
            weights[&parameter].resize(static_cast<size_t>(parameter.shape.num_elements()));
            FillInitialValues(parameter, 3, 0, parameter.shape.num_elements(),
                              weights[&parameter].data());
            EXPECT_EQ(rank.Weight(parameter), weights[&parameter]) << parameter.name;
          }
          for (int step = 0; step < kSteps; ++step) {
            rank.Step(step, kMicroBatches, SmallInteger);
            const std::vector<double> norms = rank.SquaredNorms();
            for (const Parameter& parameter : rank.model().parameters) {
              const std::vector<double> sum =
                  PlainSum(parameter, step, bootstrap.size(), SmallInteger);
              EXPECT_EQ(rank.Gradient(parameter), sum) << parameter.name;
              EXPECT_EQ(norms[static_cast<size_t>(parameter.norm_slot)], SumOfSquares(sum))
                  << parameter.name;
              std::vector<double>& weight = weights[&parameter];
              for (size_t i = 0; i < sum.size(); ++i) weight[i] += sum[i];
              EXPECT_EQ(rank.Weight(parameter), weight) << parameter.name;
            }
          }
        });
      }
    }
  }
}

// What rank 0 of a grid has after some steps with gradients whose sums depend on their order.
std::vector<std::vector<double>> Trained(const ToyLayout& layout) {
  std::vector<std::vector<double>> result;
  RunLocalRanks(layout.num_ranks(), [&](Bootstrap& bootstrap) {
    ToyRank rank(bootstrap, layout);
    std::vector<std::vector<double>> mine;
    for (int step = 0; step < kSteps; ++step) {
      rank.Step(step, kMicroBatches, AnyReal);
      mine.push_back(rank.SquaredNorms());
      for (const Parameter& parameter : rank.model().parameters) {
        mine.push_back(rank.Gradient(parameter));
        mine.push_back(rank.Weight(parameter));
      }
    }
    if (bootstrap.rank() == 0) result = mine;
  });
  return result;
}

TEST(DataParallel, BucketSizeOverlapAndThreadedStreamsChangeNoBit) {
  for (const int zero : {1, 2, 3}) {
    const ToyLayout plain = {.dp_replicate = 2, .dp_shard = 2, .options = {.zero = zero}};
    const auto expected = Trained(plain);
    for (const int64_t bucket_bytes : {1, 300, 1 << 20}) {
      for (const Overlap overlap : {Overlap::kOff, Overlap::kOn}) {
        ToyLayout layout = plain;
        layout.options.bucket_bytes = bucket_bytes;
        layout.options.overlap = overlap;
        EXPECT_EQ(Trained(layout), expected) << ToString(layout);
      }
    }
    ToyLayout threaded = plain;
    threaded.streams = CpuStreams::kThreaded;
    EXPECT_EQ(Trained(threaded), expected) << ToString(threaded) << ", threaded streams";
  }
}

TEST(DataParallel, ShardedWeightsChangeNoBit) {
  const ToyLayout two = {.dp_shard = 3, .options = {.zero = 2}};
  const ToyLayout three = {.dp_shard = 3, .options = {.zero = 3}};
  EXPECT_EQ(Trained(two), Trained(three));
}

// One parameter of 240 · 256 bytes, so that alignment does not blur the shares.
ToyModel LargeModel() {
  ToyModel model;
  Parameter parameter;
  parameter.name = "large";
  parameter.shape = {240, 32};
  model.parameters.push_back(parameter);
  model.chunks = {{&model.parameters.front()}};
  return model;
}

TEST(DataParallel, MemoryShrinksWithTheStage) {
  constexpr int64_t kBytes = 240 * 32 * 8;
  struct Expected {
    int64_t weights, gradients;            // between steps
    int64_t peak_weights, peak_gradients;  // in a step
  };
  const auto expect = [&](int zero, int dp_shard, const Expected& expected) {
    const ToyLayout layout = {.dp_shard = dp_shard, .options = {.zero = zero}};
    SCOPED_TRACE(ToString(layout));
    RunLocalRanks(layout.num_ranks(), [&](Bootstrap& bootstrap) {
      ToyRank rank(bootstrap, layout, [](Communicator&) { return LargeModel(); });
      rank.Step(0, kMicroBatches, SmallInteger);
      const MemoryStats& stats = rank.device().allocator().stats();
      const auto current = [&](MemoryCategory category) {
        return stats.current_bytes[static_cast<size_t>(category)];
      };
      const auto peak = [&](MemoryCategory category) {
        return stats.peak_bytes[static_cast<size_t>(category)];
      };
      EXPECT_EQ(current(MemoryCategory::kWeights), expected.weights);
      EXPECT_EQ(current(MemoryCategory::kGradients), expected.gradients);
      EXPECT_EQ(peak(MemoryCategory::kWeights), expected.peak_weights);
      EXPECT_EQ(peak(MemoryCategory::kGradients), expected.peak_gradients);
      int64_t state = 0;
      for (const ParameterShard& shard : rank.data().shards()) state += shard.range.extent;
      EXPECT_EQ(state, 240 * 32 / dp_shard);
    });
  };
  expect(1, 1, {kBytes, kBytes, kBytes, kBytes});
  for (const int n : {2, 3, 4}) {
    const int64_t part = kBytes / n;
    expect(1, n, {kBytes, kBytes, kBytes, kBytes});
    expect(2, n, {kBytes, part, kBytes, part + kBytes});
    expect(3, n, {part, part, part + kBytes, part + kBytes});
  }
}

TEST(DataParallel, BucketsFillUpFromTheLastParameterAndLargeOnesStandAlone) {
  const auto expect = [&](int64_t bucket_bytes, int num_buckets) {
    RunLocalRanks(1, [&](Bootstrap& bootstrap) {
      const ToyLayout layout = {.options = {.bucket_bytes = bucket_bytes}};
      ToyRank rank(bootstrap, layout);
      EXPECT_EQ(rank.data().num_buckets(), num_buckets) << bucket_bytes;
    });
  };
  // Aligned to 256 bytes: even 256, one 256, matrix 768, norm 256, table 256.
  expect(1, 5);
  expect(512, 3);
  expect(1 << 20, 1);
}

// Runs `body` on one rank; its error, which must be of `kind`, must contain `text`.
void ExpectError(const ToyLayout& layout, Kind kind, const std::string& text,
                 const std::function<void(ToyRank&)>& body) {
  try {
    RunLocalRanks(layout.num_ranks(), [&](Bootstrap& bootstrap) {
      ToyRank rank(bootstrap, layout);
      body(rank);
    });
    ADD_FAILURE() << "nothing was thrown; expected " << text;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind) << e.message();
    EXPECT_NE(e.message().find(text), std::string::npos) << e.message();
  }
}

TEST(DataParallel, MisuseIsNamed) {
  ExpectError({}, Kind::kInternal, "even: 0 of 1 contributions of chunk 0", [](ToyRank& rank) {
    rank.data().BeginStep(1);
    rank.Contribute(*rank.model().chunks[0][1], 0, {}, SmallInteger);
    rank.data().ReduceGradients(0);
  });
  ExpectError({}, Kind::kInternal, "norm: contribution 2 of 1", [](ToyRank& rank) {
    rank.data().BeginStep(1);
    rank.Contribute(*rank.model().chunks[0][1], 0, {}, SmallInteger);
    rank.Contribute(*rank.model().chunks[0][1], 0, {}, SmallInteger);
  });
  const ToyLayout zero_3 = {.dp_shard = 2, .options = {.zero = 3}};
  ExpectError(zero_3, Kind::kInternal, "table are used but were not fetched", [](ToyRank& rank) {
    rank.data().AwaitParameters(std::span(rank.model().chunks[0]).first(1));
  });
  ExpectError(zero_3, Kind::kInternal, "table are released but", [](ToyRank& rank) {
    rank.data().ReleaseParameters(std::span(rank.model().chunks[0]).first(1));
  });
  ExpectError(zero_3, Kind::kInternal, "release them before", [](ToyRank& rank) {
    rank.data().FetchParameters(std::span(rank.model().chunks[0]).first(1));
    rank.data().GatherWeights();
  });
  for (const int zero : {-1, 0, 4}) {
    ExpectError({.dp_shard = 2, .options = {.zero = zero}}, Kind::kConfig,
                "parallel.zero = ", [](ToyRank&) {});
  }
}

TEST(DataParallel, FetchesAreCounted) {
  const ToyLayout layout = {.dp_shard = 2, .options = {.zero = 3}};
  RunLocalRanks(layout.num_ranks(), [&](Bootstrap& bootstrap) {
    ToyRank rank(bootstrap, layout);
    Parameter& table = rank.model().parameters.front();
    const auto module = std::span(rank.model().chunks[0]).first(1);
    EXPECT_FALSE(table.weight);
    rank.data().FetchParameters(module);
    const void* where = table.weight.raw();
    rank.data().FetchParameters(module);
    EXPECT_EQ(table.weight.raw(), where);
    rank.data().ReleaseParameters(module);
    EXPECT_TRUE(table.weight);
    rank.data().ReleaseParameters(module);
    EXPECT_FALSE(table.weight);
  });
}

}  // namespace
}  // namespace cadmus
