// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/attention.h"

#include <algorithm>

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"

namespace cadmus {
namespace {

// A [B, sequence, heads, D] view of which each head is a matrix with rows that do not overlap.
void CheckHeads(Check& check, const char* name, const ConstTensorView& view,
                std::string_view letters, DType dtype) {
  check.Tensor(name, view, letters, dtype, Layout::kLastDimContiguous);
  if (view.dim(1) > 1 && view.stride(1) < view.dim(3)) {
    check.True(false, StrCat(name, ": tokens lie ", view.stride(1),
                             " elements apart, less than the head dim ", view.dim(3)));
  }
}

// What both passes have in common.
template <class Args>
void CheckInputs(Check& check, const Args& args, int64_t workspace_bytes) {
  const AttentionSpec& spec = args.plan->spec;
  check.Bind('B', spec.batch);
  check.Bind('H', spec.num_heads);
  check.Bind('K', spec.num_kv_heads);
  check.Bind('D', spec.head_dim);
  CheckHeads(check, "q", args.q_BSHD, "BSHD", spec.dtype);
  CheckHeads(check, "k", args.k_BTKD, "BTKD", spec.dtype);
  CheckHeads(check, "v", args.v_BTKD, "BTKD", spec.dtype);
  if (check['S'] > spec.query_length || check['T'] > spec.key_length) {
    check.True(false, StrCat("q, k: ", check['S'], " queries and ", check['T'],
                             " keys, but the plan was made for at most ", spec.query_length,
                             " and ", spec.key_length));
  }
  check.Optional("query_documents", args.query_documents_BS, "BS", DType::kI32);
  check.Optional("key_documents", args.key_documents_BT, "BT", DType::kI32);
  check.True(bool(args.query_documents_BS) == bool(args.key_documents_BT),
             "query_documents, key_documents: give both or none");
  check.True(spec.has_documents || !args.query_documents_BS,
             "query_documents: the plan was made for calls without documents; "
             "set AttentionSpec.has_documents");
  CheckHeads(check, "out", args.out_BSHD, "BSHD", spec.dtype);
  check.Tensor("lse", args.lse_BHS, "BHS", StatisticsDType(spec.dtype));
  if (workspace_bytes > 0) {
    check.Bind('w', workspace_bytes);
    check.Tensor("workspace", args.workspace, "w", DType::kU8);
  }
}

// Pairs that the mask lets through; on the causal diagonal a query sees half of its own key.
template <class Args>
double VisiblePairs(const Args& args) {
  const int64_t S = args.q_BSHD.dim(1), T = args.k_BTKD.dim(1);
  if (args.plan->spec.mask == AttentionMask::kFull) {
    return static_cast<double>(S) * static_cast<double>(T);
  }
  // Query q sees clamp(q + offset + 1/2, 0, T) keys: none before `first`, all from `last` on.
  const auto causal_pairs = [&](int64_t offset) {
    const int64_t first = std::clamp<int64_t>(-offset, 0, S);
    const int64_t last = std::clamp<int64_t>(T - offset, first, S);
    const auto square = [](int64_t x) { return static_cast<double>(x) * static_cast<double>(x); };
    return (square(last + offset) - square(first + offset)) / 2 +
           static_cast<double>(S - last) * static_cast<double>(T);
  };
  const int64_t offset = args.query_offset - args.key_offset;
  const int64_t window = args.plan->spec.window;
  // A window hides what a causal mask lets through to a query `window` positions before.
  return causal_pairs(offset) - (window > 0 ? causal_pairs(offset - window) : 0);
}

template <class Args>
OpCost ForwardCost(const Args& args) {
  const AttentionSpec& spec = args.plan->spec;
  const int64_t bytes = args.q_BSHD.num_bytes() + args.k_BTKD.num_bytes() +
                        args.v_BTKD.num_bytes() + args.out_BSHD.num_bytes() +
                        args.lse_BHS.num_bytes() + args.query_documents_BS.num_bytes() +
                        args.key_documents_BT.num_bytes();
  const auto heads = static_cast<double>(spec.batch * spec.num_heads);
  return {4 * heads * VisiblePairs(args) * static_cast<double>(spec.head_dim),
          static_cast<double>(bytes)};
}

}  // namespace

std::shared_ptr<const AttentionPlan> MakePlan(Device& device, const AttentionSpec& spec) {
  const Check check(AttentionSpec::kName);
  if (std::min({spec.batch, spec.query_length, spec.key_length, spec.head_dim}) < 0 ||
      spec.num_kv_heads < 1 || spec.num_heads < 0 || spec.num_heads % spec.num_kv_heads != 0) {
    check.True(false, StrCat("batch ", spec.batch, ", query_length ", spec.query_length,
                             ", key_length ", spec.key_length, ", head_dim ", spec.head_dim,
                             " must not be negative, and num_heads ", spec.num_heads,
                             " must be a multiple of num_kv_heads ", spec.num_kv_heads));
  }
  if (spec.window < 0 || (spec.window > 0 && spec.mask != AttentionMask::kCausal)) {
    check.True(false, StrCat("window ", spec.window,
                             " must be 0 (none), or positive together with a causal mask"));
  }
  if (!IsStorageDType(spec.dtype)) {
    check.True(false, StrCat("dtype ", Name(spec.dtype), " must be F64, F32 or BF16"));
  }
  return device.kernels().MakePlan<AttentionPlan>(spec, device);
}

void AttentionForward(const AttentionForwardArgs& args, Stream& stream) {
  Check check(AttentionForwardArgs::kName);
  check.True(args.plan != nullptr, "plan is absent; make it with MakePlan(device, AttentionSpec)");
  CheckInputs(check, args, args.plan->forward_workspace_bytes);
  Launch(args, stream);
}

void AttentionBackward(const AttentionBackwardArgs& args, Stream& stream) {
  Check check(AttentionBackwardArgs::kName);
  check.True(args.plan != nullptr, "plan is absent; make it with MakePlan(device, AttentionSpec)");
  CheckInputs(check, args, args.plan->backward_workspace_bytes);
  const DType dtype = args.plan->spec.dtype;
  CheckHeads(check, "dout", args.dout_BSHD, "BSHD", dtype);
  CheckHeads(check, "dq", args.dq_BSHD, "BSHD", dtype);
  CheckHeads(check, "dk", args.dk_BTKD, "BTKD", dtype);
  CheckHeads(check, "dv", args.dv_BTKD, "BTKD", dtype);
  Launch(args, stream);
}

OpCost Cost(const AttentionForwardArgs& args) { return ForwardCost(args); }

OpCost Cost(const AttentionBackwardArgs& args) {
  const OpCost forward = ForwardCost(args);
  const int64_t gradient_bytes = args.dout_BSHD.num_bytes() + args.dq_BSHD.num_bytes() +
                                 args.dk_BTKD.num_bytes() + args.dv_BTKD.num_bytes();
  return {2.5 * forward.flops, forward.bytes + static_cast<double>(gradient_bytes)};
}

}  // namespace cadmus
