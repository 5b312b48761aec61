// SPDX-License-Identifier: Apache-2.0
// A step in bf16: layouts are as near to the exact step as one rank is, threads change no bit, and
// a run goes on bit-equal from the f32 masters that its checkpoint holds.
#include <gtest/gtest.h>

#include <cmath>

#include "collectives/local/local_world.h"
#include "launch/config/apply_override.h"
#include "launch/config/run_config.pb.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/checkpoint/save_checkpoint.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

constexpr int kSteps = 3;

struct Layout {
  int num_ranks;
  std::vector<std::string> overrides;
};

RunConfig With(RunConfig config, const std::vector<std::string>& overrides) {
  for (const std::string& override : overrides) ApplyOverride(override, config);
  return config;
}

class Bf16Step : public testing::Test {
 protected:
  Bf16Step() : data_(UnevenDocuments(folder_.path(), 131)) {
    config_.mutable_precision()->set_storage(PrecisionConfig::BF16);
  }

  TemporaryFolder folder_;
  RunConfig config_ = TinyRun();
  std::shared_ptr<const IndexedDataset> data_;
};

// Weights, masters, moments; local values of one rank, by name and offset.
using State = std::map<std::string, std::vector<double>>;

State StateOf(TrainingJob& job) {
  State state;
  for (const StateEntry& entry : job.StateEntries()) {
    state[StrCat(entry.name, entry.offset.ToString(), Name(entry.local.dtype()))] =
        ReadTensor(entry.local, job.compute());
  }
  return state;
}

// Result and state behind each of the steps [first, end), by rank; loads the checkpoint of `first`,
// if it is not 0, and saves one behind step `saved`.
struct Trained {
  std::vector<double> losses, norms;
  std::vector<State> states;  // the first one: before any step
  bool operator==(const Trained&) const = default;
};
struct Steps {
  int first = 0, end = 0, saved = 0;
};

std::vector<Trained> Train(const RunConfig& config, int num_ranks,
                           const std::shared_ptr<const IndexedDataset>& data,
                           const std::filesystem::path& folder, const Steps& steps) {
  std::vector<Trained> ranks(static_cast<size_t>(num_ranks));
  const auto pool = MakeThreadPool(2);
  RunLocalRanks(num_ranks, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice(pool);
    const auto world = bootstrap.Connect(*device);
    TrainingJob job(config, *device, *world);
    if (steps.first > 0)
      LoadCheckpoint(folder / CheckpointName(steps.first), job.StateEntries(), job.compute());
    Trained& trained = ranks[static_cast<size_t>(bootstrap.rank())];
    trained.states.push_back(StateOf(job));
    const GlobalBatch batches(data, job.loader_options());
    StepBatch batch = batches.Allocate();
    for (int step = steps.first; step < steps.end; ++step) {
      batches.Fill(step, batch);
      const StepResult result = job.step().Run(batch, StopRequest::kNo);
      trained.losses.push_back(result.loss);
      trained.norms.push_back(result.gradient_norm);
      trained.states.push_back(StateOf(job));
      if (step + 1 != steps.saved) continue;
      SaveCheckpoint({.folder = folder,
                      .info = {.run_name = "bf16", .completed_steps = step + 1},
                      .entries = job.StateEntries(),
                      .world = *world,
                      .stream = job.compute()});
    }
  });
  return ranks;
}

TEST_F(Bf16Step, NumberOfThreadsChangesNoBit) {
  const auto one = TrainStepsLocally(config_, data_, 1, kSteps, CpuStreams::kInline, 1);
  for (const int num_threads : {2, 3}) {
    ExpectSameBits(TrainStepsLocally(config_, data_, 1, kSteps, CpuStreams::kInline, num_threads),
                   one, StrCat(num_threads, " threads"));
  }
}

