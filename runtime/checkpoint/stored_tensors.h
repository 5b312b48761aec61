// SPDX-License-Identifier: Apache-2.0
// FindUnreadable: which tensors of a checkpoint cannot be read, and why.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/checkpoint/manifest.h"

namespace cadmus {

enum class LookAt {
  kSizes,  // that every file is there in full length; quick
  kBytes,  // reads everything and compares checksums
};

// For each tensor of the manifest what is wrong with a byte of it; empty if nothing is.
std::vector<std::string> FindUnreadable(const std::filesystem::path& checkpoint,
                                        const Manifest& manifest, LookAt what);

}  // namespace cadmus
