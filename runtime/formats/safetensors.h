// SPDX-License-Identifier: Apache-2.0
// SafetensorsFile: named tensors in a file. Eight bytes give the length of a JSON header, which
// gives dtype, shape and byte range of each tensor; their bytes follow without gaps. Nothing in
// such a file is executed, and a file that breaks a rule is refused as a whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernels/base/dtype.h"
#include "kernels/base/file.h"
#include "kernels/base/shape.h"

namespace cadmus {

struct SafetensorsTensor {
  std::string name;
  DType dtype = DType::kNone;  // kNone: one of the format's that nothing here computes with
  std::string dtype_name;      // as the file spells it: "F32", "BOOL"
  Shape shape;
  int64_t begin = 0, end = 0;  // bytes, from the start of the file
};

using SafetensorsMetadata = std::map<std::string, std::string>;

// What a file may hold; more is refused before memory is taken for it.
inline constexpr int64_t kMaxSafetensorsHeaderBytes = 100'000'000;
inline constexpr size_t kMaxSafetensorsTensors = 1'000'000;
inline constexpr size_t kMaxSafetensorsNameBytes = 512;

class SafetensorsFile {
 public:
  // Maps and validates the file. Throws an Error of `kind`, naming the file and, where there is
  // one, the tensor.
  SafetensorsFile(const std::filesystem::path& path, Kind kind);

  const std::filesystem::path& path() const { return file_.path(); }
  // In the order of their bytes.
  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }
  const SafetensorsMetadata& metadata() const { return metadata_; }

  // Null if there is no tensor of this name.
  const SafetensorsTensor* Find(std::string_view name) const;
  // Valid as long as the file object. Not necessarily aligned. Throws if there is no such tensor.
  std::span<const std::byte> TensorBytes(std::string_view name) const;

 private:
  MappedFile file_;
  Kind kind_;
  std::vector<SafetensorsTensor> tensors_;
  std::unordered_map<std::string_view, size_t> index_;  // keys point into tensors_
  SafetensorsMetadata metadata_;
};

}  // namespace cadmus
