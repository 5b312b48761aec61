// SPDX-License-Identifier: Apache-2.0
// BoxReader: any box of a stored tensor, front to back in pieces of any size, whatever boxes it was
// stored in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/checkpoint/chunk_reader.h"
#include "runtime/checkpoint/manifest.h"

namespace cadmus {

class BoxReader {
 public:
  // `wanted` lies in the tensor. Tensor and reader must outlive this.
  BoxReader(const StoredTensor& tensor, const Box& wanted, ChunkReader& reader);

  int64_t elements_left() const { return end_ - at_; }
  // Fills `out`, whole elements and at most those that are left, with the next ones of the box in
  // row-major order. Throws as ChunkReader::Read.
  void Read(std::span<std::byte> out);

 private:
  struct Source {
    const StoredBox* stored;
    BoxRuns runs;
  };

  ChunkReader& reader_;
  int64_t element_bytes_;
  int64_t at_ = 0, end_;
  std::vector<Source> sources_;
};

}  // namespace cadmus
