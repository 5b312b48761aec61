// SPDX-License-Identifier: Apache-2.0
// What every device promises, on each of them.
#include "kernels/device/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/device/host_value.h"
#include "kernels/device/tensor.h"
#include "kernels/device/trace.h"
#include "kernels/open_device.h"
#include "tests/support/allocation_count.h"
#include "tests/support/test_device.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

constexpr MemoryCategory kAny = MemoryCategory::kWorkspace;
constexpr std::chrono::milliseconds kLimit = std::chrono::seconds(30);

class DeviceTest : public ::testing::TestWithParam<DeviceCase> {
 protected:
  DeviceTest()
      : device_(OpenDevice({.kind = GetParam().kind,
                            .memory_bytes = 1 << 20,
                            .pool = MakeThreadPool(2),
                            .cpu_streams = GetParam().streams})),
        compute_(device_->NewStream(StreamKind::kCompute, "compute")),
        communication_(device_->NewStream(StreamKind::kCommunication, "communication")) {}

  bool computes() const { return GetParam().kind != DeviceKind::kSim; }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> compute_;
  std::unique_ptr<Stream> communication_;
};

INSTANTIATE_TEST_SUITE_P(AllDevices, DeviceTest, ::testing::ValuesIn(DeviceCases()),
                         [](const auto& test) { return test.param.name; });

TEST_P(DeviceTest, CopiesThereAcrossStreamsAndBack) {
  std::vector<float> source(1000);
  std::iota(source.begin(), source.end(), 1.0F);
  std::vector<float> result(1000, -1.0F);
  const Shape shape = {10, 100};
  Tensor a(DType::kF32, shape, kAny, *compute_);
  Tensor b(DType::kF32, shape, kAny, *compute_);
  auto there = device_->NewEvent();
  auto moved = device_->NewEvent();
  device_->CopyToDevice(a, ConstTensorView(source.data(), DType::kF32, shape), *compute_);
  compute_->Record(*there);
  communication_->Wait(*there);
  device_->CopyOnDevice(b, a, *communication_);
  device_->FillZero(b.view().Slice(0, 0, 1), *communication_);
  communication_->Record(*moved);
  compute_->Wait(*moved);
  device_->CopyToHost(TensorView(result.data(), DType::kF32, shape), b, *compute_);
  compute_->Synchronize(kLimit);
  if (!computes()) {
    EXPECT_EQ(result, std::vector<float>(1000, -1.0F));
    return;
  }
  std::vector<float> expected = source;
  std::fill(expected.begin(), expected.begin() + 100, 0.0F);
  EXPECT_EQ(result, expected);
}

TEST_P(DeviceTest, TheTraceHoldsCopiesMarksAndWaitsInOrder) {
  Trace trace;
  device_->set_trace(&trace);
  std::vector<double> host(4);
  Tensor x(DType::kF64, {4}, kAny, *compute_);
  auto event = device_->NewEvent();
  device_->CopyToDevice(x, ConstTensorView(host.data(), DType::kF64, {4}), *compute_);
  compute_->Record(*event);
  communication_->Wait(*event);
  device_->CopyToHost(TensorView(host.data(), DType::kF64, {4}), x, *communication_);
  device_->FillZero(x, *communication_);
  communication_->Synchronize(kLimit);
  device_->set_trace(nullptr);
  compute_->Record(*event);

  const std::vector<TraceEntry>& entries = trace.entries();
  ASSERT_EQ(entries.size(), 5U);
  EXPECT_EQ(entries[0].name, "copy to device");
  EXPECT_EQ(entries[0].kind, TraceEntry::Kind::kCopy);
  EXPECT_EQ(entries[0].payload_bytes, 32);
  ASSERT_EQ(entries[0].accesses.size(), 1U);  // the device side only
  EXPECT_EQ(entries[0].accesses[0].begin, reinterpret_cast<uint64_t>(x.view().raw()));
  EXPECT_EQ(entries[0].accesses[0].end - entries[0].accesses[0].begin, 32U);
  EXPECT_EQ(entries[0].accesses[0].mode, AccessMode::kWrite);
  EXPECT_EQ(entries[1].kind, TraceEntry::Kind::kRecord);
  EXPECT_EQ(entries[1].stream, compute_->id());
  EXPECT_EQ(entries[1].event, event->id());
  EXPECT_EQ(entries[2].kind, TraceEntry::Kind::kWait);
  EXPECT_EQ(entries[2].stream, communication_->id());
  EXPECT_EQ(entries[2].event, event->id());
  EXPECT_EQ(entries[3].name, "copy to host");
  EXPECT_EQ(entries[3].accesses[0].mode, AccessMode::kRead);
  EXPECT_EQ(entries[4].name, "fill zero");
}

TEST_P(DeviceTest, CopiesThatDoNotFitAreRefused) {
  std::vector<float> host(6);
  Tensor x(DType::kF32, {2, 3}, kAny, *compute_);
  const TensorView host_view(host.data(), DType::kF32, {2, 3});
  EXPECT_THROW(device_->CopyToDevice(x, host_view.Reshape({3, 2}), *compute_), Error);
  EXPECT_THROW(device_->CopyToHost(TensorView(host.data(), DType::kI32, {2, 3}), x, *compute_),
               Error);
  EXPECT_THROW(device_->CopyToDevice(x.view().Slice(1, 0, 2), host_view.Slice(1, 0, 2), *compute_),
               Error);
  EXPECT_THROW(device_->FillZero(x.view().Slice(1, 0, 2), *compute_), Error);
}

