// SPDX-License-Identifier: Apache-2.0
// RequireJson: what is wrong with a JSON file is said with its line and column, before it is read.
#pragma once

#include <filesystem>
#include <string_view>

#include "kernels/base/error.h"

namespace cadmus {

// Throws an Error of `kind` that names the file, line and column if `text` is not one JSON value,
// or if a key stands twice in an object: readers would take one of the two.
void RequireJson(const std::filesystem::path& path, std::string_view text, Kind kind);

}  // namespace cadmus
