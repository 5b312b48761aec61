// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "kernels/base/file.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string StderrOf(const std::function<void()>& call) {
  ::testing::internal::CaptureStderr();
  call();
  return ::testing::internal::GetCapturedStderr();
}

TEST(Log, LinesCarryTimeLevelAndRankLabel) {
  SetRankLabel("rank 5");
  const std::string line = StderrOf([] { LogWarning("disk nearly full {}"); });
  SetRankLabel("");
  EXPECT_THAT(line, MatchesRegex("[0-9-]+T[0-9:.]+Z W rank 5: disk nearly full \\{\\}\n"));
}

TEST(Log, LinesBelowTheLevelStayOffStderrButReachTheFile) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "cadmus-log-test.log";
  std::filesystem::remove(path);
  OpenLogFile(path.string());
  SetStderrLevel(LogLevel::kError);
  const std::string seen = StderrOf([] {
    LogInfo("quiet line");
    LogError("loud line");
  });
  SetStderrLevel(LogLevel::kInfo);
  EXPECT_THAT(seen, Not(HasSubstr("quiet line")));
  EXPECT_THAT(seen, HasSubstr("loud line"));
  const std::string file = ReadFile(path, Kind::kData);
  EXPECT_THAT(file, HasSubstr("I quiet line\n"));
  EXPECT_THAT(file, HasSubstr("E loud line\n"));
  std::filesystem::remove(path);
}

TEST(Log, AFileThatCannotBeOpenedIsNamed) {
  try {
    OpenLogFile("/dev/null/below");
    FAIL() << "an Error was expected";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kConfig);
    EXPECT_THAT(e.message(), HasSubstr("/dev/null/below"));
  }
}

}  // namespace
}  // namespace cadmus
