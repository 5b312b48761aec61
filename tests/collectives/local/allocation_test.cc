// SPDX-License-Identifier: Apache-2.0
// A collective call asks the heap for nothing once its group has run a step.
#include <gtest/gtest.h>

#include <vector>

#include "collectives/local/local_world.h"
#include "kernels/open_device.h"
#include "tests/support/allocation_count.h"

namespace cadmus {
namespace {

TEST(LocalCommunicator, CallsOfASteadyStepAllocateNothing) {
  constexpr int kNumRanks = 3;
  const auto pool = MakeThreadPool(1);
  RunLocalRanks(kNumRanks, [&](Bootstrap& bootstrap) {
    DeviceOptions options;
    options.memory_bytes = int64_t{64} << 20;
    options.pool = pool;
    const auto device = OpenDevice(options);
    const auto world = bootstrap.Connect(*device);
    const auto compute = device->NewStream(StreamKind::kCompute, "compute");
    const auto communication = device->NewStream(StreamKind::kCommunication, "communication");
    const Tensor large(DType::kF32, {kNumRanks, 100000}, MemoryCategory::kGradients, *compute);
    const Tensor part(DType::kF32, {100000}, MemoryCategory::kGradients, *compute);
    const Tensor other(DType::kF32, {kNumRanks, 100000}, MemoryCategory::kGradients, *compute);
    device->FillZero(large, *compute);
    device->FillZero(part, *compute);
    const std::vector<int64_t> counts(kNumRanks, 100000);
    const TensorView small = part.view().Slice(0, 0, 3);
    const TensorView small_other = other.view().Slice(0, 0, 1).Slice(1, 0, 3);
    const auto step = [&] {
      for (int i = 0; i < 5; ++i) {
        world->AllReduce({.buffer = large, .site = "gradients"}, *communication);
        world->ReduceScatter({.input = large, .output = part, .site = "g"}, *communication);
        world->AllGather({.input = part, .output = large, .site = "parameters"}, *communication);
      }
      communication->Synchronize(std::chrono::seconds(60));
      world->AllToAllUneven({.input = large,
                             .input_counts = counts,
                             .output = other,
                             .output_counts = counts,
                             .site = "tokens"},
                            *compute);
      {
        Group ring(*world);
        world->Send({.buffer = part, .peer = (world->rank() + 1) % kNumRanks}, *compute);
        world->Receive({.buffer = other.view().Slice(0, 0, 1),
                        .peer = (world->rank() + kNumRanks - 1) % kNumRanks},
                       *compute);
      }
      const int next = (world->rank() + 1) % kNumRanks;
      for (int i = 0; i < 4; ++i) {
        world->Send({.buffer = i % 2 == 0 ? part.view() : small, .peer = next}, *communication);
      }
      world->Barrier("all are sent", *compute);
      for (int i = 0; i < 4; ++i) {
        world->Receive({.buffer = i % 2 == 0 ? other.view().Slice(0, 0, 1) : small_other,
                        .peer = (world->rank() + kNumRanks - 1) % kNumRanks},
                       *compute);
      }
      communication->Synchronize(std::chrono::seconds(60));
      world->Barrier("end of step", *compute);
    };
    step();
    step();
    const int64_t before = NumAllocations();
    for (int i = 0; i < 10; ++i) step();
    EXPECT_EQ(NumAllocations(), before);
    // No rank ends, and frees what it had, while another still counts.
    world->Barrier("counted", *compute);
  });
}

}  // namespace
}  // namespace cadmus
