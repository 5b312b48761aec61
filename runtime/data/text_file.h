// SPDX-License-Identifier: Apache-2.0
// ReadTextFile: the text of one file, plain or gzip.
#pragma once

#include <filesystem>
#include <string>

namespace cadmus {

// Replaces `text` by the content of the file, decompressed if it is gzip (told by its first bytes).
// Returns false, with `text` unspecified, at the first NUL byte: the file is binary. Throws kData
// if it cannot be read, is broken gzip, or holds 2^31 bytes or more.
bool ReadTextFile(const std::filesystem::path& path, std::string& text);

}  // namespace cadmus
