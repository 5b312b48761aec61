// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/host_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <random>
#include <vector>

#include "collectives/ordered/rank_order_sum.h"
#include "kernels/base/bfloat16.h"
#include "kernels/device/tensor.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

constexpr std::chrono::seconds kPatience(60);
constexpr MemoryCategory kAny = MemoryCategory::kWorkspace;

class HostWork : public ::testing::Test {
 protected:
  int64_t Read(const Tensor& tensor, Stream& stream) {
    int64_t value = -1;
    device_->CopyToHost(TensorView(&value, DType::kI64, {1}), tensor, stream);
    stream.Synchronize(kPatience);
    return value;
  }

  const std::unique_ptr<Device> device_ =
      OpenDevice({.kind = DeviceKind::kCuda, .memory_bytes = int64_t{64} << 20});
  const std::unique_ptr<Stream> compute_ = device_->NewStream(StreamKind::kCompute, "compute");
  const std::unique_ptr<Stream> communication_ =
      device_->NewStream(StreamKind::kCommunication, "communication");
};

TEST_F(HostWork, HoldsACommunicationStreamAndNotTheHost) {
  const Tensor target(DType::kI64, {1}, kAny, *communication_);
  device_->FillZero(target, *communication_);
  communication_->Synchronize(kPatience);
  std::promise<void> go;
  const int64_t value = 7;
  const auto copied = device_->NewEvent();
  cuda::RunOnHost(*communication_, [&] { go.get_future().wait(); });
  device_->CopyToDevice(target, ConstTensorView(&value, DType::kI64, {1}), *communication_);
  communication_->Record(*copied);
  EXPECT_EQ(Read(target, *compute_), 0);
  go.set_value();
  compute_->Wait(*copied);
  EXPECT_EQ(Read(target, *compute_), 7);
}

TEST_F(HostWork, StartsWhenTheStreamHasReachedIt) {
  std::vector<int64_t> values(1 << 20, 3);
  const Tensor target(DType::kI64, {1 << 20}, kAny, *compute_);
  std::vector<int64_t> seen(values.size());
  for (Stream* stream : {compute_.get(), communication_.get()}) {
    device_->FillZero(target, *stream);
    device_->CopyToDevice(target, ConstTensorView(values.data(), DType::kI64, {1 << 20}), *stream);
    device_->CopyToHost(TensorView(seen.data(), DType::kI64, {1 << 20}), target, *stream);
    int64_t last = 0;
    cuda::RunOnHost(*stream, [&] { last = seen.back(); });
    stream->Synchronize(kPatience);
    EXPECT_EQ(last, 3);
    seen.back() = 0;
  }
}

TEST_F(HostWork, ItsFailureSurfacesWhereTheStreamIsAwaited) {
  const auto event = device_->NewEvent();
  const auto failing = device_->NewStream(StreamKind::kCommunication, "failing");
  cuda::RunOnHost(*failing, [] { throw Error(Kind::kCommunication, "no peer"); });
  failing->Record(*event);
  EXPECT_THROW(event->Synchronize(kPatience), Error);
  EXPECT_THROW(compute_->Wait(*event), Error);
  EXPECT_THROW(failing->Synchronize(kPatience), Error);
  compute_->Synchronize(kPatience);
}

TEST_F(HostWork, AFailureOfTheDeviceIsThrownOnce) {
  cuda::FailWaits(*device_, std::make_exception_ptr(Error(Kind::kCommunication, "given up")));
  EXPECT_THROW(compute_->Synchronize(kPatience), Error);
  compute_->Synchronize(kPatience);
}

// The allocator's events are recorded anew as soon as a wait for them is issued.
TEST_F(HostWork, AQueuedWaitIsForTheMarkAsItWasWhenIssued) {
  const Tensor slow(DType::kU8, {int64_t{32} << 20}, kAny, *compute_);
  const Tensor target(DType::kI64, {1}, kAny, *compute_);
  device_->FillZero(target, *compute_);
  compute_->Synchronize(kPatience);
  const auto idle = device_->NewStream(StreamKind::kCompute, "idle");
  const auto event = device_->NewEvent();
  const auto pinned = device_->NewHostMemory(2 * sizeof(int64_t));
  auto* const numbers = static_cast<int64_t*>(pinned.get());
  numbers[0] = 7;
  std::promise<void> go;
  cuda::RunOnHost(*communication_, [&] { go.get_future().wait(); });
  for (int i = 0; i < 100; ++i) device_->FillZero(slow, *compute_);
  device_->CopyToDevice(target, ConstTensorView(numbers, DType::kI64, {1}), *compute_);
  compute_->Record(*event);
  communication_->Wait(*event);
  device_->CopyToHost(TensorView(numbers + 1, DType::kI64, {1}), target, *communication_);
  idle->Record(*event);
  go.set_value();
  communication_->Synchronize(kPatience);
  EXPECT_EQ(numbers[1], 7);
  compute_->Synchronize(kPatience);
}

// Against the CPU's sum, bit for bit; also where packs are not aligned, and in place.
template <class T>
void ExpectSumsOfTheCpu(Device& device, Stream& stream) {
  constexpr int kInputs = 5;
  std::mt19937_64 generator(3);
  std::normal_distribution<float> distribution(0, 1000);
  for (const int64_t count : {1, 7, 1021, 4096, 100000}) {
    for (const int64_t shift : {0, 1}) {
      const int64_t stride = (count + shift + 63) / 64 * 64;
      std::vector<T> values(static_cast<size_t>(kInputs * stride));
      for (T& value : values) value = static_cast<T>(distribution(generator));
      const Tensor memory(DTypeOf<T>, {kInputs * stride}, kAny, stream);
      const ConstTensorView host(values.data(), DTypeOf<T>, memory.view().shape());
      device.CopyToDevice(memory, host, stream);
      stream.Synchronize(kPatience);
      std::vector<const void*> on_host, on_device;
      for (int p = 0; p < kInputs; ++p) {
        on_host.push_back(values.data() + p * stride + shift);
        on_device.push_back(memory.view().template data<T>() + p * stride + shift);
      }
      std::vector<T> expected(static_cast<size_t>(count)), sums(expected.size());
      SumInRankOrder(DTypeOf<T>, on_host, expected.data(), count);
      T* const in_place = memory.view().template data<T>() + 2 * stride + shift;
      cuda::SumInRankOrderAndWait(DTypeOf<T>, on_device, in_place, count, stream);
      cuda::CopyAndWait(sums.data(), in_place, count * SizeOf(DTypeOf<T>), stream);
      EXPECT_EQ(sums, expected) << count << " elements, shifted by " << shift;
    }
  }
}

TEST_F(HostWork, SumsInRankOrderAsTheCpu) {
  ExpectSumsOfTheCpu<double>(*device_, *compute_);
  ExpectSumsOfTheCpu<float>(*device_, *compute_);
  ExpectSumsOfTheCpu<BFloat16>(*device_, *compute_);
}

}  // namespace
}  // namespace cadmus
