// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cudnn_choice.h"

#include <gmock/gmock.h>

#include <array>

#include "kernels/base/error.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

constexpr int kHopper = 90;

// A layer of a Llama-3-8B.
AttentionSpec LayerSpec(int64_t length = 4096) {
  return {.batch = 1,
          .query_length = length,
          .key_length = length,
          .num_heads = 32,
          .num_kv_heads = 8,
          .head_dim = 128,
          .dtype = DType::kBF16};
}

AttentionSpec With(void (*change)(AttentionSpec&)) {
  AttentionSpec spec = LayerSpec();
  change(spec);
  return spec;
}

TEST(CudnnAttentionChoice, TakesWhatTrainingWithoutDocumentsHas) {
  for (const AttentionSpec& spec :
       {LayerSpec(), With([](auto& s) { s.num_kv_heads = 32; }),
        With([](auto& s) { s.query_length = s.key_length = 1001; }),
        With([](auto& s) { s.head_dim = 64; }),
        With([](auto& s) { s.mask = AttentionMask::kFull, s.key_length = 777; }),
        With([](auto& s) { s.token_strides = {.q = 6144, .k = 6144, .v = 6144}; })}) {
    EXPECT_EQ(CudnnAttentionRefusal(spec, kHopper), "");
  }
}

TEST(CudnnAttentionChoice, NamesWhatItDoesNotTake) {
  const auto refusal = [](void (*change)(AttentionSpec&)) {
    return CudnnAttentionRefusal(With(change), kHopper);
  };
  EXPECT_EQ(refusal([](auto& s) { s.dtype = DType::kF32; }), "F32, not BF16");
  EXPECT_EQ(refusal([](auto& s) { s.has_documents = true; }), "documents");
  EXPECT_THAT(refusal([](auto& s) { s.head_dim = 100; }), HasSubstr("head_dim 100"));
  EXPECT_THAT(refusal([](auto& s) { s.head_dim = 264; }), HasSubstr("head_dim 264"));
  EXPECT_THAT(refusal([](auto& s) { s.batch = 0; }), HasSubstr("nothing"));
  EXPECT_THAT(refusal([](auto& s) { s.key_length = 5000; }),
              HasSubstr("4096 queries and 5000 keys"));
  EXPECT_THAT(refusal([](auto& s) { s.query_length = s.key_length = 16; }), HasSubstr("16 tokens"));
  EXPECT_THAT(refusal([](auto& s) { s.token_strides.v = 6148; }), HasSubstr("16 bytes"));
  EXPECT_THAT(CudnnAttentionRefusal(LayerSpec(), 100), HasSubstr("sm_100"));
}

TEST(CudnnAttentionChoice, RepeatsItsBitsOnlyWhereTheWorkspaceForItIsLeft) {
  EXPECT_EQ(CudnnAttentionRefusal(LayerSpec(8192), kHopper), "");
  AttentionSpec longer = LayerSpec(16384);
  EXPECT_THAT(CudnnAttentionRefusal(longer, kHopper), HasSubstr("17179869184 bytes"));
  longer.reproducibility = Reproducibility::kFast;
  EXPECT_EQ(CudnnAttentionRefusal(longer, kHopper), "");
  EXPECT_LT(CudnnBackwardWorkspaceBytes(longer), int64_t{1} << 30);
}

constexpr std::string_view kHash = "0123456789abcdef";

constexpr GpuKernel AttentionKernel(std::string_view name, KernelState state) {
  return {.op = "attention",
          .name = name,
          .recorded = state,
          .proven_hash = state >= KernelState::kGpuCorrect ? kHash : "",
          .source_hash = kHash};
}

constexpr std::array kUnproven = {AttentionKernel(kCudnnAttention, KernelState::kModelled),
                                  AttentionKernel(kSimpleAttention, KernelState::kModelled)};
constexpr std::array kProven = {AttentionKernel(kCudnnAttention, KernelState::kGpuCorrect),
                                AttentionKernel(kSimpleAttention, KernelState::kGpuCorrect)};

TEST(GpuAttentionChoice, TakesCudnnOnceItIsProvenOrAskedFor) {
  AttentionSpec spec = LayerSpec();
  EXPECT_FALSE(ChooseGpuAttention(kUnproven, spec, kHopper).takes_cudnn);
  EXPECT_TRUE(ChooseGpuAttention(kProven, spec, kHopper).takes_cudnn);
  spec.gpu_kernel = kCudnnAttention;
  EXPECT_TRUE(ChooseGpuAttention(kUnproven, spec, kHopper).takes_cudnn);
  spec.gpu_kernel = kSimpleAttention;
  EXPECT_FALSE(ChooseGpuAttention(kProven, spec, kHopper).takes_cudnn);
}

