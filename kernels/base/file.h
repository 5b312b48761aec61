// SPDX-License-Identifier: Apache-2.0
// Files: whole-file read, read-only memory maps, and replacement that either happens completely or
// not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "kernels/base/error.h"
#include "kernels/base/unique_handle.h"

namespace cadmus {

struct FileDescriptorTraits {
  using Handle = int;
  static constexpr int kEmpty = -1;
  static void Close(int fd) noexcept;
};
using FileDescriptor = UniqueHandle<FileDescriptorTraits>;

// Opens for reading; a missing or unreadable file is an Error of `kind` that names the path.
FileDescriptor OpenForReading(const std::filesystem::path& path, Kind kind);

std::string ReadFile(const std::filesystem::path& path, Kind kind);

// A whole file mapped read-only. Empty files map to an empty span.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(const std::filesystem::path& path, Kind kind);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Writes a file so that a crash leaves the old content or the new, never a mixture: writes
// `path.tmp`, flushes it to the disk, renames it over `path`, flushes the folder. Nothing appears
// at `path` before Commit(); destroyed without Commit, the temporary file is removed. A full disk
// or quota is an Error of `kind` that names the path and says what to free; the old file stays.
class AtomicFileWriter {
 public:
  AtomicFileWriter(std::filesystem::path path, Kind kind);
  AtomicFileWriter(const AtomicFileWriter&) = delete;
  AtomicFileWriter& operator=(const AtomicFileWriter&) = delete;
  ~AtomicFileWriter();

  void Append(std::span<const std::byte> bytes);
  void Append(std::string_view text) { Append(std::as_bytes(std::span(text.data(), text.size()))); }
  void Commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  Kind kind_;
  FileDescriptor file_;
};

void ReplaceFile(const std::filesystem::path& path, std::string_view content, Kind kind);

// Flushes a folder's entries to the disk, so that renames inside it survive a crash.
void SyncFolder(const std::filesystem::path& folder, Kind kind);

}  // namespace cadmus
