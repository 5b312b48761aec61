// SPDX-License-Identifier: Apache-2.0
// TrainingJob: one rank's objects of a training run, built from a validated config on any device
// and communicator: groups, streams, model, gradients, optimizer, step. The same code trains on a
// cpu and is recorded on the sim device.
#pragma once

#include <memory>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "kernels/device/device.h"
#include "models/llama/model.h"
#include "runtime/data/global_batch.h"
#include "runtime/nn/parameter_store.h"
#include "runtime/state/state_entry.h"
#include "runtime/train/train_step.h"

namespace cadmus {

class RunConfig;

class TrainingJob {
 public:
  // Collective over `world`, whose groups are made before the model takes memory. The weights have
  // their first values afterwards. Throws kConfig as ValidateRun does. Device and world must
  // outlive the job.
  TrainingJob(const RunConfig& config, Device& device, Communicator& world);

  // How this rank reads its part of every global batch.
  const LoaderOptions& loader_options() const { return loader_options_; }
  LlamaModel& model() { return *model_; }
  const std::vector<Parameter*>& parameters() const { return store_->parameters(); }
  TrainStep& step() { return *step_; }
  Stream& compute() { return *compute_; }

  // Weights and optimizer state; the replicas share the writing evenly.
  std::vector<StateEntry> StateEntries() const;

 private:
  std::unique_ptr<Communicator> data_parallel_;
  std::unique_ptr<Stream> compute_;
  std::unique_ptr<Stream> communication_;
  LoaderOptions loader_options_;
  std::unique_ptr<LlamaModel> model_;
  std::unique_ptr<ParameterStore> store_;
  std::unique_ptr<GradientBuckets> gradients_;
  std::unique_ptr<AdamWOptimizer> optimizer_;
  std::unique_ptr<TrainStep> step_;
};

}  // namespace cadmus
