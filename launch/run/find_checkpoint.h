// SPDX-License-Identifier: Apache-2.0
// What the folder of a run, or of one of its checkpoints, holds: a trained model and its tokenizer.
#pragma once

#include <filesystem>

namespace cadmus {

struct FoundCheckpoint {
  std::filesystem::path checkpoint;  // the run's newest complete one
  std::filesystem::path tokenizer;   // may be missing
};

// Throws kCheckpoint for a path that is no folder, and for a run without a complete checkpoint.
FoundCheckpoint FindCheckpoint(const std::filesystem::path& run_or_checkpoint);

}  // namespace cadmus
