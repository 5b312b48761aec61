// SPDX-License-Identifier: Apache-2.0
// HuggingFaceFolder: a model in a folder of Hugging Face: its config and weights, held against each
// other before anything is copied.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/decoder/shape.h"
#include "models/interop/parameters.h"
#include "runtime/formats/safetensors_folder.h"

namespace cadmus {

class ModelConfig;

class HuggingFaceFolder {
 public:
  // Fields of config.json in `ignored_fields` are taken as absent. Throws kCheckpoint for what
  // cannot be represented, and, in one table, for tensors that are missing, unexpected, of another
  // shape or of a type that cannot be read exactly.
  HuggingFaceFolder(const std::filesystem::path& path, std::span<const std::string> ignored_fields);
  ~HuggingFaceFolder();

  const ModelConfig& config() const { return *config_; }
  const DecoderShape& shape() const { return shape_; }
  // In the order of the model's layers.
  const std::vector<NamedShape>& parameters() const { return parameters_; }
  // "291 tensors in 2 files make 195 parameters, 8030261248 elements; …"
  std::string Summary() const;

  // Hands the F32 elements of parameter `index` to `take` in pieces.
  void ReadParameter(size_t index,
                     const std::function<void(std::span<const std::byte>)>& take) const;

 private:
  struct Part {
    const SafetensorsFolder::Entry* entry = nullptr;
    bool transposed = false;
  };

  void MatchTensors();
  void CheckTiedHead(const SafetensorsFolder::Entry& head) const;

  std::filesystem::path path_;
  std::unique_ptr<ModelConfig> config_;
  DecoderShape shape_;
  std::vector<NamedShape> parameters_;
  SafetensorsFolder tensors_;
  std::vector<std::vector<Part>> parts_;  // of each parameter
  std::vector<std::string> ignored_;      // tensors
};

}  // namespace cadmus
