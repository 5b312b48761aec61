// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cudnn_choice.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// The alignment, in bytes, that its kernels assume of every operand's rows without a look at them.
constexpr int64_t kAligned = 16;
constexpr int64_t kWorkspaceAligned = 256;
// Fewer queries or keys are not worth it; of one query its kernels are others.
constexpr int64_t kShortest = 64;
// On sm_90 the bits of its backward pass repeat only by way of all dP, B · H · S · T of bf16. So
// much may they take: 8192 tokens of 32 heads take 4 GiB.
constexpr int64_t kMostDeterministicBytes = int64_t{6} << 30;
// Counters and padding: 256 bytes in version 9.19.
constexpr int64_t kSmallThings = int64_t{64} << 10;

int64_t RoundUp(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

int64_t DeterministicBytes(const AttentionSpec& spec) {
  return spec.batch * spec.num_heads * RoundUp(spec.query_length, 64) *
         RoundUp(spec.key_length, 128) * SizeOf(DType::kBF16);
}

bool StridesAreAligned(const AttentionSpec& spec) {
  const AttentionSpec::TokenStrides& s = spec.token_strides;
  const int64_t size = SizeOf(spec.dtype);
  return std::ranges::all_of(std::array{s.q, s.k, s.v, s.dq, s.dk, s.dv},
                             [size](int64_t stride) { return stride * size % kAligned == 0; });
}

}  // namespace

std::string CudnnAttentionRefusal(const AttentionSpec& spec, int capability) {
  if (capability != 90) return StrCat("it has been looked at on sm_90, not on sm_", capability);
  if (spec.dtype != DType::kBF16) return StrCat(Name(spec.dtype), ", not BF16");
  if (spec.has_documents) return "documents";
  if (spec.head_dim % 8 != 0 || spec.head_dim < 8 || spec.head_dim > 256) {
    return StrCat("head_dim ", spec.head_dim, ", not a multiple of 8 up to 256");
  }
  if (std::min(spec.batch, spec.num_heads) < 1) return "nothing to compute";
  if (spec.mask == AttentionMask::kCausal && spec.query_length != spec.key_length) {
    return StrCat("a causal mask over ", spec.query_length, " queries and ", spec.key_length,
                  " keys, not as many");
  }
  if (std::min(spec.query_length, spec.key_length) < kShortest) {
    return StrCat(std::min(spec.query_length, spec.key_length), " tokens, fewer than ", kShortest);
  }
  if (!StridesAreAligned(spec))
    return StrCat("tokens not a multiple of ", kAligned, " bytes apart");
  if (spec.reproducibility == Reproducibility::kBitwise &&
      DeterministicBytes(spec) > kMostDeterministicBytes) {
    return StrCat("its backward pass needs ", DeterministicBytes(spec),
                  " bytes of workspace to repeat its bits, more than ", kMostDeterministicBytes);
  }
  return "";
}

CudnnBackwardLayout LayOutCudnnBackward(const AttentionSpec& spec) {
  const int64_t rows = spec.batch * spec.num_heads * spec.query_length;
  const int64_t wide = SizeOf(DType::kF32);
  CudnnBackwardLayout layout;
  layout.dq_sums_at = RoundUp(rows * wide, kWorkspaceAligned);
  layout.library_at = layout.dq_sums_at;
  if (spec.reproducibility == Reproducibility::kFast) {
    layout.library_at += RoundUp(rows * spec.head_dim * wide, kWorkspaceAligned);
  }
  return layout;
}

int64_t CudnnForwardWorkspaceBytes(const AttentionSpec&) { return kSmallThings; }

int64_t CudnnBackwardWorkspaceBytes(const AttentionSpec& spec) {
  int64_t bytes = LayOutCudnnBackward(spec).library_at + kSmallThings;
  if (spec.reproducibility == Reproducibility::kBitwise) bytes += DeterministicBytes(spec);
  // dK and dV of every query head, which those of a group are summed up from.
  if (spec.num_heads != spec.num_kv_heads) {
    bytes += 2 * spec.batch * spec.num_heads * spec.key_length * spec.head_dim * SizeOf(spec.dtype);
  }
  return bytes;
}

