// SPDX-License-Identifier: Apache-2.0
// The small files of a published model that say how it is talked to: kept beside an imported run
// and the runs that start from it, and given back when one of them is exported.
#pragma once

#include <filesystem>
#include <string>

namespace cadmus {

// Copies those that exist in `from`, config.json among them, into `to`, which is made if there are
// any. Throws kCheckpoint.
void KeepPublishedFiles(const std::filesystem::path& from, const std::filesystem::path& to);

// Copies those that KeepPublishedFiles has kept in `from` into `to`, but config.json, which is
// returned: empty if there is none.
std::string RestorePublishedFiles(const std::filesystem::path& from,
                                  const std::filesystem::path& to);

}  // namespace cadmus
