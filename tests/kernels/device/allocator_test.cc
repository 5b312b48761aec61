// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "kernels/device/tensor.h"
#include "kernels/device/trace.h"
#include "kernels/open_device.h"
#include "tests/support/allocation_count.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSlab = 1 << 20;
constexpr MemoryCategory kAny = MemoryCategory::kWorkspace;

class AllocatorTest : public ::testing::Test {
 protected:
  AllocatorTest()
      : device_(OpenDevice({.kind = DeviceKind::kSim, .memory_bytes = kSlab})),
        compute_(device_->NewStream(StreamKind::kCompute, "compute")),
        communication_(device_->NewStream(StreamKind::kCommunication, "communication")) {}

  Allocator& allocator() { return device_->allocator(); }
  void* Allocate(int64_t bytes) { return allocator().Allocate(bytes, kAny, *compute_); }
  int64_t OffsetFrom(void* base, void* memory) {
    return static_cast<char*>(memory) - static_cast<char*>(base);
  }

  // The marks and waits noted since the last call: "record 1 0", "wait 0 0" (stream, event).
  std::vector<std::string> TakeMarks() {
    std::vector<std::string> out;
    for (const TraceEntry& entry : device_->trace()->entries()) {
      out.push_back(StrCat(entry.name, " ", entry.stream, " ", entry.event));
    }
    device_->trace()->Clear();
    return out;
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> compute_;        // stream 0
  std::unique_ptr<Stream> communication_;  // stream 1
};

TEST_F(AllocatorTest, SizesAreRoundedUpAndZeroBytesHaveTheirOwnAddress) {
  void* a = Allocate(0);
  void* b = Allocate(0);
  void* c = Allocate(257);
  void* d = Allocate(1);
  EXPECT_NE(a, nullptr);
  EXPECT_EQ(OffsetFrom(a, b), 256);
  EXPECT_EQ(OffsetFrom(a, c), 512);
  EXPECT_EQ(OffsetFrom(a, d), 1024);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a) % Allocator::kAlignment, 0U);
  for (void* memory : {a, b, c, d}) allocator().Free(memory);
}

TEST_F(AllocatorTest, TakesTheLowestHoleThatFits) {
  void* a = Allocate(1024);
  void* b = Allocate(256);
  void* c = Allocate(512);
  void* d = Allocate(256);
  allocator().Free(a);
  allocator().Free(c);
  EXPECT_EQ(Allocate(512), a);  // the larger hole comes first: first fit, not best fit
  EXPECT_EQ(OffsetFrom(a, Allocate(512)), 512);
  EXPECT_EQ(Allocate(512), c);
  for (int offset : {0, 512}) allocator().Free(static_cast<char*>(a) + offset);
  for (void* memory : {b, c, d}) allocator().Free(memory);
}

TEST_F(AllocatorTest, FreedNeighboursBecomeOneHole) {
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(Allocate(kSlab / 4));
  for (int i : {2, 0, 3, 1}) allocator().Free(blocks[static_cast<size_t>(i)]);
  void* whole = Allocate(kSlab);
  EXPECT_EQ(whole, blocks[0]);
  allocator().Free(whole);
}

TEST_F(AllocatorTest, NeighboursWithDifferentMarksServeOneAllocation) {
  void* a = Allocate(kSlab / 2);
  void* b = allocator().Allocate(kSlab / 2, kAny, *communication_);
  allocator().Free(a);
  allocator().Free(b);
  TakeMarks();
  void* whole = Allocate(kSlab);
  EXPECT_EQ(whole, a);
  EXPECT_EQ(TakeMarks(), (std::vector<std::string>{"wait 0 0"}));
  allocator().Free(whole);
}

TEST_F(AllocatorTest, ExhaustionNamesRequestFreeHoleCategoriesAndRemedy) {
  void* a = allocator().Allocate(kSlab / 2, MemoryCategory::kWeights, *compute_);
  void* b = allocator().Allocate(256, MemoryCategory::kGradients, *compute_);
  void* c = allocator().Allocate(kSlab / 2 - 1024, MemoryCategory::kOptimizer, *compute_);
  allocator().Free(b);
  try {
    Allocate(1000);
    FAIL() << "an Error was expected";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kOutOfMemory);
    EXPECT_THAT(e.message(), HasSubstr("1000 bytes of workspace"));
    EXPECT_THAT(e.message(), HasSubstr("1024 are free, the largest hole has 768"));
    EXPECT_THAT(e.message(), HasSubstr(StrCat("weights ", kSlab / 2)));
    EXPECT_THAT(e.message(), HasSubstr("gradients 0"));
    EXPECT_THAT(e.message(), HasSubstr(StrCat("optimizer ", kSlab / 2 - 1024)));
    EXPECT_THAT(e.message(), HasSubstr("device.memory"));
  }
  EXPECT_THROW(Allocate(INT64_MAX), Error);
  EXPECT_THROW(Allocate(-1), Error);
  allocator().Free(a);
  allocator().Free(c);
  allocator().Free(Allocate(kSlab));  // a failed request changes nothing
}

