// SPDX-License-Identifier: Apache-2.0
// ImportWeights: the weights of a folder of Hugging Face as a checkpoint of ours.
#pragma once

#include <filesystem>
#include <functional>

#include "runtime/checkpoint/manifest.h"

namespace cadmus {

class HuggingFaceFolder;

// Writes a checkpoint of weights only, in F32, into `checkpoint`, an existing empty folder. Memory
// is bounded whatever the model's size. `progress` is told the bytes written so far. Throws
// kCheckpoint.
void ImportWeights(const HuggingFaceFolder& model, const std::filesystem::path& checkpoint,
                   const CheckpointInfo& info, const std::function<void(int64_t)>& progress);

}  // namespace cadmus
