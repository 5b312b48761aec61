// SPDX-License-Identifier: Apache-2.0
#include "launch/plan/run_plan.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/error.h"
#include "launch/config/global_batch.h"
#include "launch/config/make_device_options.h"
#include "launch/config/run_config.pb.h"
#include "launch/config/validate_run.h"
#include "launch/plan/schedule_text.h"
#include "models/families.h"
#include "runtime/data/data_sidecar.h"
#include "runtime/mesh/make_mesh.h"
#include "runtime/schedule/configured_schedule.h"

namespace cadmus {
namespace {

// The config as a run would have it once its data set is open.
RunConfig WithVocabulary(RunConfig config) {
  ModelConfig& model = *config.mutable_model();
  if (VocabSize(model).has_value()) return config;
  // Where there are several sources, a run holds them all to one tokenizer.
  const DataConfig& data = config.data();
  if (data.has_path() || data.source_size() > 0) {
    if (const auto sidecar = ReadSidecar(data.has_path() ? data.path() : data.source(0).path())) {
      SetVocabSize(model, sidecar->vocab_size);
      return config;
    }
  }
  throw Error(Kind::kConfig,
              StrCat(FieldName(model, "vocab_size"),
                     " is not set, and no data set says it; set it (a plan needs no data), or name "
                     "a built data set with data.path"));
}

// A plan opens no data set, but the rules of a run ask for its name.
RunConfig WithoutData(RunConfig config) {
  if (config.data().path().empty()) config.mutable_data()->set_path("none");
  return config;
}

}  // namespace

int64_t RunPlan::largest_memory_bytes() const {
  int64_t largest = 0;
  for (const PipelineRankPlan& rank : pipeline_ranks) {
    largest = std::max(largest, rank.record.memory.high_water_bytes);
  }
  return largest;
}

int64_t RunPlan::largest_context_bytes() const {
  int64_t largest = 0;
  for (const PipelineRankPlan& rank : pipeline_ranks) {
    largest = std::max(largest, rank.record.context.total_bytes());
  }
  return largest;
}

int WorldSizeOf(const RunConfig& config) {
  const ParallelConfig& parallel = config.parallel();
  int64_t product = 1;
  for (const int size : {parallel.pp(), parallel.dp_replicate(), parallel.dp_shard(),
                         parallel.cp_ring(), parallel.cp_ulysses(), parallel.tp()}) {
    product = std::min(product * std::max(size, 1), int64_t{kMaxWorldSize} + 1);
  }
  return static_cast<int>(product);
}

RunPlan MakePlan(const RunConfig& given, int world_size) {
  RunConfig config = given;
  config = WithoutData(WithVocabulary(std::move(config)));
  ResolveGlobalBatch(world_size, config);
  ValidateRun(config, world_size);

  const Mesh mesh = MakeMesh(config.parallel(), world_size);
  const DecoderShape shape = MakeShape(config.model());
  RunPlan plan = {.world_size = world_size,
                  .layout = mesh.sizes(),
                  .schedule = mesh.sizes().pp == 1
                                  ? std::string()
                                  : ParallelConfig::Schedule_Name(config.parallel().schedule()),
                  .zero = mesh.sizes().dp_shard == 1 ? 0 : config.parallel().zero(),
                  .num_parameters = NumParameters(shape),
                  .samples_per_step = config.train().global_batch_size(),
                  .sequence_length = config.data().sequence_length(),
                  .micro_batch_size = config.train().micro_batch_size(),
                  .memory_limit_bytes = MakeDeviceOptions(config.device()).memory_bytes,
                  .model_flops = TrainingFlops(shape, config.data().sequence_length()) *
                                 static_cast<double>(config.train().global_batch_size())};
  for (int i = 0; i < mesh.sizes().pp; ++i) {
    const int rank = mesh.Peer(0, Axis::kPp, i);
    plan.pipeline_ranks.push_back({.rank = rank, .record = RecordRank(config, rank, world_size)});
    plan.executed_flops += plan.pipeline_ranks.back().record.executed_flops *
                           static_cast<double>(world_size / mesh.sizes().pp);
  }
  plan.num_micro_batches = plan.pipeline_ranks.front().record.num_micro_batches;
  plan.bubble_fraction =
      BubbleFraction(MakeSchedule(config.parallel(), mesh.sizes().pp, plan.num_micro_batches));
  return plan;
}

}  // namespace cadmus
