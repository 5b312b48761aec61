// SPDX-License-Identifier: Apache-2.0
// Whether a run can be laid out over its ranks: the rules of parallel_config.proto and of
// recomputation against model, batch and world. Pure: no file, no device.
//
//   for (const LayoutProblem& problem : LayoutProblems(config, world_size)) …   // empty: valid
#pragma once

#include <string>
#include <vector>

namespace cadmus {

class RunConfig;

struct LayoutProblem {
  std::string field;  // what to change, as in --set: "parallel.tp"
  std::string rule;   // the rule broken, with its numbers and the nearest values that keep it
};

// Every rule that the layout breaks. Where the axes do not multiply to the world, or ask for what
// this version lacks, only that is said: the other rules speak of coordinates. Requires a model
// that MakeShape accepts, and batch sizes and a sequence length that are positive.
std::vector<LayoutProblem> LayoutProblems(const RunConfig& config, int world_size);

}  // namespace cadmus
