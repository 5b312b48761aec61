// SPDX-License-Identifier: Apache-2.0
// ExportModel: the weights of a checkpoint and the config of its model in the form of Hugging Face.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "kernels/base/dtype.h"

namespace cadmus {

class ConfigJsonWriter;
class ModelConfig;

struct ExportRequest {
  std::filesystem::path checkpoint;
  const ModelConfig& config;
  DType dtype = DType::kF32;     // or kBF16, rounded to nearest, ties to even
  int64_t max_shard_bytes = 0;   // of the tensors in a file; a larger tensor is alone in one
  std::filesystem::path folder;  // existing, empty
  std::function<void(int64_t)> progress;  // is told the bytes written so far
};

struct ExportReport {
  int64_t num_tensors = 0, num_files = 0, bytes = 0;
};

// Writes safetensors files, with an index where they are several. Memory is bounded whatever the
// model's size. Throws kCheckpoint, naming the tensors, where the checkpoint lacks some or has them
// in another shape or in a type that `dtype` cannot take.
ExportReport ExportWeights(const ExportRequest& request);

// Bytes of what ExportWeights writes, without headers.
int64_t ExportedBytes(const ModelConfig& config, DType dtype);

// The fields of config.json that the model decides. Throws kConfig for a model that no model_type
// has.
void WriteConfigFields(const ModelConfig& config, DType dtype, ConfigJsonWriter& json);

}  // namespace cadmus
