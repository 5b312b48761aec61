// SPDX-License-Identifier: Apache-2.0
#include "launch/run/context_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cadmus {
namespace {

using ::testing::HasSubstr;

const DeviceProperties kHopper = {
    .kind = DeviceKind::kCuda, .compute_units = 132, .capability = 90};

TEST(ContextMemory, IsOfGpusAlone) {
  EXPECT_EQ(
      EstimateContextMemory({}, {.dp_replicate = 1, .dp_shard = 2}, TransportKind::kInRankOrder),
      ContextMemory());
}

TEST(ContextMemory, NcclTakesItsBuffersForEveryGroupOfTwoOrMore) {
  const ContextMemory alone = EstimateContextMemory(kHopper, {.dp_replicate = 1, .dp_shard = 2},
                                                    TransportKind::kInRankOrder);
  EXPECT_EQ(alone.context_bytes, EstimateCudaContextBytes(132));
  EXPECT_EQ(alone.library_bytes, kGpuLibraryBytes);
  EXPECT_EQ(alone.nccl_bytes, 0);
  const ContextMemory sharded =
      EstimateContextMemory(kHopper, {.dp_replicate = 1, .dp_shard = 2}, TransportKind::kNccl);
  EXPECT_EQ(sharded.nccl_bytes, 2 * kNcclGroupBytes);  // the world and dp_shard
  const ContextMemory many = EstimateContextMemory(
      kHopper, {.pp = 2, .dp_replicate = 1, .dp_shard = 2, .tp = 2}, TransportKind::kNccl);
  EXPECT_EQ(many.nccl_bytes, 5 * kNcclGroupBytes);  // and tp, and pp twice
  EXPECT_EQ(many.total_bytes(), many.context_bytes + many.later_bytes());
}

TEST(ContextMemory, TheTextHoldsMeasuredAgainstPlanned) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  const ContextMemory planned = {.context_bytes = 400 * kMiB, .library_bytes = 100 * kMiB};
  GpuMemory measured = {.total_bytes = 8192 * kMiB,
                        .free_bytes = 1000 * kMiB,
                        .slab_bytes = 6144 * kMiB,
                        .used_before_bytes = 8 * kMiB};
  EXPECT_EQ(ContextMemoryText(planned, measured),
            "context and libraries 1.0GiB measured, 500.0MiB planned; slab 6.0GiB; 1000.0MiB of "
            "the GPU's 8.0GiB are free");
  measured.used_before_bytes.reset();
  EXPECT_THAT(ContextMemoryText(planned, measured), HasSubstr("what else uses it is counted"));
}

}  // namespace
}  // namespace cadmus
