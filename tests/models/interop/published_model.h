// SPDX-License-Identifier: Apache-2.0
// A small published model as a test writes it: config.json and tensors of random values, with the
// names and shapes of each model_type written out by hand.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "kernels/base/dtype.h"
#include "kernels/base/shape.h"

namespace cadmus {

struct PublishedTensor {
  Shape shape;
  DType dtype = DType::kF32;
  std::string bytes;
};

struct PublishedModel {
  std::map<std::string, std::string> config;  // JSON text of each field
  std::map<std::string, PublishedTensor> tensors;
};

// Two layers, 12 wide, with key/value heads fewer than heads where the type has them. The values
// are random bits of finite numbers.
PublishedModel MakePublished(const std::string& model_type, DType dtype = DType::kF32);

// Adds a tensor of random values.
void AddTensor(PublishedModel& model, const std::string& name, const Shape& shape, DType dtype);

// One safetensors file, or with `num_shards` several and an index.
void WritePublished(const PublishedModel& model, const std::filesystem::path& folder,
                    int num_shards = 1);

}  // namespace cadmus
