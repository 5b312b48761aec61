// SPDX-License-Identifier: Apache-2.0
#include "launch/run/training_job.h"

#include <cmath>

#include "kernels/ops/check.h"
#include "launch/config/make_precision.h"
#include "launch/config/run_config.pb.h"
#include "launch/config/validate_run.h"
#include "models/decoder/placement.h"
#include "models/families.h"
#include "runtime/mesh/make_mesh.h"
#include "runtime/parallel/pipeline/stage_layout.h"
#include "runtime/schedule/complete_schedule.h"
#include "runtime/schedule/configured_schedule.h"
#include "runtime/schedule/parameter_fetches.h"

namespace cadmus {
namespace {

LoaderOptions MakeLoaderOptions(const RunConfig& config, const ParallelGroups& groups,
                                const DecoderShape& shape) {
  return {.seed = config.train().seed(),
          .sequence_length = config.data().sequence_length(),
          .global_batch_size = config.train().global_batch_size(),
          .micro_batch_size = config.train().micro_batch_size(),
          .dp_index = groups.dp_index,
          .dp_count = groups.dp_count,
          .vocab_size = shape.vocab_size,
          .mask_across_documents = config.data().mask_across_documents()};
}

TrainStepOptions MakeStepOptions(const RunConfig& config, const LoaderOptions& loader,
                                 const DecoderShape& shape, int num_micro_batches) {
  return {.size = {.num_micro_batches = num_micro_batches,
                   .micro_batch_size = loader.micro_batch_size,
                   .sequence_length = loader.sequence_length,
                   .mask_across_documents = loader.mask_across_documents},
          .learning_rate = MakeLearningRateSchedule(config.optimizer(), config.train().steps()),
          .clip_norm = config.optimizer().clip_norm(),
          .seed = config.train().seed(),
          .expected_loss = std::log(static_cast<double>(loader.vocab_size)) *
                           static_cast<double>(loader.global_batch_size * loader.sequence_length),
          .num_norm_slots = DecoderModel::NumNormSlots(shape)};
}

Recompute RecomputeOf(const TrainConfig& config) {
  switch (config.recompute()) {
    case TrainConfig::NONE:
      return Recompute::kNone;
    case TrainConfig::SELECTIVE:
      return Recompute::kSelective;
    case TrainConfig::FULL:
      return Recompute::kFull;
  }
  CADMUS_UNREACHABLE("a value of TrainConfig::Recompute");
}

// Who holds the first and the last stage, where a tied table makes them add up its gradients.
ParallelGroups::Needs NeedsOf(const DecoderShape& shape, int tp, const Schedule& schedule) {
  ParallelGroups::Needs needs = {.num_kv_replicas = NumKvReplicas(shape, tp)};
  const std::vector<StagePlace> places = PlacesOfStages(schedule);
  if (shape.tied_embeddings && places.front().rank != places.back().rank) {
    needs.first_table_holder = places.front().rank;
    needs.last_table_holder = places.back().rank;
  }
  return needs;
}

}  // namespace

TrainingJob::TrainingJob(const RunConfig& config, Device& device, Communicator& world,
                         JobPurpose purpose) {
  ValidateRun(config, world.size());
  const Mesh mesh = MakeMesh(config.parallel(), world.size());
  layout_ = ToString(mesh.sizes());
  const DecoderShape shape = MakeShape(config.model());
  const auto num_micro_batches =
      static_cast<int>(config.train().global_batch_size() /
                       (config.train().micro_batch_size() * mesh.Size(kDpAxes)));
  const Schedule schedule =
      MakeSchedule(config.parallel(), mesh.Size(Axis::kPp), num_micro_batches);
  groups_ =
      std::make_unique<ParallelGroups>(mesh, world, NeedsOf(shape, mesh.Size(Axis::kTp), schedule));
  tensor_parallel_ = TensorParallel(*groups_->tp, groups_->kv_replicas.get(),
                                    {.sequence_parallel = config.parallel().sequence_parallel(),
                                     .token_parts = config.parallel().token_parts()});

  compute_ = device.NewStream(StreamKind::kCompute, "compute");
  communication_ = device.NewStream(StreamKind::kCommunication, "communication");
  loader_options_ = MakeLoaderOptions(config, *groups_, shape);
  MakeModel(config, shape, schedule);
  MakeState(config, purpose);
  const bool trains = purpose == JobPurpose::kTraining;
  if (trains) MakeStep(config, shape, schedule);
  if (!trains || config.train().eval_interval_steps() > 0) MakeEvaluator(config, schedule);
}

void TrainingJob::MakeModel(const RunConfig& config, const DecoderShape& shape,
                            const Schedule& schedule) {
  if (config.train().offload_activations()) {
    offload_stream_ = compute_->device().NewStream(StreamKind::kCommunication, "offload");
    offload_ = std::make_unique<ActivationOffload>(*offload_stream_);
  }
  DecoderPart part = {.sequence_length = config.data().sequence_length(),
                      .tensor_parallel = &tensor_parallel_,
                      .table_holders = groups_->table_holders.get(),
                      .recompute = RecomputeOf(config.train()),
                      .recompute_blocks = config.train().recompute_blocks(),
                      .offload = offload_.get()};
  const std::vector<StageRange> layout =
      MakeStageLayout(shape.num_layers, schedule.size.num_stages(),
                      {config.parallel().blocks_per_stage().data(),
                       static_cast<size_t>(config.parallel().blocks_per_stage_size())});
  for (int stage : schedule.stage_of[static_cast<size_t>(groups_->pp->rank())])
    part.chunks.push_back(layout[static_cast<size_t>(stage)]);
  model_ =
      std::make_unique<DecoderModel>(shape, MakePrecision(config.precision()), part, *compute_);
}

// Weights with their first values, gradients and optimizer state.
void TrainingJob::MakeState(const RunConfig& config, JobPurpose purpose) {
  const bool trains = purpose == JobPurpose::kTraining;
  std::vector<std::vector<Parameter*>> parameters;
  for (int i = 0; i < model_->num_chunks(); ++i)
    parameters.push_back(model_->chunk(i).Parameters());
  const Precision precision = MakePrecision(config.precision());
  data_parallel_ = std::make_unique<DataParallel>(
      parameters, precision,
      DataParallelGroups{.shard = *groups_->dp_shard, .replicate = *groups_->dp_replicate},
      *compute_, *communication_,
      DataParallelOptions{
          .zero = config.parallel().zero(),
          .bucket_bytes = static_cast<int64_t>(config.train().bucket_mib() * (1 << 20)),
          .overlap = config.train().overlap_reduction() ? Overlap::kOn : Overlap::kOff,
          .gradients = trains ? KeepGradients::kYes : KeepGradients::kNo});
  data_parallel_->Initialize(config.train().seed());
  if (!trains) return;
  optimizer_ = std::make_unique<AdamWOptimizer>(
      data_parallel_->shards(), MakeAdamWOptions(config.optimizer()), precision, *compute_);
  optimizer_->Initialize(config.train().seed(), *compute_);
}

std::unique_ptr<Engine> TrainingJob::MakeEngine(const RunConfig& config, Schedule schedule) {
  std::vector<Stage*> chunks;
  std::vector<int> num_modules;
  for (int i = 0; i < model_->num_chunks(); ++i) {
    chunks.push_back(&model_->chunk(i));
    num_modules.push_back(chunks.back()->num_modules());
  }
  if (config.parallel().zero() == 3 && groups_->dp_shard->size() > 1) {
    std::vector<Action>& actions = schedule.actions[static_cast<size_t>(groups_->pp->rank())];
    actions = WithParameterFetches(actions, num_modules, config.parallel().prefetch());
  }
  const TokenRange rows = tensor_parallel_.OuterTokens(loader_options_.micro_batch_size *
                                                       loader_options_.sequence_length);
  return std::make_unique<Engine>(
      Engine::Parts{.chunks = chunks,
                    .data_parallel = *data_parallel_,
                    .pipeline = {*groups_->pp, *groups_->pp_gradients},
                    .compute = *compute_,
                    .activation = {rows.size(), MakeShape(config.model()).hidden_size},
                    .dtype = MakePrecision(config.precision()).compute},
      schedule);
}

void TrainingJob::MakeStep(const RunConfig& config, const DecoderShape& shape,
                           const Schedule& schedule) {
  engine_ = MakeEngine(config, schedule);
  step_ = std::make_unique<TrainStep>(
      TrainStepParts{.engine = *engine_,
                     .data_parallel = *data_parallel_,
                     .optimizer = *optimizer_,
                     .groups = *groups_,
                     .compute = *compute_,
                     .communication = *communication_},
      MakeStepOptions(config, loader_options_, shape, schedule.size.num_micro_batches));
}

void TrainingJob::MakeEvaluator(const RunConfig& config, const Schedule& schedule) {
  evaluation_engine_ = MakeEngine(config, EvaluationOf(schedule));
  const bool has_last_stage = PlacesOfStages(schedule).back().rank == groups_->pp->rank();
  evaluator_ = std::make_unique<Evaluator>(
      Evaluator::Parts{.engine = *evaluation_engine_,
                       .groups = *groups_,
                       .compute = *compute_,
                       .communication = *communication_},
      Evaluator::Options{.batches = loader_options_,
                         .last_stage = has_last_stage ? Evaluator::LastStage::kHere
                                                      : Evaluator::LastStage::kElsewhere,
                         .loss_dtype = StatisticsDType(MakePrecision(config.precision()).compute)});
}

std::vector<StateEntry> TrainingJob::StateEntries() const {
  std::vector<StateEntry> entries = data_parallel_->StateEntries();
  if (optimizer_ != nullptr) {
    std::vector<StateEntry> of_optimizer = optimizer_->StateEntries();
    entries.insert(entries.end(), of_optimizer.begin(), of_optimizer.end());
  }
  data_parallel_->ShareWriting(entries);
  return entries;
}

}  // namespace cadmus
