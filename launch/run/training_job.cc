// SPDX-License-Identifier: Apache-2.0
#include "launch/run/training_job.h"

#include <cmath>

#include "launch/config/run_config.pb.h"
#include "launch/config/validate_run.h"
#include "runtime/mesh/balanced_owners.h"
#include "runtime/mesh/make_mesh.h"

namespace cadmus {
namespace {

Precision MakePrecision(const PrecisionConfig& config) {
  return Precision::All(config.storage() == PrecisionConfig::F64 ? DType::kF64 : DType::kF32);
}

TrainStepOptions MakeStepOptions(const RunConfig& config, const LoaderOptions& loader) {
  const int64_t rows_per_rank = loader.global_batch_size / loader.dp_count;
  return {.size = {.num_micro_batches = static_cast<int>(rows_per_rank / loader.micro_batch_size),
                   .micro_batch_size = loader.micro_batch_size,
                   .sequence_length = loader.sequence_length},
          .learning_rate = {.maximum = config.optimizer().lr(),
                            .minimum = config.optimizer().min_lr(),
                            .warmup_steps = config.optimizer().warmup_steps(),
                            .total_steps = config.train().steps()},
          .clip_norm = config.optimizer().clip_norm(),
          .seed = config.train().seed(),
          .expected_loss = std::log(static_cast<double>(loader.vocab_size)) *
                           static_cast<double>(loader.global_batch_size * loader.sequence_length)};
}

}  // namespace

TrainingJob::TrainingJob(const RunConfig& config, Device& device, Communicator& world) {
  ValidateRun(config, world.size());
  const Mesh mesh = MakeMesh(config.parallel(), world.size());
  const MeshGroup replicas = mesh.GroupOf(world.rank(), Axis::kDpReplicate);
  data_parallel_ = world.MakeGroup(replicas.ranks, replicas.name);

  compute_ = device.NewStream(StreamKind::kCompute, "compute");
  communication_ = device.NewStream(StreamKind::kCommunication, "communication");
  const Precision precision = MakePrecision(config.precision());
  const LlamaShape shape = MakeLlamaShape(config.model().llama());
  loader_options_ = {.seed = config.train().seed(),
                     .sequence_length = config.data().sequence_length(),
                     .global_batch_size = config.train().global_batch_size(),
                     .micro_batch_size = config.train().micro_batch_size(),
                     .dp_index = replicas.index,
                     .dp_count = replicas.size(),
                     .vocab_size = shape.vocab_size,
                     .mask_across_documents = config.data().mask_across_documents()};

  model_ = std::make_unique<LlamaModel>(shape, precision, *compute_);
  store_ = std::make_unique<ParameterStore>(model_->stage().Parameters(), precision, *compute_);
  store_->Initialize(config.train().seed(), *compute_);
  gradients_ = std::make_unique<GradientBuckets>(
      store_->parameters(), precision, *data_parallel_, *compute_, *communication_,
      GradientBucketsOptions{
          .bucket_bytes = static_cast<int64_t>(config.train().bucket_mib() * (1 << 20)),
          .overlap = config.train().overlap_reduction() ? Overlap::kOn : Overlap::kOff});
  optimizer_ = std::make_unique<AdamWOptimizer>(
      store_->parameters(), MakeAdamWOptions(config.optimizer()), precision, *compute_);
  step_ = std::make_unique<TrainStep>(TrainStepParts{.stage = model_->stage(),
                                                     .gradients = *gradients_,
                                                     .optimizer = *optimizer_,
                                                     .data_parallel = *data_parallel_,
                                                     .compute = *compute_,
                                                     .communication = *communication_},
                                      MakeStepOptions(config, loader_options_));
}

std::vector<StateEntry> TrainingJob::StateEntries() const {
  std::vector<StateEntry> entries = store_->StateEntries();
  std::vector<StateEntry> moments = optimizer_->StateEntries();
  entries.insert(entries.end(), moments.begin(), moments.end());
  std::vector<int64_t> bytes;
  for (const StateEntry& entry : entries) bytes.push_back(entry.local.num_bytes());
  const std::vector<int> owners = BalancedOwners(bytes, data_parallel_->size());
  for (size_t i = 0; i < entries.size(); ++i)
    entries[i].is_writer = owners[i] == data_parallel_->rank();
  return entries;
}

}  // namespace cadmus
