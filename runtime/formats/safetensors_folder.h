// SPDX-License-Identifier: Apache-2.0
// SafetensorsFolder: the tensors of a folder as Hugging Face keeps them: in one model.safetensors,
// or in shards that model.safetensors.index.json names. Only headers are read until a tensor is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/file.h"
#include "runtime/formats/safetensors.h"

namespace cadmus {

inline constexpr char kSafetensorsModelName[] = "model.safetensors";
inline constexpr char kSafetensorsIndexName[] = "model.safetensors.index.json";

// "model-00002-of-00007.safetensors"
std::string SafetensorsShardName(int index, int count);

class SafetensorsFolder {
 public:
  // Throws an Error of `kind` for a folder with neither file or with both; for a shard that is
  // missing or no safetensors file; with all of them named, for tensors that are in two shards, or
  // not in the shard where the index has them, or not in the index.
  SafetensorsFolder(const std::filesystem::path& folder, Kind kind);

  struct Entry {
    const SafetensorsTensor* tensor = nullptr;
    int file = 0;
  };

  int num_files() const { return static_cast<int>(files_.size()); }
  const std::filesystem::path& path(int file) const {
    return files_[static_cast<size_t>(file)].header->path();
  }
  // By name.
  const std::map<std::string_view, Entry>& tensors() const { return tensors_; }
  // Null if there is no tensor of this name.
  const Entry* Find(std::string_view name) const;

  // Fills `out` from `offset` of the tensor's bytes on. Reads no other bytes of the file.
  void Read(const Entry& entry, int64_t offset, std::span<std::byte> out) const;

 private:
  struct OpenFile {
    std::unique_ptr<SafetensorsFile> header;
    FileDescriptor descriptor;
  };

  void Open(const std::filesystem::path& path);
  void OpenShards(const std::filesystem::path& index_path);

  Kind kind_;
  std::vector<OpenFile> files_;
  std::map<std::string_view, Entry> tensors_;
};

// The text of an index: which file holds which tensor, and the bytes of all tensors.
std::string SafetensorsIndexText(const std::map<std::string, std::string>& file_of_tensor,
                                 int64_t total_bytes);

}  // namespace cadmus
