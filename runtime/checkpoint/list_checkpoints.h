// SPDX-License-Identifier: Apache-2.0
// ListCheckpoints: the checkpoints of a run, oldest first, and which of them are torn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cadmus {

struct CheckpointListing {
  std::filesystem::path path;
  int64_t completed_steps = 0;
  int64_t bytes = 0;        // of its files; 0 if torn
  int64_t num_tensors = 0;  // 0 if torn
  std::string torn;         // why it cannot be loaded; empty: complete

  bool complete() const { return torn.empty(); }
};

// "step-00000100"
std::string CheckpointName(int64_t completed_steps);

// The `step-…` folders in `folder`, by step, complete or not; none if the folder is missing.
// Unfinished saves (`….tmp`) are no checkpoints.
std::vector<std::filesystem::path> CheckpointFolders(const std::filesystem::path& folder);

// What is at one such folder. Tensors are not read.
CheckpointListing InspectCheckpoint(const std::filesystem::path& checkpoint);

// InspectCheckpoint of all CheckpointFolders.
std::vector<CheckpointListing> ListCheckpoints(const std::filesystem::path& folder);

}  // namespace cadmus
