// SPDX-License-Identifier: Apache-2.0
// VerifyCheckpoint: reads a whole checkpoint and says everything that is wrong with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cadmus {

struct VerifyReport {
  // One line each, naming the file and the byte range. Empty: the checkpoint is good.
  std::vector<std::string> problems;
  int64_t num_tensors = 0;
  int64_t num_files = 0;
  int64_t bytes = 0;  // read and checked
};

// Checks the manifest, the size of every file, the checksum of every chunk, that each tensor's
// elements are held exactly once, and that the files' own headers say the same as the manifest.
VerifyReport VerifyCheckpoint(const std::filesystem::path& checkpoint);

}  // namespace cadmus
