// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gpu_kernels.h"

#include <gmock/gmock.h>

#include <array>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kHash = "0123456789abcdef", kOther = "fedcba9876543210";

GpuKernel Kernel(std::string_view name, KernelState state, std::string_view proven_hash = kHash) {
  return {.op = "attention",
          .name = name,
          .recorded = state,
          .proven_hash = proven_hash,
          .source_hash = kHash};
}

TEST(GpuKernels, AProofEndsWhereTheSourcesChange) {
  EXPECT_EQ(StateOf(Kernel("a", KernelState::kGpuCorrect)), KernelState::kGpuCorrect);
  EXPECT_EQ(StateOf(Kernel("a", KernelState::kGpuFast)), KernelState::kGpuFast);
  EXPECT_EQ(StateOf(Kernel("a", KernelState::kGpuCorrect, kOther)), KernelState::kCompiled);
  EXPECT_EQ(StateOf(Kernel("a", KernelState::kGpuFast, "")), KernelState::kCompiled);
  EXPECT_EQ(StateOf(Kernel("a", KernelState::kModelled, "")), KernelState::kModelled);
}

TEST(GpuKernels, OnlyWhatIsGpuCorrectIsTakenOfItsOwnAccord) {
  const std::array kernels = {Kernel("fastest", KernelState::kModelled, ""),
                              Kernel("changed", KernelState::kGpuFast, kOther),
                              Kernel("proven", KernelState::kGpuCorrect),
                              Kernel("simple", KernelState::kGpuFast)};
  const GpuKernelChoice choice = ChooseGpuKernel(kernels, "attention");
  EXPECT_EQ(choice.kernel.name, "proven");
  EXPECT_EQ(choice.warning, "");
  EXPECT_EQ(UnprovenGpuKernels(kernels), "");
}

TEST(GpuKernels, WhereNoneIsProvenTheLastIsTakenWithItsState) {
  const std::array kernels = {Kernel("fast", KernelState::kModelled, ""),
                              Kernel("simple", KernelState::kGpuCorrect, kOther)};
  const GpuKernelChoice choice = ChooseGpuKernel(kernels, "attention");
  EXPECT_EQ(choice.kernel.name, "simple");
  EXPECT_THAT(choice.warning, HasSubstr("simple is only compiled"));
  EXPECT_EQ(UnprovenGpuKernels(kernels), "not shown correct on a GPU: simple (compiled)");
}

TEST(GpuKernels, AnyIsTakenThatIsAskedForByName) {
  const std::array kernels = {Kernel("fast", KernelState::kModelled, ""),
                              Kernel("simple", KernelState::kGpuCorrect)};
  const GpuKernelChoice choice = ChooseGpuKernel(kernels, "attention", "fast");
  EXPECT_EQ(choice.kernel.name, "fast");
  EXPECT_THAT(choice.warning, HasSubstr("fast is only modelled"));
  EXPECT_EQ(ChooseGpuKernel(kernels, "attention", "simple").warning, "");
  EXPECT_THROW(ChooseGpuKernel(kernels, "attention", "slow"), Error);
  EXPECT_THROW(ChooseGpuKernel(kernels, "gemm"), Error);
}

TEST(GpuKernels, TheTableHasTheHashOfEveryKernelAndKeepsThoseOfAnOpTogether) {
  ASSERT_FALSE(GpuKernels().empty());
  std::vector<std::string_view> ops;
  for (const GpuKernel& kernel : GpuKernels()) {
    EXPECT_EQ(kernel.source_hash.size(), 16U) << kernel.name;
    EXPECT_EQ(kernel.proven_hash.empty(), kernel.recorded < KernelState::kGpuCorrect)
        << kernel.name;
    if (!ops.empty() && ops.back() == kernel.op) continue;
    EXPECT_THAT(ops, ::testing::Not(::testing::Contains(kernel.op)));
    ops.push_back(kernel.op);
  }
}

}  // namespace
}  // namespace cadmus
