// SPDX-License-Identifier: Apache-2.0
// The schedule that a configuration asks for.
#pragma once

#include <optional>

#include "runtime/schedule/schedule.h"

namespace cadmus {

class ParallelConfig;

// Model chunks of each pipeline rank; nothing with FROM_FILE: the file says.
std::optional<int> NumChunks(const ParallelConfig& config);

// `num_pipeline_ranks` lists of actions. Throws kConfig as MakeSchedule and LoadSchedule do, where
// a file is for another number of ranks or micro-batches, and where FindProblems finds one in it.
Schedule MakeSchedule(const ParallelConfig& config, int num_pipeline_ranks, int num_micro_batches);

}  // namespace cadmus
