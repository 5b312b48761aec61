// SPDX-License-Identifier: Apache-2.0
// The schedule that a configuration asks for.
#pragma once

#include "runtime/schedule/schedule.h"

namespace cadmus {

class ParallelConfig;

// `num_pipeline_ranks` lists of actions. Throws kConfig as MakeSchedule and LoadSchedule do, and
// where a file is for another number of ranks or micro-batches.
Schedule MakeSchedule(const ParallelConfig& config, int num_pipeline_ranks, int num_micro_batches);

}  // namespace cadmus
