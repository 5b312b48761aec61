// SPDX-License-Identifier: Apache-2.0
// A rank whose process is stopped by a signal is found and named within two limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <numeric>
#include <vector>

#include "kernels/open_device.h"
#include "tests/support/mpi_world.h"

namespace cadmus {
namespace {

TEST(StoppedRank, IsNamedByAllOthers) {
  if (MpiWorld().size() == 1) GTEST_SKIP() << "needs a rank to stop and one to wait for it";
  constexpr std::chrono::milliseconds kLimit(1000);
  DeviceOptions device_options;
  device_options.memory_bytes = int64_t{64} << 20;
  device_options.pool = MakeThreadPool(1);
  const auto device = OpenDevice(device_options);
  const auto stream = device->NewStream(StreamKind::kCompute, "test");
  const auto world = MpiWorld().Connect(*device, {.limit = std::chrono::seconds(20)});
  std::vector<int> all(static_cast<size_t>(world->size()));
  std::iota(all.begin(), all.end(), 0);
  const auto group = world->MakeGroup(all, "dp_replicate", {.limit = kLimit});
  const int victim = world->size() - 1;

  Tensor pid(DType::kI32, {1}, MemoryCategory::kWorkspace, *stream);
  *pid.view().data<int32_t>() = static_cast<int32_t>(getpid());
  world->Broadcast({.buffer = pid, .root = victim, .site = "process to be stopped"}, *stream);

  // Large enough that data is under way in several messages.
  Tensor gradients(DType::kF32, {1 << 20}, MemoryCategory::kGradients, *stream);
  device->FillZero(gradients, *stream);
  group->AllReduce({.buffer = gradients, .site = "before"}, *stream);

  if (world->rank() == victim) {
    // All threads stop here; rank 0 lets them go on.
    ASSERT_EQ(kill(getpid(), SIGSTOP), 0);
  } else {
    const auto begin = std::chrono::steady_clock::now();
    try {
      group->AllReduce({.buffer = gradients, .site = "gradients"}, *stream);
      ADD_FAILURE() << "a stopped rank took part";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kCommunication);
      EXPECT_THAT(error.what(), ::testing::HasSubstr("all-reduce #1 'gradients' (4.0 MiB of F32)"));
      EXPECT_THAT(error.what(), ::testing::HasSubstr(StrCat(" for rank ", victim, ";")));
    }
    EXPECT_LE(std::chrono::steady_clock::now() - begin, 2 * kLimit);
    EXPECT_THAT(MpiWorld().recorder().Dump(),
                ::testing::ContainsRegex("dp_replicate: all-reduce #1 .*: failed .* ago, without "
                                         "answer from ranks"));
  }
  if (world->rank() == 0) {
    ASSERT_EQ(kill(*pid.view().data<int32_t>(), SIGCONT), 0);
  }
  world->Barrier("all go on", *stream);
}

}  // namespace
}  // namespace cadmus
