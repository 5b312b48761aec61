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

TEST(Log, RanksOfOneProcessHaveTheirOwnFilesAndLevels) {
  const auto folder = std::filesystem::path(::testing::TempDir());
  const auto path = [&](int rank) { return folder / StrCat("cadmus-log-test-", rank, ".log"); };
  const std::string seen = StderrOf([&] {
    for (int rank : {0, 1}) {
      SetRankLabel(StrCat("rank ", rank));
      std::filesystem::remove(path(rank));
      OpenLogFile(path(rank).string());
      if (rank == 1) SetStderrLevel(LogLevel::kError);
    }
    for (int rank : {0, 1}) {
      SetRankLabel(StrCat("rank ", rank));
      LogInfo(StrCat("information of ", rank));
      LogError(StrCat("error of ", rank));
    }
    SetRankLabel("");
    LogInfo("of nobody");
  });
  for (const char* text : {"information of 0", "error of 0", "error of 1", "of nobody"}) {
    EXPECT_THAT(seen, HasSubstr(text));
  }
  EXPECT_THAT(seen, Not(HasSubstr("information of 1")));
  for (int rank : {0, 1}) {
    const std::string file = ReadFile(path(rank), Kind::kData);
    EXPECT_THAT(file, HasSubstr(StrCat("I rank ", rank, ": information of ", rank, "\n")));
    EXPECT_THAT(file, Not(HasSubstr(StrCat("of ", 1 - rank, "\n"))));
    EXPECT_THAT(file, HasSubstr("I of nobody\n"));
    std::filesystem::remove(path(rank));
  }
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
