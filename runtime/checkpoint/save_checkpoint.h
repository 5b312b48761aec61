// SPDX-License-Identifier: Apache-2.0
// SaveCheckpoint: writes the state of all ranks as one checkpoint that exists completely or not at
// all: shards and manifest go to `step-00000100.tmp`, which is renamed when all of it is on disk.
#pragma once

#include <filesystem>
#include <span>

#include "collectives/communicator/communicator.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/state/state_entry.h"

namespace cadmus {

struct SaveRequest {
  std::filesystem::path folder;         // `<run>/checkpoints`, shared by all ranks; made if missing
  const CheckpointInfo& info;           // the same on all ranks
  std::span<const StateEntry> entries;  // of this rank; those with is_writer are written
  Communicator& world;
  Stream& stream;  // behind the work that made the state
};

// Collective over `world`; blocks. Each rank with something to write writes one safetensors file;
// rank 0 writes the manifest and renames. Device memory passes through a bounded host buffer. A
// checkpoint of the same step is replaced. Returns the checkpoint's folder.
//
// If any rank fails (full disk, a missing or doubled element), all ranks throw the same kCheckpoint
// naming rank, path, cause and remedy; the temporary folder is removed and earlier checkpoints
// stay.
std::filesystem::path SaveCheckpoint(const SaveRequest& request);

}  // namespace cadmus