TEST_P(DeviceTest, EmptyCopiesAreNoWork) {
  Tensor x(DType::kF32, {0, 3}, kAny, *compute_);
  device_->CopyToDevice(x, ConstTensorView(nullptr, DType::kF32, {0, 3}), *compute_);
  device_->FillZero(x, *compute_);
  compute_->Synchronize(kLimit);
}

TEST_P(DeviceTest, AnEventNeverRecordedCountsAsReached) {
  auto event = device_->NewEvent();
  event->Synchronize(std::chrono::milliseconds(0));
  compute_->Wait(*event);
  communication_->Wait(*event);
  communication_->Synchronize(kLimit);
}

TEST_P(DeviceTest, EventsOutliveTheirStream) {
  auto event = device_->NewEvent();
  communication_->Record(*event);
  communication_.reset();
  event->Synchronize(kLimit);
  compute_->Wait(*event);
}

TEST_P(DeviceTest, HostValueFetchesOneNumberOrGivesTheExpectation) {
  const double source = 2.5;
  Tensor x(DType::kF64, {}, kAny, *compute_);
  device_->CopyToDevice(x, ConstTensorView(&source, DType::kF64, {}), *compute_);
  HostValue value(*device_, 7.0);
  EXPECT_THROW(value.Get(), Error);
  value.Fetch(x, *compute_);
  EXPECT_EQ(value.Get(), computes() ? 2.5 : 7.0);
  Tensor wrong(DType::kF32, {}, kAny, *compute_);
  EXPECT_THROW(value.Fetch(wrong, *compute_), Error);
  HostValue never_read(*device_, 0);
  never_read.Fetch(x, *compute_);
}

TEST_P(DeviceTest, IssuingAsksTheHeapForNothing) {
  device_->set_trace(nullptr);
  std::vector<double> host(64);
  HostValue value(*device_, 0);
  auto event = device_->NewEvent();
  auto step = [&] {
    for (int i = 0; i < 300; ++i) {
      Tensor x(DType::kF64, {64}, kAny, *compute_);
      device_->CopyToDevice(x, ConstTensorView(host.data(), DType::kF64, {64}), *compute_);
      compute_->Record(*event);
      communication_->Wait(*event);
      device_->FillZero(x, *communication_);
      x.RecordUse(*communication_);
    }
    Tensor y(DType::kF64, {}, kAny, *compute_);
    value.Fetch(y, *compute_);
    static_cast<void>(value.Get());
    communication_->Synchronize(kLimit);
  };
  step();
  step();
  const int64_t before = NumAllocations();
  step();
  EXPECT_EQ(NumAllocations() - before, 0);
}

TEST_P(DeviceTest, PropertiesSayWhatTheDeviceIs) {
  EXPECT_EQ(device_->properties().memory_bytes, 1 << 20);
  EXPECT_EQ(device_->allocator().capacity_bytes(), 1 << 20);
  if (!computes()) return;
  if (GetParam().kind == DeviceKind::kCuda) {
    EXPECT_GE(device_->properties().capability, 80);
    EXPECT_GT(device_->properties().compute_units, 0);
    EXPECT_THAT(device_->properties().name, HasSubstr("cuda: "));
    return;
  }
  EXPECT_EQ(device_->properties().compute_units, 2);
  EXPECT_THAT(device_->properties().name, HasSubstr("cpu: 2 threads"));
}

TEST(OpenDevice, ASimDeviceHasThePropertiesOfWhatItStandsFor) {
  auto device = OpenDevice(
      {.kind = DeviceKind::kSim,
       .memory_bytes = int64_t{140} << 30,
       .pool = nullptr,
       .stands_for = {
           .kind = DeviceKind::kCuda, .name = "a GPU", .compute_units = 132, .capability = 90}});
  EXPECT_EQ(device->properties().kind, DeviceKind::kCuda);
  EXPECT_EQ(device->properties().capability, 90);
  EXPECT_EQ(device->properties().memory_bytes, int64_t{140} << 30);
  auto stream = device->NewStream(StreamKind::kCompute, "compute");
  Tensor large(DType::kU8, {int64_t{139} << 30}, MemoryCategory::kWeights, *stream);
  device->FillZero(large, *stream);
  ASSERT_NE(device->trace(), nullptr);
  EXPECT_EQ(device->trace()->entries().size(), 1U);
}

TEST(OpenDevice, WhatCannotBeOpenedIsNamedWithItsRemedy) {
  auto kind_and_message = [](const DeviceOptions& options) {
    try {
      OpenDevice(options);
    } catch (const Error& e) {
      return std::pair(e.kind(), e.message());
    }
    return std::pair(Kind::kInternal, std::string("no error"));
  };
  auto [kind, message] = kind_and_message({.kind = kTestDevice, .memory_bytes = int64_t{1} << 60});
  EXPECT_EQ(kind, Kind::kOutOfMemory);
  EXPECT_THAT(message, HasSubstr("1152921504606846976 bytes"));
  EXPECT_THAT(message, HasSubstr("device.memory"));
  EXPECT_EQ(kind_and_message({.kind = kTestDevice, .memory_bytes = 0}).first, Kind::kConfig);
  EXPECT_EQ(kind_and_message({.kind = DeviceKind::kSim, .memory_bytes = -1}).first, Kind::kConfig);
  EXPECT_THROW(MakeThreadPool(-1), Error);
}

}  // namespace
}  // namespace cadmus
