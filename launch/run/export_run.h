// SPDX-License-Identifier: Apache-2.0
// ExportRun: a run's model as a folder of Hugging Face.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "kernels/base/dtype.h"

namespace cadmus {

struct ExportRunRequest {
  std::filesystem::path run;     // of a run (its newest checkpoint) or of one of its checkpoints
  std::filesystem::path folder;  // to be made
  DType dtype = DType::kF32;     // or kBF16
  int64_t max_shard_bytes = 0;
  // Is told how many bytes of how many are written.
  std::function<void(int64_t bytes, int64_t total_bytes)> progress;
};

// Makes config.json, generation_config.json, safetensors files and, where the run has a tokenizer,
// the tokenizer's files; all of it or nothing. Files of a published model that the run has kept are
// given back as they were. Returns what was written, in words. Throws kConfig if the folder exists
// or no model_type has such a model; kData for a tokenizer that is not the run's, or that has no
// file format there; kCheckpoint.
std::string ExportRun(const ExportRunRequest& request);

}  // namespace cadmus
