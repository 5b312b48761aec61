// SPDX-License-Identifier: Apache-2.0
// Whether a run can be laid out over its ranks: the rules of parallel_config.proto and of
// recomputation against model, batch and world. Pure: no file, no device.
//
//   for (const LayoutProblem& problem : LayoutProblems(config, world_size)) …   // empty: valid
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cadmus {

class ParallelConfig;
class RunConfig;

struct LayoutProblem {
  std::string field;  // what to change, as in --set: "parallel.tp"
  std::string rule;   // the rule broken, with its numbers and the nearest values that keep it
};

// Every rule that the layout breaks. Where the axes do not multiply to the world, or ask for what
// this version lacks, only that is said: the other rules speak of coordinates. Requires a model
// that MakeLlamaShape accepts, and batch sizes and a sequence length that are positive.
std::vector<LayoutProblem> LayoutProblems(const RunConfig& config, int world_size);

// Model chunks of each pipeline rank; nothing with FROM_FILE: the file says.
std::optional<int> NumChunks(const ParallelConfig& config);

// Transformer blocks of each stage in the order of the forward pass: as configured, else as even as
// can be, the larger ones first.
std::vector<int> BlocksPerStage(const ParallelConfig& config, int64_t num_blocks, int num_stages);

}  // namespace cadmus
