// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/await_ready.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kAmple(60);

TEST(AwaitReady, AsksUntilReady) {
  int num_asked = 0;
  AwaitReady([&] { return ++num_asked < 5 ? Readiness::kInProgress : Readiness::kReady; }, kAmple,
             "init");
  EXPECT_EQ(num_asked, 5);
}

TEST(AwaitReady, NamesWhatIsNotReadyWithinTheLimit) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    AwaitReady([] { return Readiness::kInProgress; }, milliseconds(30), "group tp, init");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kCommunication);
    EXPECT_THAT(error.message(), HasSubstr("group tp, init: not done within 30.0 ms"));
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(30));
}

TEST(AwaitReady, LetsAFailureThroughAtOnce) {
  EXPECT_THROW(
      AwaitReady([]() -> Readiness { throw Error(Kind::kHardware, "link down"); }, kAmple, "init"),
      Error);
}

TEST(AbortWithin, SaysWhetherItHasComeBack) {
  EXPECT_TRUE(AbortWithin(kAmple, [] {}));
  // shared_ptr: the abort that is left behind owns what it holds.
  const auto release = std::make_shared<std::promise<void>>();
  const auto has_ended = std::make_shared<std::promise<void>>();
  EXPECT_FALSE(AbortWithin(milliseconds(20), [release, has_ended] {
    release->get_future().wait();
    has_ended->set_value();
  }));
  release->set_value();
  EXPECT_EQ(has_ended->get_future().wait_for(kAmple), std::future_status::ready);
}

}  // namespace
}  // namespace cadmus
