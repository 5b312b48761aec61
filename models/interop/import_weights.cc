// SPDX-License-Identifier: Apache-2.0
#include "models/interop/import_weights.h"

#include "models/interop/hugging_face_folder.h"
#include "runtime/checkpoint/shard.h"

namespace cadmus {

void ImportWeights(const HuggingFaceFolder& model, const std::filesystem::path& checkpoint,
                   const CheckpointInfo& info, const std::function<void(int64_t)>& progress) {
  std::vector<ShardBox> boxes;
  for (const auto& [name, shape] : model.parameters()) {
    Shape origin = shape;
    for (int dim = 0; dim < origin.num_dims(); ++dim) origin[dim] = 0;
    boxes.push_back({.tensor = name,
                     .dtype = DType::kF32,
                     .shape = shape,
                     .box = {.offset = origin, .extent = shape}});
  }
  ShardWriter writer(checkpoint, 0, std::move(boxes));
  int64_t written = 0;
  for (size_t i = 0; i < model.parameters().size(); ++i) {
    model.ReadParameter(i, [&](std::span<const std::byte> piece) {
      writer.Append(piece);
      written += std::ssize(piece);
      progress(written);
    });
  }
  Manifest manifest = writer.Finish();
  std::ranges::sort(manifest.tensors, {}, &StoredTensor::name);
  manifest.info = info;
  FillOrigin(manifest.info);
  WriteManifest(checkpoint, manifest);
}

}  // namespace cadmus
