// SPDX-License-Identifier: Apache-2.0
// Any valid order of the actions computes the same gradients, bit for bit: on a whole model with
// dropout, packed documents and several micro-batches.
#include "runtime/schedule/engine.h"
#include "launch/config/run_config.pb.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "collectives/local/local_world.h"
#include "kernels/base/error.h"
#include "models/decoder/model.h"
#include "models/llama/shape.h"
#include "runtime/data/global_batch.h"
#include "runtime/parallel/data/data_parallel.h"
#include "runtime/schedule/parameter_fetches.h"
#include "runtime/schedule/schedules.h"
#include "runtime/train/step_inputs.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

constexpr int kMicroBatches = 3;

struct StepOutcome {
  std::vector<double> loss;
  std::map<std::string, std::vector<double>> gradients;
  int num_optimizer_calls = 0;
  bool operator==(const StepOutcome&) const = default;
};

// One rank with the whole model in one chunk.
Schedule Alone(std::vector<Action> actions) {
  actions.push_back({.kind = ActionKind::kReduceGradients});
  actions.push_back({.kind = ActionKind::kTieReduce});
  actions.push_back({.kind = ActionKind::kOptimizer});
  return {.size = {.num_micro_batches = kMicroBatches}, .stage_of = {{0}}, .actions = {actions}};
}

Schedule OneByOne() {
  return MakeSchedule(ScheduleKind::kOneForwardOneBackward, {.num_micro_batches = kMicroBatches});
}

StepOutcome RunSchedule(const Schedule& schedule, bool tied) {
  const TemporaryFolder folder;
  RunConfig config = TinyRun();
  config.mutable_model()->mutable_llama()->set_tie_word_embeddings(tied);
  const DecoderShape shape = MakeShape(config.model().llama());
  const auto device = OpenTestDevice(MakeThreadPool(2));
  LocalWorld world(1);
  const auto alone = world.bootstrap(0).Connect(*device);
  const auto compute = device->NewStream(StreamKind::kCompute, "compute");
  const auto communication = device->NewStream(StreamKind::kCommunication, "communication");
  const Precision precision = Precision::All(DType::kF64);

  DecoderModel model(shape, precision, *compute);
  DataParallel data_parallel({model.stage().Parameters()}, precision, {*alone, *alone}, *compute,
                             *communication, {});
  data_parallel.Initialize(3);
  const GlobalBatch batches(UnevenDocuments(folder.path(), shape.vocab_size),
                            {.seed = 3,
                             .sequence_length = 24,
                             .global_batch_size = 2 * kMicroBatches,
                             .micro_batch_size = 2,
                             .dp_index = 0,
                             .dp_count = 1,
                             .vocab_size = shape.vocab_size});
  StepBatch batch = batches.Allocate();
  batches.Fill(0, batch);
  StepInputs inputs(
      {.num_micro_batches = kMicroBatches, .micro_batch_size = 2, .sequence_length = 24}, *compute);
  inputs.Upload(
      batch,
      {.loss_scale = 1.0 / static_cast<double>(batch.supervised_tokens), .seed = 3, .step = 1},
      *compute);
  const Tensor loss(DType::kF64, {1}, MemoryCategory::kWorkspace, *compute);

  StepOutcome outcome;
  std::function<void()> optimizer = [&] { ++outcome.num_optimizer_calls; };
  Engine engine({.chunks = {&model.stage()},
                 .data_parallel = data_parallel,
                 .pipeline = {*alone, *alone},
                 .compute = *compute},
                schedule);
  for (int repeat = 0; repeat < 2; ++repeat) {  // saved state is given back
    device->FillZero(loss, *compute);
    engine.Run({.micro_batches = inputs.micro_batches(),
                .scalars = inputs.scalars(),
                .loss_sum = loss,
                .optimizer = &optimizer});
  }
  outcome.loss = ReadTensor(loss, *compute);
  for (const ParameterShard& shard : data_parallel.shards())
    outcome.gradients[shard.parameter->name] = ReadTensor(shard.grad_N, *compute);
  return outcome;
}

// Each forward with its input-backward, then all weight-backwards.
Schedule SplitSchedule() {
  std::vector<Action> actions;
  for (int i = 0; i < kMicroBatches; ++i) {
    actions.push_back({.kind = ActionKind::kForward, .micro_batch = i});
    actions.push_back({.kind = ActionKind::kBackwardInput, .micro_batch = i});
  }
  for (int i = 0; i < kMicroBatches; ++i)
    actions.push_back({.kind = ActionKind::kBackwardWeight, .micro_batch = i});
  return Alone(actions);
}

TEST(Engine, BackwardInTwoHalvesEqualsTheWholeBitForBit) {
  for (const bool tied : {false, true}) {
    const StepOutcome whole = RunSchedule(OneByOne(), tied);
    EXPECT_GT(GlobalNorm(whole.gradients), 0);
    EXPECT_EQ(whole.num_optimizer_calls, 2);
    EXPECT_TRUE(RunSchedule(SplitSchedule(), tied) == whole) << "tied " << tied;
  }
}

TEST(Engine, MicroBatchesInFlightChangeNoBit) {
  const Schedule all_forwards_first =
      MakeSchedule(ScheduleKind::kGPipe, {.num_micro_batches = kMicroBatches});
  EXPECT_TRUE(RunSchedule(all_forwards_first, false) == RunSchedule(OneByOne(), false));
}

TEST(Engine, PassesModuleByModuleChangeNoBit) {
  Schedule schedule = OneByOne();
  const std::vector<int> num_modules = {4};  // embedding, two blocks, head
  schedule.actions[0] = WithParameterFetches(schedule.actions[0], num_modules, /*prefetch=*/1);
  EXPECT_TRUE(RunSchedule(schedule, true) == RunSchedule(OneByOne(), true));
}

TEST(Engine, RefusesAListThatIsNoStep) {
  Schedule schedule = OneByOne();
  schedule.actions[0].pop_back();
  EXPECT_THROW(RunSchedule(schedule, false), Error);
}

}  // namespace
}  // namespace cadmus
