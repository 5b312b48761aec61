// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "launch/plan/plan_text.h"

namespace cadmus {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const AxisSizes& layout) {
  Json json = Json::object();
  for (Axis axis : AllAxes()) json[std::string(AxisName(axis))] = layout[axis];
  return json;
}

Json ToJson(const MemoryStats& memory) {
  Json categories = Json::object();
  for (int i = 0; i < kNumMemoryCategories; ++i) {
    categories[std::string(Name(static_cast<MemoryCategory>(i)))] =
        memory.peak_bytes[static_cast<size_t>(i)];
  }
  return {{"peak_bytes", std::move(categories)},
          {"peak_total_bytes", memory.peak_total_bytes},
          {"high_water_bytes", memory.high_water_bytes}};
}

Json ToJson(const ContextMemory& context) {
  return {{"context_bytes", context.context_bytes},
          {"library_bytes", context.library_bytes},
          {"nccl_bytes", context.nccl_bytes},
          {"total_bytes", context.total_bytes()}};
}

Json ToJson(const PipelineRankPlan& plan) {
  Json collectives = Json::array();
  for (const CollectiveTotal& total : plan.record.collectives) {
    collectives.push_back({{"group", total.group},
                           {"operation", total.operation},
                           {"calls", total.calls},
                           {"bytes", total.bytes}});
  }
  return {{"rank", plan.rank},
          {"num_parameters", plan.record.num_parameters},
          {"executed_flops", plan.record.executed_flops},
          {"memory", ToJson(plan.record.memory)},
          {"context_and_libraries", ToJson(plan.record.context)},
          {"collectives", std::move(collectives)}};
}

}  // namespace

std::string PlanToJson(const RunPlan& plan) {
  Json json = {{"world_size", plan.world_size},
               {"layout", ToJson(plan.layout)},
               {"schedule", plan.schedule},
               {"zero", plan.zero},
               {"num_parameters", plan.num_parameters},
               {"samples_per_step", plan.samples_per_step},
               {"sequence_length", plan.sequence_length},
               {"tokens_per_step", plan.tokens_per_step()},
               {"micro_batch_size", plan.micro_batch_size},
               {"num_micro_batches", plan.num_micro_batches},
               {"model_flops", plan.model_flops},
               {"executed_flops", plan.executed_flops},
               {"bubble_fraction", plan.bubble_fraction},
               {"memory_limit_bytes", plan.memory_limit_bytes},
               {"largest_memory_bytes", plan.largest_memory_bytes()},
               {"fits", plan.fits()},
               {"gpu_bytes", plan.gpu_bytes()},
               {"pipeline_ranks", Json::array()}};
  for (const PipelineRankPlan& rank : plan.pipeline_ranks) {
    json["pipeline_ranks"].push_back(ToJson(rank));
  }
  return json.dump(2);
}

}  // namespace cadmus