GpuAttentionChoice ChooseGpuAttention(std::span<const GpuKernel> kernels, const AttentionSpec& spec,
                                      int capability) {
  std::optional<std::string_view> asked_for;
  if (!spec.gpu_kernel.empty()) asked_for = spec.gpu_kernel;
  GpuAttentionChoice choice;
  choice.takes_cudnn =
      ChooseGpuKernel(kernels, "attention", asked_for).kernel.name == kCudnnAttention;
  if (choice.takes_cudnn) choice.why_not = CudnnAttentionRefusal(spec, capability);
  if (!choice.why_not.empty()) {
    choice.takes_cudnn = false;
    if (asked_for) {
      throw Error(Kind::kConfig, StrCat(kCudnnAttention, " was asked for, but it has no plan for ",
                                        choice.why_not));
    }
  }
  choice.simple = ChooseCudaAttention(spec, capability);
  choice.forward_workspace_bytes = choice.simple.forward_workspace_bytes;
  choice.backward_workspace_bytes = choice.simple.backward_workspace_bytes;
  if (choice.takes_cudnn) {
    choice.forward_workspace_bytes =
        std::max(choice.forward_workspace_bytes, CudnnForwardWorkspaceBytes(spec));
    choice.backward_workspace_bytes =
        std::max(choice.backward_workspace_bytes, CudnnBackwardWorkspaceBytes(spec));
  }
  return choice;
}

namespace {

// A [B, sequence, heads, D] view of this length; `declared` 0: contiguous.
bool ViewIsAsDeclared(const ConstTensorView& view, int64_t length, int64_t declared) {
  const int64_t heads = view.dim(2), head_dim = view.dim(3);
  const int64_t token_stride = declared == 0 ? heads * head_dim : declared;
  return view.dim(1) == length && view.stride(1) == token_stride &&
         (heads == 1 || view.stride(2) == head_dim) &&
         (view.dim(0) == 1 || view.stride(0) == length * token_stride) &&
         reinterpret_cast<uintptr_t>(view.raw()) % kAligned == 0;
}

template <class Args>
bool InputsAreAsDeclared(const Args& args) {
  const AttentionSpec& spec = args.plan->spec;
  if (reinterpret_cast<uintptr_t>(args.workspace.raw()) % kWorkspaceAligned != 0) return false;
  if (reinterpret_cast<uintptr_t>(args.lse_BHS.raw()) % kAligned != 0) return false;
  const bool from_one_position =
      spec.mask == AttentionMask::kFull || args.query_offset == args.key_offset;
  return from_one_position && !args.query_documents_BS &&
         ViewIsAsDeclared(args.q_BSHD, spec.query_length, spec.token_strides.q) &&
         ViewIsAsDeclared(args.k_BTKD, spec.key_length, spec.token_strides.k) &&
         ViewIsAsDeclared(args.v_BTKD, spec.key_length, spec.token_strides.v) &&
         ViewIsAsDeclared(args.out_BSHD, spec.query_length, 0);
}

}  // namespace

bool IsAsDeclared(const AttentionForwardArgs& args) { return InputsAreAsDeclared(args); }

bool IsAsDeclared(const AttentionBackwardArgs& args) {
  const AttentionSpec& spec = args.plan->spec;
  return InputsAreAsDeclared(args) && ViewIsAsDeclared(args.dout_BSHD, spec.query_length, 0) &&
         ViewIsAsDeclared(args.dq_BSHD, spec.query_length, spec.token_strides.dq) &&
         ViewIsAsDeclared(args.dk_BTKD, spec.key_length, spec.token_strides.dk) &&
         ViewIsAsDeclared(args.dv_BTKD, spec.key_length, spec.token_strides.dv);
}

}  // namespace cadmus
