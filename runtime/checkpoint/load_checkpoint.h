// SPDX-License-Identifier: Apache-2.0
// LoadCheckpoint: any layout loads any checkpoint. Each rank reads only the chunks that hold
// elements it asks for, and verifies their checksums.
//
//   if (auto latest = FindLatestCheckpoint(run / "checkpoints")) {
//     const CheckpointInfo info = ReadManifest(*latest).info;
//     LoadCheckpoint(*latest, entries, stream);
//   }
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "kernels/device/stream.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/state/state_entry.h"

namespace cadmus {

// The complete checkpoint of the highest step in `folder`, if any: its manifest is valid and all
// its files are there in full length. Torn ones are skipped with a warning that names them.
std::optional<std::filesystem::path> FindLatestCheckpoint(const std::filesystem::path& folder);

// Fills every entry from the checkpoint, whoever writes it; blocks until it is on the device. The
// checkpoint may hold more tensors. Not collective. Throws kCheckpoint, naming the tensor, if one
// is missing or differs in shape or dtype (before anything is written), or naming file and byte
// range, if stored bytes are damaged. Only an entry of BF16 may be stored as F32: what is stored of
// a weight is its master, of which it is the rounded value. Returns how many bytes it read.
int64_t LoadCheckpoint(const std::filesystem::path& checkpoint, std::span<const StateEntry> entries,
                       Stream& stream);

}  // namespace cadmus
