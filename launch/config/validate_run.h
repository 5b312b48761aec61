// SPDX-License-Identifier: Apache-2.0
// What must hold between the fields of a RunConfig, before any memory is taken.
#pragma once

namespace cadmus {

class RunConfig;

// Throws kConfig for the first rule broken, naming the fields, their values and what would do.
// Fields that only the data set can supply (the vocabulary) must have been filled in.
void ValidateRun(const RunConfig& config, int world_size);

}  // namespace cadmus
