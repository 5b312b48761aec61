// SPDX-License-Identifier: Apache-2.0
#include "kernels/sim/device.h"

#include <gtest/gtest.h>

#include "kernels/device/tensor.h"
#include "kernels/sim/hazard_check.h"
#include "kernels/sim/register.h"

namespace cadmus::sim {
namespace {

struct NothingArgs {
  static constexpr const char* kName = "Nothing";
};

TEST(SimDevice, ItsOwnTraceIsAttachedAndMayBeReplaced) {
  SimDevice device(1024, {});
  auto stream = device.NewStream(StreamKind::kCompute, "compute");
  auto event = device.NewEvent();
  EXPECT_EQ(device.trace(), &device.own_trace());
  stream->Record(*event);
  EXPECT_EQ(device.own_trace().entries().size(), 1U);
  Trace other;
  device.set_trace(&other);
  stream->Wait(*event);
  EXPECT_EQ(device.own_trace().entries().size(), 1U);
  EXPECT_EQ(other.entries().size(), 1U);
}

TEST(SimDevice, RecordOnlyIsAKernelOfAnyOp) {
  SimDevice device(1024, {});
  auto stream = device.NewStream(StreamKind::kCompute, "compute");
  KernelTable table("sim");
  table.Add<NothingArgs>(&RecordOnly);
  table.Run(NothingArgs{}, *stream);
}

// Tensors on two streams at random; waits where the data needs them. `skip` leaves one out.
std::vector<Hazard> PlayTensors(int skip, int* num_waits) {
  SimDevice device(1 << 16, {});
  auto compute = device.NewStream(StreamKind::kCompute, "compute");
  auto communication = device.NewStream(StreamKind::kCommunication, "communication");
  auto event = device.NewEvent();
  int waits = 0;
  auto order = [&](Stream& first, Stream& second) {
    first.Record(*event);
    if (waits++ != skip) second.Wait(*event);
  };
  for (int i = 0; i < 20; ++i) {
    Tensor gradient(DType::kF32, {100 + i}, MemoryCategory::kGradients, *compute);
    device.FillZero(gradient, *compute);
    order(*compute, *communication);
    Tensor received(DType::kF32, {100 + i}, MemoryCategory::kCommunication, *communication);
    device.CopyOnDevice(received, gradient, *communication);
    gradient.RecordUse(*communication);
    gradient.Reset();  // its bytes are used again, behind the copy
    order(*communication, *compute);
    Tensor result(DType::kF32, {100 + i}, MemoryCategory::kWorkspace, *compute);
    device.CopyOnDevice(result, received, *compute);
    received.RecordUse(*compute);
  }
  *num_waits = waits;
  return FindHazards(device.own_trace());
}

TEST(SimDevice, MemoryReusedAcrossStreamsIsCleanUnlessAWaitIsMissing) {
  int num_waits = 0;
  const std::vector<Hazard> none = PlayTensors(-1, &num_waits);
  EXPECT_TRUE(none.empty()) << none.front().ToString();
  ASSERT_EQ(num_waits, 40);
  for (int skip = 0; skip < num_waits; skip += 2) {
    int unused = 0;
    EXPECT_FALSE(PlayTensors(skip, &unused).empty()) << "wait " << skip << " is missing";
  }
}

}  // namespace
}  // namespace cadmus::sim
