// SPDX-License-Identifier: Apache-2.0
// What the forward and the backward pass of attention share: the plan, the keys that each query
// sees, heads as matrices, and the scratch of a task.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/bf16_product.h"
#include "kernels/cpu/blas.h"
#include "kernels/cpu/numeric.h"
#include "kernels/ops/attention_choice.h"

namespace cadmus::cpu {

struct CpuAttentionPlan final : AttentionPlan {
  AttentionChoice choice;
};

inline const AttentionChoice& ChoiceOf(const AttentionPlan& plan) {
  const auto* cpu_plan = dynamic_cast<const CpuAttentionPlan*>(&plan);
  CADMUS_CHECK(cpu_plan != nullptr, "the plan was made for another device");
  return cpu_plan->choice;
}

// Keys [begin, end). Documents do not decrease along a sequence, a causal mask cuts off the later
// keys and a window the earlier ones, so the keys that a query sees are always one interval.
struct KeyRange {
  int64_t begin = 0, end = 0;

  // The part inside [from, from + length), counted from `from`; empty: {0, 0}.
  KeyRange Within(int64_t from, int64_t length) const {
    const KeyRange part = {std::max<int64_t>(begin - from, 0), std::min(end - from, length)};
    return part.begin < part.end ? part : KeyRange{};
  }
  bool empty() const { return begin == end; }
};

template <class Args>
KeyRange VisibleKeys(const Args& args, int64_t entry, int64_t query) {
  KeyRange range = {0, args.k_BTKD.dim(1)};
  if (args.key_documents_BT) {
    const auto* documents = args.key_documents_BT.template data<int32_t>() + entry * range.end;
    const int32_t document =
        args.query_documents_BS.template data<int32_t>()[entry * args.q_BSHD.dim(1) + query];
    const auto [first, last] = std::equal_range(documents, documents + range.end, document);
    range = {first - documents, last - documents};
  }
  if (args.plan->spec.mask == AttentionMask::kCausal) {
    const int64_t own_key = query + args.query_offset - args.key_offset;
    range.end = std::min(range.end, own_key + 1);
    const int64_t window = args.plan->spec.window;
    if (window > 0) range.begin = std::max(range.begin, own_key - window + 1);
  }
  return range.begin < range.end ? range : KeyRange{};
}

// Fills visible[0, count) for the queries from `query` on; returns the interval around all of them.
template <class Args>
KeyRange FindVisibleKeys(const Args& args, int64_t entry, int64_t query, int64_t count,
                         KeyRange* visible) {
  KeyRange hull;
  for (int64_t i = 0; i < count; ++i) {
    visible[i] = VisibleKeys(args, entry, query + i);
    if (visible[i].empty()) continue;
    hull = hull.empty() ? visible[i]
                        : KeyRange{std::min(hull.begin, visible[i].begin),
                                   std::max(hull.end, visible[i].end)};
  }
  return hull;
}

// Whether any of these queries sees a key of [from, from + length).
inline bool AnyVisible(const KeyRange* visible, int64_t count, int64_t from, int64_t length) {
  return std::any_of(visible, visible + count,
                     [&](const KeyRange& r) { return !r.Within(from, length).empty(); });
}

// One head of a [B, sequence, heads, D] view.
template <class T>
Rows<const T> Head(const ConstTensorView& view, int64_t entry, int64_t head) {
  return {view.data<T>() + entry * view.stride(0) + head * view.stride(2), view.stride(1)};
}
template <class T>
Rows<T> Head(const TensorView& view, int64_t entry, int64_t head) {
  return {view.data<T>() + entry * view.stride(0) + head * view.stride(2), view.stride(1)};
}

// Rounds sums to the storage type.
template <class T, class W>
void Store(const Rows<W>& sums, int64_t num_rows, int64_t num_columns, const Rows<T>& to) {
  for (int64_t i = 0; i < num_rows; ++i) {
    std::transform(sums.row(i), sums.row(i) + num_columns, to.row(i),
                   [](W sum) { return static_cast<T>(sum); });
  }
}

// The arrays of one slot; see AttentionScratch. W is the statistics type of T.
template <class T>
struct AttentionSlot {
  using W = Wide<T>;

  AttentionSlot(const AttentionChoice& choice, const AttentionScratch& scratch,
                const TensorView& workspace, int64_t slot, int64_t head_dim) {
    char* base = reinterpret_cast<char*>(workspace.data<uint8_t>()) + slot * scratch.slot_bytes;
    visible = reinterpret_cast<KeyRange*>(base + scratch.visible_at);
    scores = {reinterpret_cast<W*>(base + scratch.scores_at), choice.key_block};
    probabilities = {reinterpret_cast<T*>(base + scratch.probabilities_at), choice.key_block};
    query_sums = {reinterpret_cast<W*>(base + scratch.query_sums_at), head_dim};
    rows = {reinterpret_cast<W*>(base + scratch.rows_at), choice.query_block};
    key_sums = reinterpret_cast<W*>(base + scratch.key_sums_at);
  }

  KeyRange* visible;
  Rows<W> scores;
  Rows<T> probabilities;
  Rows<W> query_sums;
  Rows<W> rows;
  W* key_sums;
};

}  // namespace cadmus::cpu