// The rule of the ops, for a whole step: the gradients of a layout may be twice as far from the
// exact ones (the step in f64) as those of one rank.
TEST_F(Bf16Step, RanksAreAsNearToTheExactStepAsOneRank) {
  const RunConfig exact_config = With(config_, {"precision.storage=F64"});
  const StepState exact = TrainStepsLocally(exact_config, data_, 1, 1)[0];
  const StepState one = TrainStepsLocally(config_, data_, 1, 1)[0];
  const auto distance = [&](const StepState& state) {
    double sum = 0;
    for (const auto& [name, values] : exact.gradients) {
      const double d = Distance(state.gradients.at(name), values);
      sum += d * d;
    }
    return std::sqrt(sum);
  };
  const double error_of_one = distance(one);
  EXPECT_LT(error_of_one, 0.02 * GlobalNorm(exact.gradients));
  for (const int ranks : {2, 4}) {
    const StepState many = TrainStepsLocally(config_, data_, ranks, 1)[0];
    EXPECT_LE(distance(many), 2 * error_of_one) << ranks << " replicas";
    EXPECT_NEAR(many.result.loss, one.result.loss, 1e-6 * one.result.loss) << ranks << " replicas";
  }
  // Gathered by name, for layouts that split tensors.
  const auto norm_and_loss = [&](const Layout& layout) {
    const auto trained = Train(With(config_, layout.overrides), layout.num_ranks, data_,
                               folder_.path(), {.end = kSteps});
    return trained[0];
  };
  const Trained alone = norm_and_loss({1, {}});
  for (const Layout& layout :
       {Layout{2, {"parallel.dp_shard=2"}}, Layout{4, {"parallel.dp_shard=4", "parallel.zero=2"}},
        Layout{4, {"parallel.dp_shard=2", "parallel.dp_replicate=2", "parallel.zero=3"}},
        Layout{2, {"parallel.tp=2"}}, Layout{4, {"parallel.tp=4"}},
        Layout{2, {"parallel.tp=2", "parallel.sequence_parallel=false"}},
        Layout{4, {"parallel.tp=2", "parallel.pp=2"}}}) {
    const Trained many = norm_and_loss(layout);
    for (size_t step = 0; step < kSteps; ++step) {
      const std::string where = StrCat(layout.overrides[0], ", step ", step);
      EXPECT_NEAR(many.losses[step], alone.losses[step], 1e-3 * alone.losses[step]) << where;
      EXPECT_NEAR(many.norms[step], alone.norms[step], 1e-2 * alone.norms[step]) << where;
    }
  }
}

TEST_F(Bf16Step, WeightsAreTheRoundedMasters) {
  for (const Trained& rank : Train(With(config_, {"parallel.dp_shard=2", "parallel.zero=3"}), 2,
                                   data_, folder_.path(), {.end = 2})) {
    for (const State& state : rank.states) {
      int num_weights = 0;
      for (const auto& [name, values] : state) {
        if (!name.ends_with("BF16")) continue;
        ++num_weights;
        const auto& masters = state.at(name.substr(0, name.size() - 4) + "F32");
        ASSERT_EQ(masters.size(), values.size()) << name;
        for (size_t i = 0; i < values.size(); ++i)
          ASSERT_EQ(values[i], float{BFloat16(masters[i])}) << name << ", element " << i;
      }
      EXPECT_GT(num_weights, 0);
    }
  }
}

TEST_F(Bf16Step, GoesOnBitEqualFromACheckpointOfF32) {
  for (const Layout& layout :
       {Layout{1, {}}, Layout{4, {"parallel.dp_shard=2", "parallel.zero=3", "parallel.tp=2"}},
        Layout{4, {"parallel.dp_shard=2", "parallel.dp_replicate=2", "parallel.zero=1"}}}) {
    const TemporaryFolder folder;
    const RunConfig config = With(config_, layout.overrides);
    const auto whole =
        Train(config, layout.num_ranks, data_, folder.path(), {.end = 4, .saved = 2});
    for (const StoredTensor& tensor : ReadManifest(folder / CheckpointName(2)).tensors)
      EXPECT_EQ(tensor.dtype, DType::kF32) << tensor.name;
    const auto resumed =
        Train(config, layout.num_ranks, data_, folder.path(), {.first = 2, .end = 4});
    for (size_t rank = 0; rank < whole.size(); ++rank) {
      const Trained& a = whole[rank];
      const Trained rest = {.losses = {a.losses.begin() + 2, a.losses.end()},
                            .norms = {a.norms.begin() + 2, a.norms.end()},
                            .states = {a.states.begin() + 2, a.states.end()}};
      EXPECT_TRUE(resumed[rank] == rest) << layout.num_ranks << " ranks, rank " << rank;
    }
  }
}

}  // namespace
}  // namespace cadmus