TEST(GpuAttentionChoice, SaysWhyAProvenKernelIsNotTakenAndRefusesItWhereAskedFor) {
  AttentionSpec spec = LayerSpec();
  spec.has_documents = true;
  const GpuAttentionChoice choice = ChooseGpuAttention(kProven, spec, kHopper);
  EXPECT_FALSE(choice.takes_cudnn);
  EXPECT_EQ(choice.why_not, "documents");
  EXPECT_EQ(choice.backward_workspace_bytes, choice.simple.backward_workspace_bytes);
  EXPECT_EQ(ChooseGpuAttention(kUnproven, spec, kHopper).why_not, "");
  spec.gpu_kernel = kCudnnAttention;
  EXPECT_THROW(ChooseGpuAttention(kUnproven, spec, kHopper), Error);
  spec.gpu_kernel = "none such";
  EXPECT_THROW(ChooseGpuAttention(kUnproven, spec, kHopper), Error);
}

TEST(GpuAttentionChoice, OnSimHasTheWorkspaceOfTheGpuThatItStandsFor) {
  const auto sim = OpenDevice(
      {.kind = DeviceKind::kSim, .stands_for = {.kind = DeviceKind::kCuda, .capability = kHopper}});
  AttentionSpec spec = LayerSpec();
  spec.gpu_kernel = kCudnnAttention;
  const auto plan = MakePlan(*sim, spec);
  EXPECT_EQ(plan->forward_workspace_bytes, CudnnForwardWorkspaceBytes(spec));
  EXPECT_EQ(plan->backward_workspace_bytes, CudnnBackwardWorkspaceBytes(spec));
}

// Views of nothing: only what they say of themselves counts.
class DeclaredCallTest : public ::testing::Test {
 protected:
  static ConstTensorView View(int64_t length, int64_t heads, int64_t token_stride) {
    return ConstTensorView(reinterpret_cast<const void*>(uintptr_t{1} << 20), DType::kBF16,
                           {2, length, heads, 64}, {length * token_stride, token_stride, 64, 1});
  }
  static TensorView Output(int64_t length, int64_t heads) {
    return TensorView(reinterpret_cast<void*>(uintptr_t{1} << 20), DType::kBF16,
                      {2, length, heads, 64});
  }

  DeclaredCallTest() {
    plan_.spec = {.batch = 2,
                  .query_length = 128,
                  .key_length = 128,
                  .num_heads = 4,
                  .num_kv_heads = 2,
                  .head_dim = 64,
                  .dtype = DType::kBF16,
                  .token_strides = {.q = 512, .k = 512, .v = 512}};
    args_.plan = &plan_;
    args_.q_BSHD = View(128, 4, 512);
    args_.k_BTKD = args_.v_BTKD = View(128, 2, 512);
    args_.out_BSHD = Output(128, 4);
  }

  AttentionPlan plan_;
  AttentionForwardArgs args_;
};

TEST_F(DeclaredCallTest, IsOneOfTheWholeLengthsFromOnePosition) {
  EXPECT_TRUE(IsAsDeclared(args_));
  args_.query_offset = args_.key_offset = 77;
  EXPECT_TRUE(IsAsDeclared(args_));
  args_.key_offset = 0;
  EXPECT_FALSE(IsAsDeclared(args_));
  plan_.spec.mask = AttentionMask::kFull;
  EXPECT_TRUE(IsAsDeclared(args_));
  args_.q_BSHD = View(127, 4, 512);
  args_.out_BSHD = Output(127, 4);
  EXPECT_FALSE(IsAsDeclared(args_));
}

TEST_F(DeclaredCallTest, HasTheDeclaredStridesAndAlignment) {
  plan_.spec.token_strides.k = 0;
  EXPECT_FALSE(IsAsDeclared(args_));
  args_.k_BTKD = View(128, 2, 128);
  EXPECT_TRUE(IsAsDeclared(args_));
  args_.q_BSHD = ConstTensorView(reinterpret_cast<const void*>((uintptr_t{1} << 20) + 8),
                                 DType::kBF16, args_.q_BSHD.shape(), args_.q_BSHD.strides());
  EXPECT_FALSE(IsAsDeclared(args_));
}

TEST_F(DeclaredCallTest, HasNoDocuments) {
  plan_.spec.has_documents = true;
  args_.query_documents_BS = args_.key_documents_BT =
      ConstTensorView(reinterpret_cast<const void*>(uintptr_t{1} << 20), DType::kI32, {2, 128});
  EXPECT_FALSE(IsAsDeclared(args_));
}

TEST_F(DeclaredCallTest, CountsTheGradientsToo) {
  plan_.spec.token_strides.dq = 512;
  AttentionBackwardArgs backward = {.plan = &plan_,
                                    .q_BSHD = args_.q_BSHD,
                                    .k_BTKD = args_.k_BTKD,
                                    .v_BTKD = args_.v_BTKD,
                                    .out_BSHD = args_.out_BSHD,
                                    .dout_BSHD = args_.out_BSHD,
                                    .dq_BSHD = Output(128, 4),
                                    .dk_BTKD = Output(128, 2),
                                    .dv_BTKD = Output(128, 2)};
  EXPECT_FALSE(IsAsDeclared(backward));
  plan_.spec.token_strides.dq = 0;
  EXPECT_TRUE(IsAsDeclared(backward));
}

}  // namespace
}  // namespace cadmus
