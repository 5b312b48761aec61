// SPDX-License-Identifier: Apache-2.0
// ChunkReader: reads the files of a checkpoint, by whole chunks whose checksums are verified.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "kernels/base/file.h"
#include "runtime/checkpoint/manifest.h"

namespace cadmus {

class ChunkReader {
 public:
  // `manifest` must outlive the reader. Nothing is opened yet.
  ChunkReader(std::filesystem::path checkpoint, const Manifest& manifest);

  // Fills `out` from `offset` of a file on. Throws kCheckpoint, naming the file and byte range, if
  // the file is missing, has another size than the manifest says, or is damaged. Keeps the chunks
  // that were used last.
  void Read(int file, int64_t offset, std::span<std::byte> out);
  // Throws like Read if the file is not there with the size that the manifest says.
  void CheckSize(int file) { OpenFile(file); }
  // Reads one chunk and verifies it; throws like Read.
  void VerifyChunk(int file, int64_t chunk) { FindChunk(file, chunk); }
  // Of the files, so far.
  int64_t bytes_read() const { return bytes_read_; }

 private:
  struct Chunk {
    int file = -1;
    int64_t index = -1;
    int64_t last_use = 0;
    std::vector<std::byte> bytes;
  };

  const Chunk& FindChunk(int file, int64_t index);
  void OpenFile(int file);

  std::filesystem::path checkpoint_;
  const Manifest& manifest_;
  FileDescriptor descriptor_;  // of open_file_
  int open_file_ = -1;
  std::array<Chunk, 8> chunks_;  // the boxes beside each other of a tensor come from several files
  int64_t uses_ = 0;
  int64_t bytes_read_ = 0;
};

}  // namespace cadmus
