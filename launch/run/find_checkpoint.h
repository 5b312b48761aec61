// SPDX-License-Identifier: Apache-2.0
// What the folder of a run, or of one of its checkpoints, holds: a trained model and its tokenizer.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace cadmus {

class Tokenizer;

struct FoundCheckpoint {
  std::filesystem::path checkpoint;  // the run's newest complete one
  std::filesystem::path tokenizer;   // may be missing
};

// Throws kCheckpoint for a path that is no folder, and for a run without a complete checkpoint.
FoundCheckpoint FindCheckpoint(const std::filesystem::path& run_or_checkpoint);

// Null where the run has none. Throws kData where it is not the one of `trained_hash`, which the
// checkpoint's manifest names.
std::unique_ptr<const Tokenizer> LoadTokenizerOf(const FoundCheckpoint& found,
                                                 const std::string& trained_hash);

}  // namespace cadmus
