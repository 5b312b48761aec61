// SPDX-License-Identifier: Apache-2.0
// Evaluator: the loss of held-out tokens, by the forward pass of training without dropout, in any
// layout; it changes no weight, and leaves the memory of a step as it was.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "runtime/data/global_batch.h"
#include "runtime/data/validation_windows.h"
#include "runtime/metrics/evaluation_metrics.h"
#include "runtime/parallel/parallel_groups.h"
#include "runtime/schedule/engine.h"
#include "runtime/train/step_inputs.h"

namespace cadmus {

class Evaluator {
 public:
  // All must outlive the evaluator.
  struct Parts {
    Engine& engine;  // of a schedule whose purpose is kEvaluation
    const ParallelGroups& groups;
    Stream& compute;
    Stream& communication;
  };
  enum class LastStage { kElsewhere, kHere };
  struct Options {
    LoaderOptions batches;  // how many windows the ranks take at a time, and which are this rank's
    LastStage last_stage = LastStage::kHere;
    DType loss_dtype = DType::kF32;
  };

  // Takes the memory for a batch's inputs and losses.
  Evaluator(const Parts& parts, const Options& options);

  // Collective over the world; all ranks get the same result. It does not depend on the layout or
  // the size of batches, but for the rounding of sums. `bytes_of_token`: how many bytes of text
  // each token of the vocabulary stands for; empty: not known. Throws kData as ValidationWindows
  // does, and where no token of the windows is supervised.
  EvaluationMetrics Run(const ValidationWindows& windows, std::span<const int32_t> bytes_of_token);

  // One batch of it, also for planning, which has no windows: fills losses().
  void RunBatch(const StepBatch& batch);

 private:
  void FillBatch(const ValidationWindows& windows, int64_t batch);
  void AddLosses(const ValidationWindows& windows, int64_t batch,
                 std::span<const int32_t> bytes_of_token);
  // Over all ranks, a piece at a time.
  void SumOverRanks();
  int64_t FirstWindow(int64_t batch, size_t micro_batch) const;

  Parts parts_;
  Options options_;
  StepInputs inputs_;
  StepBatch batch_;
  Tensor losses_NT_;  // on the last stage: micro-batches × tokens
  std::vector<double> host_losses_NT_;
  std::vector<std::byte> copied_losses_;  // as they come from the device
  Tensor piece_;                          // F64
  std::unique_ptr<Event> ready_, reduced_;
  std::vector<int64_t> documents_S_;
  std::vector<double> sums_;  // of each document: loss, tokens, bytes
};

}  // namespace cadmus
