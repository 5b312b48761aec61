// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace cadmus {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ErrorTest : public ::testing::Test {
 protected:
  ~ErrorTest() override { SetRankLabel(""); }
};

TEST_F(ErrorTest, TextNamesKindMessageAndPlaceFromTheRepositoryRoot) {
  const int line = __LINE__ + 1;
  const Error e(Kind::kData, "empty data set");
  EXPECT_EQ(std::string(e.what()),
            StrCat("data error: empty data set [tests/kernels/base/error_test.cc:", line, "]"));
  EXPECT_EQ(e.kind(), Kind::kData);
  EXPECT_EQ(e.message(), "empty data set");
}

TEST_F(ErrorTest, TextCarriesTheRankLabelOfTheThread) {
  SetRankLabel("rank 3");
  EXPECT_THAT(Error(Kind::kConfig, "x").what(), StartsWith("rank 3: config error: x ["));
  std::string elsewhere;
  std::jthread([&] { elsewhere = Error(Kind::kConfig, "x").what(); }).join();
  EXPECT_THAT(elsewhere, StartsWith("config error: x"));
}

TEST_F(ErrorTest, KindsAreTheExitCodesAndEachHasAName) {
  EXPECT_EQ(static_cast<int>(Kind::kInternal), 1);
  EXPECT_EQ(static_cast<int>(Kind::kConfig), 2);
  EXPECT_EQ(static_cast<int>(Kind::kData), 3);
  EXPECT_EQ(static_cast<int>(Kind::kCheckpoint), 4);
  EXPECT_EQ(static_cast<int>(Kind::kNumerics), 5);
  EXPECT_EQ(static_cast<int>(Kind::kCommunication), 6);
  EXPECT_EQ(static_cast<int>(Kind::kHardware), 7);
  EXPECT_EQ(static_cast<int>(Kind::kOutOfMemory), 8);
  EXPECT_EQ(static_cast<int>(Kind::kPreempted), 75);
  for (int code : {1, 2, 3, 4, 5, 6, 7, 8, 75}) {
    EXPECT_NE(KindName(static_cast<Kind>(code)), "unknown") << code;
  }
}

TEST_F(ErrorTest, ChecksNameTheConditionAndEvaluateTheMessageOnlyOnFailure) {
  int evaluations = 0;
  auto message = [&] { return StrCat("rows = ", ++evaluations); };
  CADMUS_CHECK(1 + 1 == 2, message());
  EXPECT_EQ(evaluations, 0);
  try {
    CADMUS_CHECK(1 + 1 == 3, message());
    FAIL() << "an Error was expected";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kInternal);
    EXPECT_EQ(e.message(), "check failed: 1 + 1 == 3: rows = 1");
    EXPECT_THAT(e.what(), HasSubstr("error_test.cc:"));
    EXPECT_THAT(e.what(), EndsWith("]"));
  }
}

TEST_F(ErrorTest, UnreachableThrowsItsReason) {
  EXPECT_THAT([] { CADMUS_UNREACHABLE("all kinds are handled"); },
              ::testing::ThrowsMessage<Error>(HasSubstr("all kinds are handled")));
}

}  // namespace
}  // namespace cadmus
