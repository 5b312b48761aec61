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
#include "models/llama/model.h"
#include "runtime/data/global_batch.h"
#include "runtime/nn/parameter_store.h"
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

StepOutcome RunSchedule(const std::vector<Action>& actions, bool tied) {
  const TemporaryFolder folder;
  RunConfig config = TinyRun();
  config.mutable_model()->mutable_llama()->set_tie_word_embeddings(tied);
  const LlamaShape shape = MakeLlamaShape(config.model().llama());
  const auto device = OpenTestDevice(MakeThreadPool(2));
  LocalWorld world(1);
  const auto alone = world.bootstrap(0).Connect(*device);
  const auto compute = device->NewStream(StreamKind::kCompute, "compute");
  const auto communication = device->NewStream(StreamKind::kCommunication, "communication");
  const Precision precision = Precision::All(DType::kF64);

  LlamaModel model(shape, precision, *compute);
  ParameterStore store(model.stage().Parameters(), precision, *compute);
  store.Initialize(3, *compute);
  GradientBuckets gradients(store.parameters(), precision, *alone, *compute, *communication, {});
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
  device->FillZero(loss, *compute);

  StepOutcome outcome;
  std::function<void()> optimizer = [&] { ++outcome.num_optimizer_calls; };
  Engine engine(model.stage(), actions, kMicroBatches);
  for (int repeat = 0; repeat < 2; ++repeat) {  // saved state is given back
    device->FillZero(loss, *compute);
    engine.Run({.compute = *compute,
                .micro_batches = inputs.micro_batches(),
                .scalars = inputs.scalars(),
                .loss_sum = loss,
                .gradients = gradients,
                .optimizer = optimizer});
  }
  outcome.loss = ReadTensor(loss, *compute);
  for (const Parameter* parameter : store.parameters())
    outcome.gradients[parameter->name] = ReadTensor(parameter->grad, *compute);
  return outcome;
}

// Each forward with its input-backward, then all weight-backwards.
std::vector<Action> SplitSchedule() {
  std::vector<Action> actions;
  std::vector<int> inputs, weights;
  for (int i = 0; i < kMicroBatches; ++i) {
    actions.push_back({.kind = ActionKind::kForward, .micro_batch = i});
    inputs.push_back(static_cast<int>(actions.size()));
    actions.push_back(
        {.kind = ActionKind::kBackwardInput, .micro_batch = i, .depends_on = {inputs.back() - 1}});
  }
  for (int i = 0; i < kMicroBatches; ++i) {
    weights.push_back(static_cast<int>(actions.size()));
    actions.push_back({.kind = ActionKind::kBackwardWeight,
                       .micro_batch = i,
                       .depends_on = {inputs[static_cast<size_t>(i)]}});
  }
  actions.push_back({.kind = ActionKind::kReduceGradients, .depends_on = weights});
  actions.push_back(
      {.kind = ActionKind::kOptimizer, .depends_on = {static_cast<int>(actions.size()) - 1}});
  return actions;
}

// All forwards, then all backwards in the order of the micro-batches.
std::vector<Action> AllForwardsFirst() {
  std::vector<Action> actions;
  std::vector<int> backwards;
  for (int i = 0; i < kMicroBatches; ++i)
    actions.push_back({.kind = ActionKind::kForward, .micro_batch = i});
  for (int i = 0; i < kMicroBatches; ++i) {
    backwards.push_back(static_cast<int>(actions.size()));
    actions.push_back({.kind = ActionKind::kBackward, .micro_batch = i, .depends_on = {i}});
  }
  actions.push_back({.kind = ActionKind::kReduceGradients, .depends_on = backwards});
  actions.push_back(
      {.kind = ActionKind::kOptimizer, .depends_on = {static_cast<int>(actions.size()) - 1}});
  return actions;
}

TEST(Engine, BackwardInTwoHalvesEqualsTheWholeBitForBit) {
  for (const bool tied : {false, true}) {
    const StepOutcome whole = RunSchedule(SingleStageSchedule(kMicroBatches), tied);
    EXPECT_GT(GlobalNorm(whole.gradients), 0);
    EXPECT_EQ(whole.num_optimizer_calls, 2);
    EXPECT_TRUE(RunSchedule(SplitSchedule(), tied) == whole) << "tied " << tied;
  }
}

TEST(Engine, MicroBatchesInFlightChangeNoBit) {
  EXPECT_TRUE(RunSchedule(AllForwardsFirst(), false) ==
              RunSchedule(SingleStageSchedule(kMicroBatches), false));
}

TEST(Engine, RefusesAListThatIsNoStep) {
  Stage stage({});
  std::vector<Action> actions = SingleStageSchedule(2);
  actions.pop_back();
  EXPECT_THROW(Engine(stage, actions, 2), Error);
  EXPECT_THROW(Engine(stage, SingleStageSchedule(2), 3), Error);
}

}  // namespace
}  // namespace cadmus
