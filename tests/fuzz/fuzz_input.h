// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: the input as a file, and what a reader may throw on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "kernels/base/error.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {

inline std::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// A file of the process' own folder with this content; its path.
inline std::string WriteInput(std::string_view name, std::string_view content) {
  static const TemporaryFolder folder;
  const std::string path = folder / name;
  std::filesystem::remove(path);  // some file systems flush a file that is overwritten
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
  return path;
}

// Runs `read`. Wrong input is an Error of `kind`; every other exception ends the program.
template <class Read>
void ExpectOnly(Kind kind, const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.kind() != kind) throw;
  }
}

}  // namespace cadmus
