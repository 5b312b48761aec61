// SPDX-License-Identifier: Apache-2.0
// Engine: executes a list of actions on a stage. It decides nothing: order, overlap and memory
// follow from the list.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "runtime/nn/stage.h"
#include "runtime/parallel/data/gradient_buckets.h"
#include "runtime/schedule/action.h"

namespace cadmus {

class Engine {
 public:
  // Throws kInternal for a list that the verifier refuses. Makes room for the micro-batches that
  // are in flight at the same time. `stage` must outlive the engine.
  Engine(Stage& stage, std::vector<Action> actions, int num_micro_batches);

  struct Step {
    Stream& compute;
    std::span<const MicroBatchInputs> micro_batches;
    ConstTensorView scalars;
    TensorView loss_sum;  // F64[1]; the micro-batches' losses are added
    GradientBuckets& gradients;
    std::function<void()>& optimizer;  // what kOptimizer does
  };
  void Run(const Step& step);

  int num_micro_batches() const { return num_micro_batches_; }

 private:
  void RunForward(const Step& step, int micro_batch);
  void RunBackward(const Step& step, const Action& action);

  Stage& stage_;
  std::vector<Action> actions_;
  int num_micro_batches_;
  std::vector<Stage::Saves> saves_;  // one per micro-batch in flight
  std::vector<int> free_saves_;      // indices into saves_
  std::vector<int> saves_of_micro_batch_;
};

}  // namespace cadmus
