// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/engine.h"

#include "runtime/schedule/verifier.h"

namespace cadmus {

Engine::Engine(Stage& stage, std::vector<Action> actions, int num_micro_batches)
    : stage_(stage),
      actions_(std::move(actions)),
      num_micro_batches_(num_micro_batches),
      saves_of_micro_batch_(static_cast<size_t>(num_micro_batches), -1) {
  const auto problems =
      FindProblems(actions_, {.num_chunks = 1, .num_micro_batches = num_micro_batches});
  CADMUS_CHECK(problems.empty(), StrCat("invalid schedule: ", problems.front()));
  const int in_flight = MaxInFlight(actions_, 0);
  for (int i = 0; i < in_flight; ++i) {
    saves_.push_back(stage_.NewSaves());
    free_saves_.push_back(i);
  }
}

void Engine::Run(const Step& step) {
  CADMUS_CHECK(
      static_cast<int>(step.micro_batches.size()) == num_micro_batches_,
      StrCat(step.micro_batches.size(), " micro-batches for a schedule of ", num_micro_batches_));
  step.gradients.BeginStep(num_micro_batches_);
  for (const Action& action : actions_) {
    switch (action.kind) {
      case ActionKind::kForward:
        RunForward(step, action.micro_batch);
        break;
      case ActionKind::kBackward:
      case ActionKind::kBackwardInput:
      case ActionKind::kBackwardWeight:
        RunBackward(step, action);
        break;
      case ActionKind::kReduceGradients:
        step.gradients.FinishReduction();
        break;
      case ActionKind::kOptimizer:
        step.optimizer();
        break;
      default:
        CADMUS_UNREACHABLE(StrCat("the verifier let ", ToString(action), " pass"));
    }
  }
}

void Engine::RunForward(const Step& step, int micro_batch) {
  const int slot = free_saves_.back();
  free_saves_.pop_back();
  saves_of_micro_batch_[static_cast<size_t>(micro_batch)] = slot;
  ForwardContext context = {.stream = step.compute,
                            .mode = Mode::kTraining,
                            .inputs = step.micro_batches[static_cast<size_t>(micro_batch)],
                            .scalars = step.scalars,
                            .loss_sum = step.loss_sum};
  stage_.Forward(context, saves_[static_cast<size_t>(slot)], Tensor());
}

void Engine::RunBackward(const Step& step, const Action& action) {
  const auto micro_batch = static_cast<size_t>(action.micro_batch);
  const int slot = saves_of_micro_batch_[micro_batch];
  Stage::Saves& saves = saves_[static_cast<size_t>(slot)];
  BackwardContext context = {.stream = step.compute,
                             .inputs = step.micro_batches[micro_batch],
                             .scalars = step.scalars,
                             .gradients = step.gradients};
  if (action.kind == ActionKind::kBackward) stage_.Backward(context, saves, Tensor());
  if (action.kind == ActionKind::kBackwardInput) stage_.BackwardInput(context, saves, Tensor());
  if (action.kind == ActionKind::kBackwardWeight) stage_.BackwardWeight(context, saves);
  if (action.kind != ActionKind::kBackwardInput) free_saves_.push_back(slot);
}

}  // namespace cadmus
