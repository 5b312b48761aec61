// SPDX-License-Identifier: Apache-2.0
#include "launch/run/find_checkpoint.h"

#include <gtest/gtest.h>

#include "launch/run/run_folder.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

TEST(FindCheckpoint, TokenizerIsTheRunsHoweverTheFolderIsWritten) {
  const TemporaryFolder folder;
  const RunFolder run(folder.path() / "run");
  const fs::path checkpoint = run.checkpoints() / "step-00000000";
  fs::create_directories(checkpoint);
  for (const fs::path& written : {checkpoint, checkpoint / "", checkpoint / ".",
                                  checkpoint / ".." / "step-00000000", fs::relative(checkpoint)}) {
    EXPECT_EQ(FindCheckpoint(written).tokenizer, run.tokenizer()) << written;
  }
}

}  // namespace
}  // namespace cadmus
