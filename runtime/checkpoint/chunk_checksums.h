// SPDX-License-Identifier: Apache-2.0
// ChunkChecksums: the CRC32C of each kChecksumChunkBytes of a stream of bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/checksum.h"
#include "runtime/checkpoint/manifest.h"

namespace cadmus {

class ChunkChecksums {
 public:
  void Append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      if (in_chunk_ == 0) crc32c_.push_back(0);
      const auto part = bytes.first(std::min(bytes.size(), kChunkBytes - in_chunk_));
      crc32c_.back() = Crc32c(part, crc32c_.back());
      in_chunk_ = (in_chunk_ + part.size()) % kChunkBytes;
      bytes = bytes.subspan(part.size());
    }
  }

  const std::vector<uint32_t>& crc32c() const { return crc32c_; }

 private:
  static constexpr auto kChunkBytes = static_cast<size_t>(kChecksumChunkBytes);

  std::vector<uint32_t> crc32c_;
  size_t in_chunk_ = 0;
};

}  // namespace cadmus
