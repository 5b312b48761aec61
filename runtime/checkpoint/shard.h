// SPDX-License-Identifier: Apache-2.0
// A shard: the safetensors file in which one rank keeps its part of a checkpoint.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "kernels/device/stream.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/state/state_entry.h"

namespace cadmus {

// "shard-000003.safetensors"
std::string ShardName(int rank);

// The name of a box inside its shard: the tensor's own if the box is all of it, else with the box
// behind it: "blocks.0.attention.q.weight[0:512, 0:1024]".
std::string NameInShard(const std::string& tensor, const Shape& shape, const Box& box);

// Writes those of `entries` whose writer this rank is into one new file of `folder`, and says what
// lies where in it: one tensor of one box per entry. No such entry: no file, no tensors. Blocks.
// Throws kCheckpoint.
Manifest WriteShard(const std::filesystem::path& folder, int rank,
                    std::span<const StateEntry> entries, Stream& stream);

}  // namespace cadmus
