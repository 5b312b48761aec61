// SPDX-License-Identifier: Apache-2.0
// TrainStep: one step of training, from a batch on the host to updated weights and the numbers that
// people read.
//
//   upload → the schedule: forward and backward of each micro-batch, gradients reduced beside it →
//   loss and norm over all ranks → clip → AdamW → weights gathered
//
// From its second run on, a step asks the driver for no memory, opens no file, and uses the same
// addresses every time.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>

#include "collectives/communicator/communicator.h"
#include "kernels/device/host_value.h"
#include "runtime/optim/adamw.h"
#include "runtime/optim/learning_rate.h"
#include "runtime/parallel/data/data_parallel.h"
#include "runtime/parallel/parallel_groups.h"
#include "runtime/schedule/engine.h"
#include "runtime/train/step_inputs.h"

namespace cadmus {

struct TrainStepOptions {
  StepInputs::Size size;
  LearningRateSchedule learning_rate;
  double clip_norm = 1.0;    // 0: no clipping
  uint64_t seed = 0;         // of dropout
  double expected_loss = 0;  // what the sim device reports
  int num_norm_slots = 1;    // of all parameters of the model (Parameter::norm_slot)
};

// What a rank's steps work with. All must outlive the step.
struct TrainStepParts {
  Engine& engine;
  DataParallel& data_parallel;
  AdamWOptimizer& optimizer;
  const ParallelGroups& groups;
  Stream& compute;
  Stream& communication;
};

enum class StopRequest { kNo, kYes };

struct StepResult {
  double loss = 0;           // mean over the supervised tokens of the global batch
  double gradient_norm = 0;  // of the global batch, before clipping
  double learning_rate = 0;
  StopRequest stop =
      StopRequest::kNo;  // some rank has asked to stop; the same answer on every rank
};

class TrainStep {
 public:
  TrainStep(const TrainStepParts& parts, const TrainStepOptions& options);
  TrainStep(const TrainStep&) = delete;
  TrainStep& operator=(const TrainStep&) = delete;

  // Trains on this rank's part of a global batch. Collective over the world; all ranks get the same
  // result. Throws kNumerics if the loss or the gradient norm is not finite.
  StepResult Run(const StepBatch& batch, StopRequest stop);

 private:
  void Optimize();
  void ReduceTotals();
  void ReduceNorm();
  // Starts to sum `buffer` over the groups, behind the computation issued so far; `over` marks the
  // end (never marked, so reached, where every group is one rank).
  void StartSum(std::initializer_list<Communicator*> groups, const TensorView& buffer,
                const char* site, Event& ready, Event& over);
  void CheckAddresses();

  TrainStepParts parts_;
  TrainStepOptions options_;
  StepInputs inputs_;
  std::function<void()> optimize_;
  Tensor totals_;         // F64[2]: sum of losses, number of ranks that ask to stop
  Tensor squared_norms_;  // F64[num_norm_slots]: of each parameter's gradient
  Tensor squared_norm_, norm_, norm_workspace_;  // F64[1]
  double host_totals_[2] = {};
  std::unique_ptr<Event> totals_ready_, totals_reduced_, norms_ready_, norms_reduced_;
  HostValue loss_sum_, stop_count_, gradient_norm_;
  int64_t num_runs_ = 0;
  uint64_t address_hash_ = 0;
};

}  // namespace cadmus
