// SPDX-License-Identifier: Apache-2.0
// TensorReader: any box of any tensor of a checkpoint, whoever wrote it, through bounded host
// memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/checkpoint/chunk_reader.h"
#include "runtime/checkpoint/manifest.h"

namespace cadmus {

class TensorReader {
 public:
  // Throws kCheckpoint as ReadManifest does.
  explicit TensorReader(const std::filesystem::path& checkpoint);
  TensorReader(const TensorReader&) = delete;
  TensorReader& operator=(const TensorReader&) = delete;

  const Manifest& manifest() const { return manifest_; }
  // Null if there is no tensor of this name.
  const StoredTensor* Find(std::string_view name) const;

  // Hands the elements of `box`, row-major, to `take` in pieces of whole elements. `tensor` is one
  // of the manifest. Throws kCheckpoint as ChunkReader does.
  void Read(const StoredTensor& tensor, const Box& box,
            const std::function<void(std::span<const std::byte>)>& take);

  // Of the files, so far: of each chunk that holds an element asked for.
  int64_t bytes_read() const { return chunks_.bytes_read(); }

 private:
  Manifest manifest_;
  std::unordered_map<std::string_view, const StoredTensor*> tensors_;  // of manifest_
  ChunkReader chunks_;
  std::vector<std::byte> buffer_;
};

}  // namespace cadmus