TEST_F(AllocatorTest, PeaksAreKeptPerCategoryEachAtItsOwnMoment) {
  void* a = allocator().Allocate(1024, MemoryCategory::kWeights, *compute_);
  allocator().Free(a);
  void* b = allocator().Allocate(512, MemoryCategory::kGradients, *compute_);
  const MemoryStats& stats = allocator().stats();
  EXPECT_EQ(stats.peak_bytes[static_cast<size_t>(MemoryCategory::kWeights)], 1024);
  EXPECT_EQ(stats.peak_bytes[static_cast<size_t>(MemoryCategory::kGradients)], 512);
  EXPECT_EQ(stats.current_bytes[static_cast<size_t>(MemoryCategory::kWeights)], 0);
  EXPECT_EQ(stats.peak_total_bytes, 1024);
  EXPECT_EQ(stats.current_total_bytes, 512);
  EXPECT_EQ(stats.high_water_bytes, 1024);
  allocator().Free(b);
}

TEST_F(AllocatorTest, EqualSequencesHaveEqualHashesOnEveryDevice) {
  auto cpu = OpenDevice({.memory_bytes = kSlab, .pool = MakeThreadPool(1)});
  auto stream = cpu->NewStream(StreamKind::kCompute, "compute");
  auto play = [](Allocator& allocator, Stream& on, int64_t size) {
    allocator.ResetAddressHash();
    void* a = allocator.Allocate(size, kAny, on);
    void* b = allocator.Allocate(300, kAny, on);
    allocator.Free(a);
    void* c = allocator.Allocate(100, kAny, on);
    allocator.Free(b);
    allocator.Free(c);
    return allocator.address_hash();
  };
  const uint64_t hash = play(allocator(), *compute_, 700);
  EXPECT_EQ(play(allocator(), *compute_, 700), hash);
  EXPECT_EQ(play(cpu->allocator(), *stream, 700), hash);
  EXPECT_NE(play(allocator(), *compute_, 800), hash);
}

TEST_F(AllocatorTest, ReuseOnTheSameStreamNeedsNoEvent) {
  void* a = Allocate(512);
  allocator().Free(a);
  EXPECT_EQ(Allocate(512), a);
  allocator().Free(a);
  EXPECT_EQ(TakeMarks(), std::vector<std::string>{});
}

TEST_F(AllocatorTest, ReuseByAnotherStreamWaitsForTheFirst) {
  void* a = Allocate(512);
  allocator().Free(a);
  EXPECT_EQ(allocator().Allocate(512, kAny, *communication_), a);
  EXPECT_EQ(TakeMarks(), (std::vector<std::string>{"record 0 0", "wait 1 0"}));
  allocator().Free(a);  // marked now: a communication stream's memory is mostly for others
  EXPECT_EQ(TakeMarks(), (std::vector<std::string>{"record 1 0"}));
  EXPECT_EQ(Allocate(256), a);
  EXPECT_EQ(TakeMarks(), (std::vector<std::string>{"wait 0 0"}));
  // The rest of the hole is still behind the communication stream.
  void* rest = Allocate(256);
  EXPECT_EQ(TakeMarks(), (std::vector<std::string>{"wait 0 0"}));
  // Memory beyond it never was.
  void* fresh = Allocate(256);
  EXPECT_EQ(TakeMarks(), std::vector<std::string>{});
  for (void* memory : {a, rest, fresh}) allocator().Free(memory);
}

TEST_F(AllocatorTest, UseByAnotherStreamIsWaitedForAtReuse) {
  void* a = Allocate(512);
  allocator().RecordUse(a, *communication_);
  allocator().RecordUse(a, *communication_);
  allocator().RecordUse(a, *compute_);
  EXPECT_EQ(TakeMarks(), std::vector<std::string>{});
  allocator().Free(a);
  EXPECT_EQ(TakeMarks(), (std::vector<std::string>{"record 1 0"}));
  EXPECT_EQ(Allocate(512), a);
  EXPECT_EQ(TakeMarks(), (std::vector<std::string>{"wait 0 0"}));
  allocator().Free(a);
  // The event went back to the pool.
  void* b = allocator().Allocate(1024, kAny, *communication_);
  EXPECT_EQ(TakeMarks(), (std::vector<std::string>{"record 0 0", "wait 1 0"}));
  allocator().Free(b);
}

TEST_F(AllocatorTest, OneWaitPerStreamForItsLatestMark) {
  void* a = allocator().Allocate(256, kAny, *communication_);
  void* b = allocator().Allocate(256, kAny, *communication_);
  allocator().Free(b);  // event 0
  allocator().Free(a);  // event 1
  TakeMarks();
  allocator().Free(Allocate(512));
  EXPECT_EQ(TakeMarks(), (std::vector<std::string>{"wait 0 1"}));
}

