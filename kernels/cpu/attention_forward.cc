// SPDX-License-Identifier: Apache-2.0
// The forward pass: for each block of queries, one walk over the keys it sees with a running
// maximum and sum (Dao, FlashAttention-2, algorithm 1).
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/attention_block.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/thread_pool.h"

namespace cadmus::cpu {
namespace {

// out[i] = exp(scores[i] - max); returns their sum, before they are rounded to T.
template <class T, class W>
W ExpRow(W* __restrict scores, W max, int64_t count, T* __restrict out) {
  if constexpr (std::is_same_v<T, W>) {
    for (int64_t i = 0; i < count; ++i) out[i] = Exp(scores[i] - max);
    return Sum<W>(count, [out](int64_t i) { return out[i]; });
  } else {
    for (int64_t i = 0; i < count; ++i) scores[i] = Exp(scores[i] - max);
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(scores[i]);
    return Sum<W>(count, [scores](int64_t i) { return scores[i]; });
  }
}

template <class T>
void ForwardBlock(const AttentionForwardArgs& args, const AttentionChoice& choice, int64_t task,
                  const AttentionSlot<T>& slot) {
  using W = Wide<T>;
  const AttentionSpec& spec = args.plan->spec;
  const int64_t S = args.q_BSHD.dim(1), H = spec.num_heads, D = spec.head_dim;
  // Late queries see the most keys of a causal mask: they go first.
  const int64_t num_blocks = (S + choice.query_block - 1) / choice.query_block;
  const int64_t first_query = (num_blocks - 1 - task / (spec.batch * H)) * choice.query_block;
  const int64_t num_queries = std::min(choice.query_block, S - first_query);
  const int64_t entry = task / H % spec.batch, head = task % H;
  const int64_t kv_head = head / (H / spec.num_kv_heads);
  const Rows<const T> q = Head<T>(args.q_BSHD, entry, head).From(first_query);
  const Rows<const T> k = Head<T>(args.k_BTKD, entry, kv_head);
  const Rows<const T> v = Head<T>(args.v_BTKD, entry, kv_head);
  W* const max = slot.rows.row(0);
  W* const sum = slot.rows.row(1);
  std::fill_n(max, num_queries, -std::numeric_limits<W>::infinity());
  std::fill_n(sum, num_queries, W{0});
  std::fill_n(slot.query_sums.data, num_queries * D, W{0});

  const KeyRange keys = FindVisibleKeys(args, entry, first_query, num_queries, slot.visible);
  for (int64_t key = keys.begin; key < keys.end; key += choice.key_block) {
    const int64_t num_keys = std::min(choice.key_block, keys.end - key);
    if (!AnyVisible(slot.visible, num_queries, key, num_keys)) continue;
    Multiply(Product<T, W>{.transpose_b = Transpose::kYes,
                           .m = num_queries,
                           .n = num_keys,
                           .k = D,
                           .alpha = static_cast<W>(spec.scale),
                           .a = q,
                           .b = k.From(key),
                           .c = slot.scores});
    for (int64_t i = 0; i < num_queries; ++i) {
      T* probabilities = slot.probabilities.row(i);
      std::fill_n(probabilities, num_keys, T{0});
      const KeyRange seen = slot.visible[i].Within(key, num_keys);
      if (seen.empty()) continue;
      W* scores = slot.scores.row(i) + seen.begin;
      const int64_t count = seen.end - seen.begin;
      const W new_max = std::max(max[i], Max<W>(count, [&](int64_t j) { return scores[j]; }));
      const W block_sum = ExpRow(scores, new_max, count, probabilities + seen.begin);
      const W correction = Exp(max[i] - new_max);
      sum[i] = sum[i] * correction + block_sum;
      max[i] = new_max;
      W* out = slot.query_sums.row(i);
      for (int64_t d = 0; d < D; ++d) out[d] *= correction;
    }
    Multiply(Product<T, W>{.m = num_queries,
                           .n = D,
                           .k = num_keys,
                           .a = slot.probabilities,
                           .b = v.From(key),
                           .beta = 1,
                           .c = slot.query_sums});
  }

  const Rows<T> out = Head<T>(args.out_BSHD, entry, head).From(first_query);
  W* lse = args.lse_BHS.data<W>() + (entry * H + head) * S + first_query;
  for (int64_t i = 0; i < num_queries; ++i) {
    // A query that sees no key: 0, not 0 / 0.
    const W divisor = slot.visible[i].empty() ? W{1} : sum[i];
    const W* from = slot.query_sums.row(i);
    T* to = out.row(i);
    for (int64_t d = 0; d < D; ++d) to[d] = static_cast<T>(from[d] / divisor);
    lse[i] = max[i] + std::log(divisor);
  }
}

template <class T>
void Forward(const AttentionForwardArgs& args, const AttentionChoice& choice, ThreadPool& pool) {
  const AttentionSpec& spec = args.plan->spec;
  const int64_t num_blocks = (args.q_BSHD.dim(1) + choice.query_block - 1) / choice.query_block;
  const int64_t num_tasks = num_blocks * spec.batch * spec.num_heads;
  const int64_t num_slots = std::min(choice.forward.num_slots, num_tasks);
  pool.ParallelFor(num_slots, [&](int64_t i) {
    const AttentionSlot<T> slot(choice, choice.forward, args.workspace, i, spec.head_dim);
    for (int64_t task = i; task < num_tasks; task += num_slots) {
      ForwardBlock<T>(args, choice, task, slot);
    }
  });
}

}  // namespace

std::shared_ptr<const AttentionPlan> MakeAttentionPlan(const AttentionSpec& spec,
                                                       Device& /*device*/) {
  auto plan = std::make_shared<CpuAttentionPlan>();
  plan->spec = spec;
  plan->choice = ChooseAttention(spec);
  plan->kernel = StrCat("blocks of ", plan->choice.query_block, " queries x ",
                        plan->choice.key_block, " keys");
  plan->forward_workspace_bytes = plan->choice.forward.bytes();
  plan->backward_workspace_bytes = plan->choice.backward.bytes();
  return plan;
}

void AttentionForward(const AttentionForwardArgs& args, Stream& stream) {
  const AttentionChoice& choice = ChoiceOf(*args.plan);
  Run(stream, [args, &choice, &pool = PoolOf(stream)] {
    DispatchFloat(args.plan->spec.dtype,
                  [&]<class T>(Storage<T>) { Forward<T>(args, choice, pool); });
  });
}

}  // namespace cadmus::cpu
