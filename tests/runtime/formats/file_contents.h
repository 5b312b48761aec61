// SPDX-License-Identifier: Apache-2.0
// What the tests of files share: quick writing, the message of an
// error.
#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "kernels/base/error.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {

// Without a flush to the disk, which takes long; some file systems also flush a file that is
// overwritten, so it is made anew.
inline void WriteFile(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << content;
}

// The message of the Error of `kind` that `body` throws; fails the test if it throws none.
template <class Body>
std::string MessageOf(Kind kind, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.message();
    return error.message();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace cadmus