TEST_F(AllocatorTest, StreamsThatEndedAreNotWaitedFor) {
  auto other = device_->NewStream(StreamKind::kCommunication, "other");
  void* a = allocator().Allocate(512, kAny, *other);
  void* b = Allocate(512);
  void* c = allocator().Allocate(512, kAny, *other);
  allocator().RecordUse(b, *other);
  allocator().Free(a);
  TakeMarks();
  other.reset();
  allocator().Free(b);
  allocator().Free(c);
  EXPECT_EQ(Allocate(1536), a);
  EXPECT_EQ(TakeMarks(), std::vector<std::string>{});
  allocator().Free(a);
}

TEST_F(AllocatorTest, ForeignAndDoublyFreedMemoryIsReportedNotFreed) {
  void* a = Allocate(512);
  allocator().Free(a);
  ::testing::internal::CaptureStderr();
  allocator().Free(a);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("not allocated here"));
  EXPECT_THROW(allocator().RecordUse(a, *compute_), Error);
}

TEST_F(AllocatorTest, TensorsFreeTheirMemoryAndAreEmptyAfterAMove) {
  {
    Tensor a(DType::kF32, {3, 100}, MemoryCategory::kWeights, *compute_);
    EXPECT_EQ(allocator().stats().current_total_bytes, 1280);
    Tensor b = std::move(a);
    EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move)
    EXPECT_TRUE(b);
    EXPECT_FALSE(a.view());
    a = std::move(b);
    EXPECT_EQ(a.view().shape(), (Shape{3, 100}));
    a = Tensor(DType::kF64, {}, MemoryCategory::kWeights, *compute_);
    EXPECT_EQ(allocator().stats().current_total_bytes, 256);
  }
  EXPECT_EQ(allocator().stats().current_total_bytes, 0);
}

// One round of a random pattern over two streams; returns the addresses.
std::vector<void*> PlayRandomly(Device& device, Stream& first, Stream& second, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<void*> live;
  std::vector<void*> handed_out;
  live.reserve(600);
  handed_out.reserve(600);
  for (int i = 0; i < 500; ++i) {
    Stream& stream = random() % 4 == 0 ? second : first;
    Stream& other = &stream == &first ? second : first;
    live.push_back(
        device.allocator().Allocate(static_cast<int64_t>(random() % 5000), kAny, stream));
    handed_out.push_back(live.back());
    if (random() % 3 == 0) device.allocator().RecordUse(live.back(), other);
    while (live.size() > 40 || (!live.empty() && random() % 3 == 0)) {
      std::swap(live[random() % live.size()], live.back());
      device.allocator().Free(live.back());
      live.pop_back();
    }
  }
  for (void* memory : live) device.allocator().Free(memory);
  return handed_out;
}

TEST_F(AllocatorTest, ARepeatedPatternAsksTheHeapForNothingAndRepeatsItsAddresses) {
  device_->set_trace(nullptr);
  const std::vector<void*> first = PlayRandomly(*device_, *compute_, *communication_, 7);
  EXPECT_EQ(PlayRandomly(*device_, *compute_, *communication_, 7), first);
  const int64_t before = NumAllocations();
  const std::vector<void*> third = PlayRandomly(*device_, *compute_, *communication_, 7);
  EXPECT_EQ(NumAllocations() - before, 2);  // the two vectors of PlayRandomly itself
  EXPECT_EQ(third, first);
}

TEST_F(AllocatorTest, RandomAllocationsNeverOverlapAndAreFirstFit) {
  device_->set_trace(nullptr);
  std::mt19937 random(11);
  std::map<int64_t, int64_t> model;  // offset to size
  void* base = Allocate(1);
  allocator().Free(base);
  for (int i = 0; i < 4000; ++i) {
    if (model.size() > 60 || (!model.empty() && random() % 2 == 0)) {
      auto victim = std::next(model.begin(), static_cast<long>(random() % model.size()));
      allocator().Free(static_cast<char*>(base) + victim->first);
      model.erase(victim);
      continue;
    }
    const int64_t bytes = static_cast<int64_t>(random() % 9000);
    const int64_t rounded = std::max<int64_t>(256, (bytes + 255) / 256 * 256);
    int64_t expected = 0;
    for (const auto& [offset, size] : model) {
      if (offset - expected >= rounded) break;
      expected = offset + size;
    }
    Stream& stream = random() % 2 == 0 ? *compute_ : *communication_;
    ASSERT_EQ(OffsetFrom(base, allocator().Allocate(bytes, kAny, stream)), expected);
    model[expected] = rounded;
  }
  for (const auto& [offset, size] : model) allocator().Free(static_cast<char*>(base) + offset);
}

}  // namespace
}  // namespace cadmus
