// SPDX-License-Identifier: Apache-2.0
#include "models/interop/new_folder.h"

#include <gmock/gmock.h>

#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(NewFolder, IsThereCompleteOrNotAtAll) {
  const TemporaryFolder folder;
  {
    NewFolder out(folder / "a/out/");
    WriteFile(out.unfinished() / "file", "x");
    EXPECT_FALSE(fs::exists(folder / "a/out"));
  }
  EXPECT_TRUE(fs::is_empty(folder / "a"));
  {
    NewFolder out(folder / "a/out");
    WriteFile(out.unfinished() / "file", "x");
    out.Commit();
  }
  EXPECT_TRUE(fs::exists(folder / "a/out/file"));
  EXPECT_FALSE(fs::exists(folder / "a/out.unfinished"));
}

TEST(NewFolder, ReplacesNothing) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "out");
  EXPECT_THAT(MessageOf(Kind::kConfig, [&] { NewFolder out(folder / "out"); }),
              HasSubstr("exists"));
  NewFolder first(folder / "b");
  EXPECT_THAT(MessageOf(Kind::kConfig, [&] { NewFolder second(folder / "b"); }),
              HasSubstr("at work, or was interrupted"));
  fs::create_directory(folder / "b");
  EXPECT_THAT(MessageOf(Kind::kConfig, [&] { first.Commit(); }), HasSubstr("exists"));
}

}  // namespace
}  // namespace cadmus
