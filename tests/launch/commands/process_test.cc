// SPDX-License-Identifier: Apache-2.0
// The tool that the other tests of this folder stand on tells them the truth.
#include "tests/launch/commands/process.h"

#include <signal.h>

#include <stdexcept>

#include <gtest/gtest.h>

namespace cadmus {
namespace {

TEST(Process, GivesExitCodeAndBothStreams) {
  const CommandResult result =
      RunCommand({"/bin/sh", "-c", "echo to out; echo to err >&2; exit 7"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "to out\n");
  EXPECT_EQ(result.err, "to err\n");
}

TEST(Process, TellsWhichSignalEndedTheCommand) {
  Process process({"/bin/sh", "-c", "echo ready >&2; exec sleep 60"});
  process.AwaitError("ready");
  ::kill(process.pid(), SIGKILL);
  EXPECT_EQ(process.Wait().exit_code, 128 + SIGKILL);
}

TEST(Process, EndsAtTheLimitWhateverTheCommandDoes) {
  Process process({"/bin/sh", "-c", "sleep 60 & wait"}, std::chrono::seconds(1));
  EXPECT_THROW(process.Wait(), std::runtime_error);
}

TEST(Process, DoesNotWaitForATextThatCannotComeAnyMore) {
  Process process({"/bin/sh", "-c", "echo something else >&2"});
  EXPECT_THROW(process.AwaitError("ready"), std::runtime_error);
}

}  // namespace
}  // namespace cadmus
