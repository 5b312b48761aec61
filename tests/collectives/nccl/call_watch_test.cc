// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/call_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Phase = WatchedCalls::Phase;

constexpr milliseconds kLimit(1000);
constexpr seconds kLong(60);

std::string TextOf(const std::exception_ptr& failure) {
  try {
    if (failure != nullptr) std::rethrow_exception(failure);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kCommunication);
    return error.message();
  }
  return "";
}

// A GPU and an NCCL that do what the test says.
class FakeCalls final : public WatchedCalls {
 public:
  Phase PhaseOf(int slot) override { return phases[slot]; }
  std::string AsyncError() override { return async_error; }
  void Abort(std::exception_ptr failure) noexcept override {
    ++num_aborts;
    failed_with = TextOf(failure);
  }

  std::map<int, Phase> phases;
  std::string async_error;
  std::atomic<int> num_aborts = 0;
  std::string failed_with;
};

class CallWatchTest : public ::testing::Test {
 protected:
  int Issue(const char* site, int peer = -1) {
    const int slot = watch_.Take({.group = "tp",
                                  .op = peer < 0 ? CollectiveOp::kAllReduce : CollectiveOp::kSend,
                                  .sequence = sequence_++,
                                  .bytes = 8,
                                  .dtype = DType::kF64,
                                  .site = site},
                                 peer, milliseconds(20));
    calls_.phases[slot] = Phase::kWaiting;
    watch_.Issued(slot);
    return slot;
  }
  Recorder::State StateOf(int64_t id) {
    return recorder_.Snapshot()[static_cast<size_t>(id)].state;
  }
  std::string Failure() {
    try {
      watch_.ThrowIfFailed();
    } catch (...) {
      return TextOf(std::current_exception());
    }
    return "";
  }

  Recorder recorder_;
  FakeCalls calls_;
  CallWatch watch_{{.rank = 1, .world_ranks = {4, 5, 6}}, kLimit, recorder_, calls_};
  const CallWatch::Clock::time_point start_ = CallWatch::Clock::now();
  int64_t sequence_ = 0;
};

TEST_F(CallWatchTest, RecordsCallsAsTheStreamReachesAndLeavesThem) {
  const int first = Issue("a"), second = Issue("b");
  watch_.Check(start_);
  EXPECT_EQ(StateOf(0), Recorder::State::kIssued);
  calls_.phases[first] = Phase::kRunning;
  watch_.Check(start_);
  EXPECT_EQ(StateOf(0), Recorder::State::kStarted);
  calls_.phases[first] = calls_.phases[second] = Phase::kDone;
  watch_.Check(start_);
  EXPECT_EQ(StateOf(0), Recorder::State::kFinished);
  EXPECT_EQ(StateOf(1), Recorder::State::kFinished);
  EXPECT_FALSE(watch_.IsBusy());
}

TEST_F(CallWatchTest, ACallExpiresByTheTimeThatItRuns) {
  const int slot = Issue("gradients");
  watch_.Check(start_ + 10 * kLimit);  // its stream has not reached it: not the peers' fault
  EXPECT_EQ(Failure(), "");
  calls_.phases[slot] = Phase::kRunning;
  watch_.Check(start_ + 10 * kLimit);
  watch_.Check(start_ + 11 * kLimit);
  EXPECT_EQ(Failure(), "");
  watch_.Check(start_ + 11 * kLimit + milliseconds(1));
  EXPECT_THAT(Failure(),
              HasSubstr("group tp (3 ranks), all-reduce #0 'gradients' (8 bytes of F64): "
                        "rank 1 has waited 1.0 s for ranks 0, 2 (ranks 4, 6 of the "
                        "world); they may be stopped"));
  EXPECT_EQ(calls_.failed_with, Failure());
  EXPECT_EQ(calls_.num_aborts, 1);
  const Recorder::Record record = recorder_.Snapshot()[0];
  EXPECT_EQ(record.state, Recorder::State::kFailed);
  EXPECT_EQ(record.num_missing, 2);
  EXPECT_EQ(record.missing[1], 6);
}

TEST_F(CallWatchTest, ACallBehindASlowOneHasTheWholeLimit) {
  const int first = Issue("a"), second = Issue("b");
  calls_.phases[first] = calls_.phases[second] = Phase::kRunning;
  watch_.Check(start_);
  calls_.phases[first] = Phase::kDone;
  watch_.Check(start_ + kLimit);
  watch_.Check(start_ + 2 * kLimit);
  EXPECT_EQ(Failure(), "");
}

TEST_F(CallWatchTest, ALoneSendNamesItsPeer) {
  calls_.phases[Issue("activations", 2)] = Phase::kRunning;
  watch_.Check(start_);
  watch_.Check(start_ + 2 * kLimit);
  EXPECT_THAT(Failure(), HasSubstr("for rank 2 (rank 6 of the world); it may be stopped"));
}

TEST_F(CallWatchTest, AnErrorOfNcclEndsAllCallsOnce) {
  Issue("a");
  Issue("b");
  calls_.async_error = "remote process has exited";
  watch_.Check(start_);
  watch_.Check(start_);
  EXPECT_THAT(Failure(), HasSubstr("all-reduce #0 'a' (8 bytes of F64) at rank 1: remote process"));
  EXPECT_EQ(calls_.num_aborts, 1);
  EXPECT_FALSE(watch_.IsBusy());
  EXPECT_EQ(StateOf(1), Recorder::State::kFailed);
  EXPECT_THROW(Issue("later"), Error);
}

TEST_F(CallWatchTest, AFullGroupWaitsForACallToEndAndThenSaysSo) {
  for (int i = 0; i < CallWatch::kMaxCalls; ++i) Issue("one of many");
  try {
    Issue("one too many");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("32 calls are issued and none has ended within"));
  }
  calls_.phases[0] = Phase::kDone;
  watch_.Check(start_);
  EXPECT_EQ(Issue("next"), 0);
}

TEST_F(CallWatchTest, ACallThatWasNotIssuedLeavesNothing) {
  const int slot = watch_.Take({.group = "tp"}, -1, milliseconds(20));
  watch_.Check(start_);
  watch_.NotIssued(slot);
  EXPECT_FALSE(watch_.IsBusy());
  EXPECT_EQ(StateOf(0), Recorder::State::kFailed);
  EXPECT_EQ(Issue("next"), slot);
}

TEST_F(CallWatchTest, TheWatcherLooksWhileCallsAreUnderWay) {
  calls_.phases[Issue("a")] = Phase::kDone;
  CallWatcher watcher("rank 1");
  {
    const CallWatcher::Registration registration(watcher, watch_);
    watcher.Wake();
    EXPECT_TRUE(watch_.AwaitIdle(kLong));
  }
  Issue("b");
  watcher.Wake();
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_THAT((std::vector{StateOf(0), StateOf(1)}),
              ElementsAre(Recorder::State::kFinished, Recorder::State::kIssued));
}

}  // namespace
}  // namespace cadmus
