// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/gpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/open_device.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kOneMiB = int64_t{1} << 20;
constexpr int64_t kOneGiB = int64_t{1} << 30;

TEST(Gpu, IsNamedAsNvidiaSmiNamesIt) {
  EXPECT_EQ(
      ToString(Gpu{.index = 3, .name = "NVIDIA H200", .pci_id = "0000:1b:00.0", .uuid = "GPU-8f"}),
      "GPU 3, NVIDIA H200, 0000:1b:00.0, GPU-8f");
}

TEST(GpuMemory, WhatIsUsedBesideTheSlabIsContextAndLibraries) {
  GpuMemory memory = {
      .total_bytes = 80 * kOneGiB, .free_bytes = 9 * kOneGiB, .slab_bytes = 70 * kOneGiB};
  EXPECT_EQ(memory.used_bytes(), 71 * kOneGiB);
  EXPECT_EQ(memory.context_bytes(), kOneGiB);
  memory.used_before_bytes = 200 * kOneMiB;
  EXPECT_EQ(memory.context_bytes(), kOneGiB - 200 * kOneMiB);
}

TEST(GpuMemory, IsOfGpusAlone) {
  EXPECT_FALSE(OpenDevice({.kind = DeviceKind::kSim})->ReadGpuMemory().has_value());
}

// The public readings that the estimate is drawn from.
TEST(GpuMemory, TheEstimateOfAContextIsNearPublicReadings) {
  struct Reading {
    int multiprocessors;
    int64_t mib;
  };
  for (const Reading& reading : {Reading{34, 107}, {82, 256}, {142, 426}, {188, 555}}) {
    const auto estimate = static_cast<double>(EstimateCudaContextBytes(reading.multiprocessors));
    EXPECT_NEAR(estimate / static_cast<double>(reading.mib * kOneMiB), 1.0, 0.07) << reading.mib;
  }
}

TEST(GpuMemory, MultiprocessorsGrowWithTheCapability) {
  EXPECT_EQ(MultiprocessorsOf(80), 108);
  EXPECT_EQ(MultiprocessorsOf(90), 132);
  EXPECT_EQ(MultiprocessorsOf(100), 148);
}

TEST(SlabProblem, LeavesRoomForLibrariesAndSaysWhatFits) {
  const int64_t free = 78 * kOneGiB;
  const auto problem = [&](int64_t slab) {
    return SlabProblem({.slab_bytes = slab, .free_bytes = free, .total_bytes = 80 * kOneGiB});
  };
  EXPECT_EQ(problem(free - kGpuLibraryBytes), "");
  EXPECT_THAT(problem(free), AllOf(HasSubstr("78.0GiB of the GPU's 80.0GiB are free"),
                                   HasSubstr("set device.memory_gib = 77.8 or less")));
}

TEST(SlabProblem, WhereNothingFitsTheRemedyIsTheOtherProcesses) {
  EXPECT_THAT(SlabProblem({.slab_bytes = kOneGiB, .free_bytes = 0, .total_bytes = 80 * kOneGiB}),
              AllOf(Not(HasSubstr("memory_gib")), HasSubstr("nvidia-smi names it")));
}

}  // namespace
}  // namespace cadmus
