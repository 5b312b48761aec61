// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/chunk_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/base/checksum.h"

namespace cadmus {
ChunkReader::ChunkReader(std::filesystem::path checkpoint, const Manifest& manifest)
    : checkpoint_(std::move(checkpoint)), manifest_(manifest) {}

void ChunkReader::Read(int file, int64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const std::vector<std::byte>& chunk = FindChunk(file, offset / kChecksumChunkBytes).bytes;
    const auto part = std::span(chunk).subspan(static_cast<size_t>(offset % kChecksumChunkBytes));
    const size_t bytes = std::min(part.size(), out.size());
    std::memcpy(out.data(), part.data(), bytes);
    out = out.subspan(bytes);
    offset += static_cast<int64_t>(bytes);
  }
}

const ChunkReader::Chunk& ChunkReader::FindChunk(int file, int64_t index) {
  ++uses_;
  for (Chunk& chunk : chunks_) {
    if (chunk.file != file || chunk.index != index) continue;
    chunk.last_use = uses_;
    return chunk;
  }
  if (open_file_ != file) OpenFile(file);
  Chunk& chunk = *std::ranges::min_element(chunks_, {}, &Chunk::last_use);
  chunk.file = -1;  // until it is verified

  const StoredFile& stored = manifest_.files[static_cast<size_t>(file)];
  const int64_t begin = index * kChecksumChunkBytes;
  const int64_t end = std::min(begin + kChecksumChunkBytes, stored.bytes);
  const auto fail = [&](std::string_view what) {
    throw Error(Kind::kCheckpoint, StrCat((checkpoint_ / stored.name).string(), ": bytes [", begin,
                                          ", ", end, ") ", what, kUseAnEarlierCheckpoint));
  };
  chunk.bytes.resize(static_cast<size_t>(end - begin));
  size_t done = 0;
  while (done < chunk.bytes.size()) {
    const ssize_t n = ::pread(descriptor_.get(), chunk.bytes.data() + done,
                              chunk.bytes.size() - done, begin + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(StrCat("cannot be read: ", std::strerror(errno)));
    if (n == 0) fail("are missing: the file became shorter");
    done += static_cast<size_t>(n);
    bytes_read_ += n;
  }
  if (Crc32c(chunk.bytes) != stored.chunk_crc32c[static_cast<size_t>(index)]) {
    fail("are damaged: their checksum is not the manifest's");
  }
  chunk.file = file;
  chunk.index = index;
  chunk.last_use = uses_;
  return chunk;
}

void ChunkReader::OpenFile(int file) {
  open_file_ = -1;
  const StoredFile& stored = manifest_.files[static_cast<size_t>(file)];
  const std::filesystem::path path = checkpoint_ / stored.name;
  descriptor_ = OpenForReading(path, Kind::kCheckpoint);
  struct stat info = {};
  if (::fstat(descriptor_.get(), &info) != 0) {
    throw Error(Kind::kCheckpoint, StrCat(path.string(), ": cannot be read: ", std::strerror(errno),
                                          kUseAnEarlierCheckpoint));
  }
  if (info.st_size != stored.bytes) {
    throw Error(Kind::kCheckpoint,
                StrCat(path.string(), ": has ", info.st_size, " bytes, but the manifest says ",
                       stored.bytes, kUseAnEarlierCheckpoint));
  }
  open_file_ = file;
}

}  // namespace cadmus
