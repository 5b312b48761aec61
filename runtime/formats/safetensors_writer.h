// SPDX-License-Identifier: Apache-2.0
// SafetensorsWriter: writes a safetensors file as a stream: the tensors are declared first, their
// bytes follow in that order, and the file appears, complete, when it is committed.
//
//   SafetensorsWriter writer(path, Kind::kData, {.tensors = {{"w", DType::kF32, {2, 3}}}});
//   writer.Append(bytes);
//   writer.Commit();
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/dtype.h"
#include "kernels/base/file.h"
#include "kernels/base/shape.h"
#include "runtime/formats/safetensors.h"

namespace cadmus {

struct SafetensorsDeclaration {
  std::string name;  // UTF-8, unique
  DType dtype = DType::kNone;
  Shape shape;
};

struct SafetensorsContent {
  std::vector<SafetensorsDeclaration> tensors;
  SafetensorsMetadata metadata;  // what is not UTF-8 in it is replaced
  // Sees every byte of the file in order, the header's too; for checksums. May be absent.
  std::function<void(std::span<const std::byte>)> on_bytes;
};

class SafetensorsWriter {
 public:
  // Data starts at a multiple of 8 bytes and tensors follow each other without gaps: declare wide
  // dtypes first where their alignment matters. Throws an Error of `kind`, as all members do.
  SafetensorsWriter(const std::filesystem::path& path, Kind kind, SafetensorsContent content);

  // The next bytes of the data; ends of tensors need no care.
  void Append(std::span<const std::byte> bytes);
  // All declared bytes must have been appended (kInternal).
  void Commit();

  // Where each declared tensor starts, in bytes from the start of the file.
  const std::vector<int64_t>& offsets() const { return offsets_; }
  // Of the whole file.
  int64_t num_bytes() const { return num_bytes_; }

 private:
  AtomicFileWriter file_;
  std::function<void(std::span<const std::byte>)> on_bytes_;
  std::vector<int64_t> offsets_;
  int64_t num_bytes_ = 0;
  int64_t written_ = 0;
};

}  // namespace cadmus
