// SPDX-License-Identifier: Apache-2.0
// TrainingJob: one rank's objects of a training run in any layout, built from a validated config on
// any device and communicator: groups, streams, its part of the model, gradients, optimizer,
// schedule, step, evaluation. The same code trains on a cpu and is recorded on the sim device.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "kernels/device/device.h"
#include "models/decoder/model.h"
#include "runtime/data/global_batch.h"
#include "runtime/nn/offload.h"
#include "runtime/parallel/parallel_groups.h"
#include "runtime/parallel/tensor/tensor_parallel.h"
#include "runtime/state/state_entry.h"
#include "runtime/train/evaluator.h"
#include "runtime/train/train_step.h"

namespace cadmus {

class RunConfig;

enum class JobPurpose {
  kTraining,
  kEvaluation,  // weights and evaluator; no gradients, optimizer or step
};

class TrainingJob {
 public:
  // Collective over `world`, whose groups are made before the model takes memory. The weights have
  // their first values afterwards. Throws kConfig as ValidateRun does. Device and world must
  // outlive the job.
  TrainingJob(const RunConfig& config, Device& device, Communicator& world,
              JobPurpose purpose = JobPurpose::kTraining);

  // How this rank reads its part of every global batch.
  const LoaderOptions& loader_options() const { return loader_options_; }
  // "pp 2, dp_replicate 4, …"
  const std::string& layout() const { return layout_; }
  const ParallelGroups& groups() const { return *groups_; }
  DecoderModel& model() { return *model_; }
  DataParallel& data_parallel() { return *data_parallel_; }
  TrainStep& step() { return *step_; }
  // Null in training where train.eval_interval_steps is 0.
  Evaluator* evaluator() { return evaluator_.get(); }
  Stream& compute() { return *compute_; }

  // Weights and, in training, optimizer state; ranks that hold the same share the writing evenly.
  std::vector<StateEntry> StateEntries() const;

 private:
  void MakeModel(const RunConfig& config, const DecoderShape& shape, const Schedule& schedule);
  void MakeState(const RunConfig& config, JobPurpose purpose);
  std::unique_ptr<Engine> MakeEngine(const RunConfig& config, Schedule schedule);
  void MakeStep(const RunConfig& config, const DecoderShape& shape, const Schedule& schedule);
  void MakeEvaluator(const RunConfig& config, const Schedule& schedule);

  std::string layout_;
  std::unique_ptr<ParallelGroups> groups_;
  TensorParallel tensor_parallel_;
  std::unique_ptr<Stream> compute_;
  std::unique_ptr<Stream> communication_;
  std::unique_ptr<Stream> offload_stream_;
  std::unique_ptr<ActivationOffload> offload_;  // null: what is saved stays on the device
  LoaderOptions loader_options_;
  std::unique_ptr<DecoderModel> model_;
  std::unique_ptr<DataParallel> data_parallel_;
  std::unique_ptr<AdamWOptimizer> optimizer_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<TrainStep> step_;
  std::unique_ptr<Engine> evaluation_engine_;
  std::unique_ptr<Evaluator> evaluator_;
};

}  // namespace cadmus
