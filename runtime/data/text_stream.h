// SPDX-License-Identifier: Apache-2.0
// TextStream: the bytes of one file from front to back, decompressed if it is gzip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace cadmus {

class TextStream {
 public:
  // Gzip is told by its first bytes. Throws kData if the file cannot be opened.
  explicit TextStream(const std::filesystem::path& path);
  ~TextStream();

  // Appends bytes until `text` holds `size`; false if the file ended before. Throws kData if the
  // file cannot be read or is broken gzip.
  bool FillTo(size_t size, std::string& text);

  // Bytes of the file, as it lies on disk, that were read so far.
  int64_t file_bytes() const;

 private:
  struct File;

  std::filesystem::path path_;
  std::unique_ptr<File> file_;
};

}  // namespace cadmus
