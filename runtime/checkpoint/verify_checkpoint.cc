// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/verify_checkpoint.h"

#include "runtime/checkpoint/chunk_reader.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/checkpoint/shard.h"
#include "runtime/formats/safetensors.h"

namespace cadmus {
namespace {

// Runs `check`; what it throws becomes a problem. Whether there was none.
template <class Check>
bool Passes(const Check& check, VerifyReport& report) {
  try {
    check();
    return true;
  } catch (const Error& error) {
    report.problems.push_back(error.message());
    return false;
  }
}

// Other programs trust a shard's own header, so it must say what the manifest says.
void CheckHeader(const std::filesystem::path& checkpoint, const Manifest& manifest, int file) {
  const auto path = checkpoint / manifest.files[static_cast<size_t>(file)].name;
  const SafetensorsFile shard(path, Kind::kCheckpoint);
  size_t num_boxes = 0;
  for (const StoredTensor& tensor : manifest.tensors) {
    for (const StoredBox& stored : tensor.boxes) {
      if (stored.file != file) continue;
      ++num_boxes;
      const std::string name = NameInShard(tensor.name, tensor.shape, stored.box);
      const SafetensorsTensor* found = shard.Find(name);
      if (found == nullptr || found->dtype != tensor.dtype || found->shape != stored.box.extent ||
          found->begin != stored.byte_offset) {
        throw Error(Kind::kCheckpoint, StrCat(path.string(), ": tensor ", name, " is ",
                                              found == nullptr ? "missing" : "different",
                                              " in its header; use an earlier checkpoint"));
      }
    }
  }
  if (num_boxes != shard.tensors().size()) {
    throw Error(Kind::kCheckpoint, StrCat(path.string(), ": holds ", shard.tensors().size(),
                                          " tensors, but the manifest says ", num_boxes,
                                          "; use an earlier checkpoint"));
  }
}

}  // namespace

VerifyReport VerifyCheckpoint(const std::filesystem::path& checkpoint) {
  VerifyReport report;
  Manifest manifest;
  if (!Passes([&] { manifest = ReadManifest(checkpoint); }, report)) return report;
  report.num_tensors = static_cast<int64_t>(manifest.tensors.size());
  report.num_files = static_cast<int64_t>(manifest.files.size());
  report.bytes = manifest.num_bytes();
  for (int file = 0; file < static_cast<int>(manifest.files.size()); ++file) {
    ChunkReader reader(checkpoint, manifest);
    if (!Passes([&] { reader.CheckSize(file); }, report)) continue;
    bool sound = true;
    const StoredFile& stored = manifest.files[static_cast<size_t>(file)];
    for (size_t chunk = 0; chunk < stored.chunk_crc32c.size(); ++chunk) {
      sound &= Passes([&] { reader.VerifyChunk(file, static_cast<int64_t>(chunk)); }, report);
    }
    if (sound) Passes([&] { CheckHeader(checkpoint, manifest, file); }, report);
  }
  return report;
}

}  // namespace cadmus
