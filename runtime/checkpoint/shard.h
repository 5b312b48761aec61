// SPDX-License-Identifier: Apache-2.0
// A shard: the safetensors file in which one rank keeps its part of a checkpoint.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "kernels/device/stream.h"
#include "runtime/checkpoint/chunk_checksums.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/formats/safetensors_writer.h"
#include "runtime/state/state_entry.h"

namespace cadmus {

// "shard-000003.safetensors"
std::string ShardName(int rank);

// The name of a box inside its shard: the tensor's own if the box is all of it, else with the box
// behind it: "blocks.0.attention.q.weight[0:512, 0:1024]".
std::string NameInShard(const std::string& tensor, const Shape& shape, const Box& box);

// One box of a tensor that a shard will hold.
struct ShardBox {
  std::string tensor;
  DType dtype = DType::kNone;
  Shape shape;  // of the whole tensor
  Box box;
};

// A shard as a stream: the bytes of the boxes, in their order.
class ShardWriter {
 public:
  ShardWriter(const std::filesystem::path& folder, int rank, std::vector<ShardBox> boxes);

  // The next bytes; ends of boxes need no care. Throws kCheckpoint, as Finish does.
  void Append(std::span<const std::byte> bytes) { writer_.Append(bytes); }
  // Says what lies where in the file, which is there from now on. All bytes must have been appended
  // (kInternal).
  Manifest Finish();

 private:
  static SafetensorsContent ContentOf(const std::vector<ShardBox>& boxes,
                                      ChunkChecksums& checksums);

  int rank_;
  std::vector<ShardBox> boxes_;
  ChunkChecksums checksums_;
  SafetensorsWriter writer_;
};

// Writes those of `entries` whose writer this rank is into one new file of `folder`, and says what
// lies where in it: one tensor of one box per entry. No such entry: no file, no tensors. Blocks.
// Throws kCheckpoint.
Manifest WriteShard(const std::filesystem::path& folder, int rank,
                    std::span<const StateEntry> entries, Stream& stream);

}  // namespace cadmus
