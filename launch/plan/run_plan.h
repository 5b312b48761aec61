// SPDX-License-Identifier: Apache-2.0
// RunPlan: what a run will hold, compute and exchange, known before a rank is started: the step of
// training itself, recorded once per pipeline rank (P5).
//
//   const RunPlan plan = MakePlan(config, 131072);
//   std::cerr << PlanToText(plan);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/plan/record_rank.h"
#include "runtime/mesh/axis_sizes.h"

namespace cadmus {

// One rank of a pipeline stage; the others of the stage differ from it by padding at most.
struct PipelineRankPlan {
  int rank = 0;  // in the world: index 0 along every axis but pp
  RankRecord record;
};

struct RunPlan {
  int world_size = 1;
  AxisSizes layout;
  std::string schedule;  // with more than one pipeline rank: its name in the config; else empty
  int zero = 0;          // what dp_shard shards (ParallelConfig.zero); 0 where it has one rank

  int64_t num_parameters = 0;  // of the model, without padding
  int64_t samples_per_step = 0;
  int64_t sequence_length = 0;
  int64_t micro_batch_size = 0;
  int num_micro_batches = 0;  // of each rank

  std::vector<PipelineRankPlan> pipeline_ranks;  // by index along pp
  double bubble_fraction = 0;                    // in unit time (schedule_text.h)
  int64_t memory_limit_bytes = 0;                // device.memory_gib

  // FLOPs of one step, of all ranks: of the model (TrainingFlops) and as they are executed, with
  // padding, replicas and recomputation.
  double model_flops = 0;
  double executed_flops = 0;

  int64_t tokens_per_step() const { return samples_per_step * sequence_length; }
  // Of the pipeline rank that needs the most: the end of its highest address.
  int64_t largest_memory_bytes() const;
  // Of a GPU: what the rank that needs the most takes beside its slab; 0 on a CPU.
  int64_t largest_context_bytes() const;
  // What a rank takes of its GPU, slab and all; 0 on a CPU.
  int64_t gpu_bytes() const {
    const int64_t context_bytes = largest_context_bytes();
    return context_bytes == 0 ? 0 : memory_limit_bytes + context_bytes;
  }
  bool fits() const { return largest_memory_bytes() <= memory_limit_bytes; }
};

// The number of ranks that the axes of `config` multiply to, an axis that fills the world taken
// as 1.
int WorldSizeOf(const RunConfig& config);

// Reads no data: data.path may be missing. Throws kConfig as ValidateRun does, and where the
// vocabulary is known neither from the config nor from what stands beside the data set.
RunPlan MakePlan(const RunConfig& config, int world_size);

}  // namespace cadmus
