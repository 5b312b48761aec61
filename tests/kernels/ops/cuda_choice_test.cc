// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cuda_choice.h"

#include <gmock/gmock.h>

#include <set>

#include "kernels/base/error.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

constexpr GemmSpec kProduct = {.m = 64, .n = 64, .k = 64, .dtype = DType::kF32};

TEST(CudaGemmChoice, TakesTheFirstProposalThatRepeatsItsBitsAndFits) {
  const std::vector<GemmCandidate> proposals = {
      {.workspace_bytes = 0, .reduction = GemmReduction::kInPlace},
      {.workspace_bytes = int64_t{64} << 20, .reduction = GemmReduction::kNone},
      {.workspace_bytes = 1 << 20, .reduction = GemmReduction::kThroughWorkspace},
      {.workspace_bytes = 0, .reduction = GemmReduction::kNone}};
  EXPECT_EQ(ChooseGemmCandidate(proposals, kProduct), 2U);
  GemmSpec fast = kProduct;
  fast.reproducibility = Reproducibility::kFast;
  EXPECT_EQ(ChooseGemmCandidate(proposals, fast), 0U);
  EXPECT_EQ(ChooseGemmCandidate(std::span(proposals).first(2), kProduct), std::nullopt);
  EXPECT_EQ(ChooseGemmCandidate({}, kProduct), std::nullopt);
}

TEST(CudaGemmChoice, AnEmptyProductNeedsNoWorkspace) {
  EXPECT_EQ(CudaGemmWorkspaceBytes(kProduct), int64_t{32} << 20);
  EXPECT_EQ(CudaGemmWorkspaceBytes({.m = 64, .n = 64, .k = 0, .dtype = DType::kF32}), 0);
}

AttentionSpec Spec(int64_t head_dim, DType dtype, int64_t length = 128) {
  return {.batch = 2,
          .query_length = length,
          .key_length = length,
          .num_heads = 4,
          .num_kv_heads = 2,
          .head_dim = head_dim,
          .dtype = dtype};
}

// A warp reads one element of each of 32 rows at once; f64 in two halves of 16 lanes.
TEST(CudaAttentionChoice, PutsTheRowsOfATileIntoDifferentBanks) {
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
    for (int64_t head_dim = 1; head_dim <= 128; ++head_dim) {
      const CudaAttentionChoice choice = ChooseCudaAttention(Spec(head_dim, dtype), 90);
      ASSERT_GE(choice.pitch, head_dim);
      const int64_t width = dtype == DType::kF64 ? 8 : 4;  // of a bank, for this access
      const int64_t lanes = 128 / width;
      for (const int64_t d : {int64_t{0}, head_dim - 1}) {
        std::set<int64_t> banks;
        for (int64_t lane = 0; lane < lanes; ++lane) {
          banks.insert((lane * choice.pitch + d) * SizeOf(dtype) / width % lanes);
        }
        EXPECT_EQ(static_cast<int64_t>(banks.size()), lanes) << Name(dtype) << " " << head_dim;
      }
    }
  }
}

TEST(CudaAttentionChoice, FitsTheUsualHeadsOnEveryGpuAndNamesWhatDoesNotFit) {
  for (const int capability : {80, 86, 89, 90, 100, 120}) {
    for (const int64_t head_dim : {1, 64, 128}) {
      for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
        const CudaAttentionChoice choice = ChooseCudaAttention(Spec(head_dim, dtype), capability);
        EXPECT_GE(32 * choice.chunks, head_dim);
      }
    }
  }
  const auto message = [](int64_t head_dim, DType dtype, int capability) {
    try {
      ChooseCudaAttention(Spec(head_dim, dtype), capability);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_EQ(message(256, DType::kF64, 90), "");
  EXPECT_THAT(message(256, DType::kF64, 80), HasSubstr("shared memory"));
  EXPECT_THAT(message(257, DType::kF32, 90), HasSubstr("head_dim 257"));
}

TEST(CudaAttentionChoice, NeedsMemoryLinearInTheSequence) {
  const auto bytes = [](int64_t length) {
    return ChooseCudaAttention(Spec(64, DType::kF32, length), 90).backward_workspace_bytes;
  };
  EXPECT_EQ(bytes(1 << 20), (1 << 10) * bytes(1 << 10));
}

TEST(CudaPlans, OnSimHaveTheWorkspaceOfTheGpuThatItStandsFor) {
  const auto sim = OpenDevice(
      {.kind = DeviceKind::kSim, .stands_for = {.kind = DeviceKind::kCuda, .capability = 90}});
  EXPECT_EQ(MakePlan(*sim, kProduct)->workspace_bytes, CudaGemmWorkspaceBytes(kProduct));
  const AttentionSpec spec = Spec(64, DType::kF32);
  const auto plan = MakePlan(*sim, spec);
  const CudaAttentionChoice choice = ChooseCudaAttention(spec, 90);
  EXPECT_EQ(plan->forward_workspace_bytes, choice.forward_workspace_bytes);
  EXPECT_EQ(plan->backward_workspace_bytes, choice.backward_workspace_bytes);
}

}  // namespace
}  // namespace cadmus
