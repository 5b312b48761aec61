// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cpu/device.h"
#include "kernels/cpu/thread_pool.h"

namespace cadmus::cpu {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr milliseconds kLong = std::chrono::seconds(30);

class StreamTest : public ::testing::Test {
 protected:
  std::unique_ptr<Stream> NewCompute(Device& device) {
    return device.NewStream(StreamKind::kCompute, "compute");
  }
  std::unique_ptr<Stream> NewCommunication(Device& device) {
    return device.NewStream(StreamKind::kCommunication, "comm");
  }
  template <class Call>
  std::string MessageOf(Call&& call) {
    try {
      call();
    } catch (const std::exception& e) {
      return e.what();
    }
    return "no error";
  }

  std::shared_ptr<ThreadPool> pool_ = std::make_shared<ThreadPool>(2);
  CpuDevice device_{1 << 20, pool_, CpuStreams::kInline};
  CpuDevice threaded_{1 << 20, pool_, CpuStreams::kThreaded};
};

TEST_F(StreamTest, AComputeStreamRunsOnTheCallingThreadAndACommunicationStreamOnAWorker) {
  auto compute = NewCompute(device_);
  auto comm = NewCommunication(device_);
  auto threaded = NewCompute(threaded_);
  const auto caller = std::this_thread::get_id();
  std::array<std::thread::id, 3> seen;
  cpu::Run(*compute, [&] { seen[0] = std::this_thread::get_id(); });
  EXPECT_EQ(seen[0], caller);
  cpu::Run(*comm, [&] { seen[1] = std::this_thread::get_id(); });
  cpu::Run(*threaded, [&] { seen[2] = std::this_thread::get_id(); });
  comm->Synchronize(kLong);
  threaded->Synchronize(kLong);
  EXPECT_NE(seen[1], caller);
  EXPECT_NE(seen[2], caller);
  EXPECT_EQ(&PoolOf(*threaded), pool_.get());
}

TEST_F(StreamTest, WorkRunsInOrderAlsoWhenTheRingWraps) {
  auto comm = NewCommunication(device_);
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) cpu::Run(*comm, [&order, i] { order.push_back(i); });
  comm->Synchronize(kLong);
  ASSERT_EQ(order.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST_F(StreamTest, WorkIsCopiedAndDestroyedAlsoWhenItIsSkipped) {
  std::latch go(1);  // outlives the worker that waits for it
  auto counted = std::make_shared<int>(0);
  auto comm = NewCommunication(device_);
  cpu::Run(*comm, [&go] {
    go.wait();
    throw Error(Kind::kHardware, "planted");
  });
  for (int i = 0; i < 3; ++i) cpu::Run(*comm, [counted] { ++*counted; });
  EXPECT_EQ(counted.use_count(), 4);
  go.count_down();
  EXPECT_THROW(comm->Synchronize(kLong), Error);
  comm.reset();
  EXPECT_EQ(counted.use_count(), 1);
  EXPECT_EQ(*counted, 0);
}

TEST_F(StreamTest, AnEventOrdersTwoStreams) {
  auto a = NewCompute(threaded_);
  auto b = NewCommunication(threaded_);
  auto event = threaded_.NewEvent();
  int value = 0;  // a race detector sees any missing order
  for (int i = 0; i < 500; ++i) {
    cpu::Run(*a, [&value] { ++value; });
    a->Record(*event);
    b->Wait(*event);
    cpu::Run(*b, [&value] {
      value *= 3;
      value %= 1000;
    });
    b->Record(*event);
    a->Wait(*event);
  }
  a->Synchronize(kLong);
  int expected = 0;
  for (int i = 0; i < 500; ++i) expected = (expected + 1) * 3 % 1000;
  EXPECT_EQ(value, expected);
}

TEST_F(StreamTest, AWaitTakesTheMarkAsItIsAtThatMoment) {
  std::latch go(1);  // outlives the worker that waits for it
  auto a = NewCommunication(device_);
  auto b = NewCommunication(device_);
  auto event = device_.NewEvent();
  a->Record(*event);  // nothing before it: reached
  b->Wait(*event);
  cpu::Run(*a, [&go] { go.wait(); });
  a->Record(*event);
  b->Synchronize(kLong);  // does not depend on the later mark
  EXPECT_THROW(event->Synchronize(milliseconds(1)), Error);
  go.count_down();
  event->Synchronize(kLong);
}

TEST_F(StreamTest, AnInlineStreamWaitsAtOnce) {
  std::latch go(1);  // outlives the worker that waits for it
  auto compute = NewCompute(device_);
  auto comm = NewCommunication(device_);
  auto event = device_.NewEvent();
  int value = 0;
  cpu::Run(*comm, [&] {
    go.wait();
    value = 5;
  });
  comm->Record(*event);
  go.count_down();
  compute->Wait(*event);
  EXPECT_EQ(value, 5);
}

TEST_F(StreamTest, AWaitThatTakesTooLongNamesWhoWaitsForWhat) {
  std::latch go(1);  // outlives the worker that waits for it
  auto compute = NewCompute(device_);
  auto comm = NewCommunication(device_);
  device_.NewEvent();
  auto event = device_.NewEvent();
  cpu::Run(*comm, [] {});
  cpu::Run(*comm, [&go] { go.wait(); });
  cpu::Run(*comm, [] {});
  comm->Record(*event);
  device_.set_wait_limit(milliseconds(20));
  EXPECT_THAT(MessageOf([&] { compute->Wait(*event); }),
              AllOf(HasSubstr("communication error: stream compute has waited 20 ms for event 1 "
                              "of stream comm"),
                    HasSubstr("of the 3 works")));
  EXPECT_THAT(MessageOf([&] { event->Synchronize(milliseconds(5)); }),
              HasSubstr("the host has waited 5 ms for event 1 of stream comm"));
  EXPECT_THAT(MessageOf([&] { comm->Synchronize(milliseconds(5)); }),
              HasSubstr("the host has waited 5 ms for stream comm"));
  go.count_down();
}

TEST_F(StreamTest, AFullRingIsWaitedForWithinTheLimit) {
  std::latch go(1);  // outlives the worker that waits for it
  auto comm = NewCommunication(device_);
  device_.set_wait_limit(milliseconds(20));
  int count = 0;
  cpu::Run(*comm, [&go] { go.wait(); });
  for (uint64_t i = 1; i < WorkQueue::kNumSlots; ++i) cpu::Run(*comm, [&count] { ++count; });
  EXPECT_THAT(MessageOf([&] { cpu::Run(*comm, [&count] { ++count; }); }),
              HasSubstr("waited 20 ms for room in stream comm"));
  go.count_down();
  comm->Synchronize(kLong);
  EXPECT_EQ(count, static_cast<int>(WorkQueue::kNumSlots) - 1);
}

TEST_F(StreamTest, AFailureReachesTheHostAndWaitingStreamsButNotEarlierMarks) {
  auto a = NewCommunication(device_);
  auto b = NewCommunication(device_);
  auto compute = NewCompute(device_);
  auto before = device_.NewEvent();
  auto after = device_.NewEvent();
  auto relayed = device_.NewEvent();
  bool ran = false;
  cpu::Run(*a, [] {});
  a->Record(*before);
  cpu::Run(*a, [] { throw Error(Kind::kNumerics, "planted"); });
  a->Record(*after);
  b->Wait(*after);
  cpu::Run(*b, [&ran] { ran = true; });
  b->Record(*relayed);
  before->Synchronize(kLong);
  EXPECT_THAT(MessageOf([&] { after->Synchronize(kLong); }), HasSubstr("numerics error: planted"));
  EXPECT_THAT(MessageOf([&] { relayed->Synchronize(kLong); }), HasSubstr("planted"));
  EXPECT_THAT(MessageOf([&] { compute->Wait(*relayed); }), HasSubstr("planted"));
  EXPECT_THAT(MessageOf([&] { a->Synchronize(kLong); }), HasSubstr("planted"));
  EXPECT_THAT(MessageOf([&] { b->Synchronize(kLong); }), HasSubstr("planted"));
  EXPECT_FALSE(ran);
}

TEST_F(StreamTest, AFailureThatNobodyWaitedForIsLogged) {
  ::testing::internal::CaptureStderr();
  auto comm = NewCommunication(device_);
  cpu::Run(*comm, [] { throw Error(Kind::kHardware, "planted"); });
  comm.reset();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("planted"));
}

TEST_F(StreamTest, AnInlineFailureReachesTheCallerAtOnce) {
  auto compute = NewCompute(device_);
  EXPECT_THROW(cpu::Run(*compute, [] { throw Error(Kind::kHardware, "planted"); }), Error);
  compute->Synchronize(kLong);
}

TEST_F(StreamTest, AWorkerCarriesTheRankLabelOfItsMaker) {
  SetRankLabel("rank 3");
  auto comm = NewCommunication(device_);
  SetRankLabel("");
  std::string label;
  cpu::Run(*comm, [&label] { label = RankLabel(); });
  comm->Synchronize(kLong);
  EXPECT_EQ(label, "rank 3");
}

TEST_F(StreamTest, EndingAStreamFinishesItsWork) {
  auto comm = NewCommunication(device_);
  int count = 0;
  for (int i = 0; i < 100; ++i) cpu::Run(*comm, [&count] { ++count; });
  comm.reset();
  EXPECT_EQ(count, 100);
}

TEST_F(StreamTest, AFullSlotOfCapturesFits) {
  struct Large {
    std::array<char, WorkQueue::kSlotBytes - 16> bytes;
    std::atomic<int>* sum;
    void operator()() const { *sum += bytes[0] + bytes.back(); }
  };
  std::atomic<int> sum = 0;
  Large large = {{}, &sum};
  large.bytes[0] = 1;
  large.bytes.back() = 2;
  auto comm = NewCommunication(device_);
  for (int i = 0; i < 200; ++i) cpu::Run(*comm, large);
  comm->Synchronize(kLong);
  EXPECT_EQ(sum, 600);
}

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size_pages = 0;
  int64_t resident_pages = 0;
  statm >> size_pages >> resident_pages;
  return resident_pages * ::sysconf(_SC_PAGESIZE);
}

TEST_F(StreamTest, MemoryBecomesResidentOnlyAsItIsTouched) {
  const int64_t before = ResidentBytes();
  CpuDevice large(int64_t{1} << 40, pool_, CpuStreams::kInline);
  auto compute = NewCompute(large);
  void* memory = large.allocator().Allocate(int64_t{1} << 39, MemoryCategory::kWorkspace, *compute);
  const TensorView touched(memory, DType::kU8, {32 << 20});
  large.FillZero(touched, *compute);
  const int64_t grown = ResidentBytes() - before;
  EXPECT_GE(grown, 30 << 20);
  EXPECT_LE(grown, 256 << 20);  // a thread sanitizer keeps four more bytes per byte touched
  large.allocator().Free(memory);
}

}  // namespace
}  // namespace cadmus::cpu
