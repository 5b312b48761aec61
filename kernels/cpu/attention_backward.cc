// SPDX-License-Identifier: Apache-2.0
// The backward pass: five products per block of scores (Dao, FlashAttention-2, algorithm 2). One
// task owns a key/value head with all its query heads, so every sum has one order and one writer.
#include <algorithm>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/attention_block.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/thread_pool.h"

namespace cadmus::cpu {
namespace {

// P = exp(scores - lse).
template <class T, class W>
void ExpRow(const W* __restrict scores, W lse, int64_t count, T* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(Exp(scores[i] - lse));
}

// dS = P ∘ (dP - delta), over P.
template <class T, class W>
void ScoreGradientRow(const W* __restrict dp, W delta, int64_t count, T* __restrict p) {
  for (int64_t i = 0; i < count; ++i) {
    p[i] = static_cast<T>(static_cast<W>(p[i]) * (dp[i] - delta));
  }
}

// The heads of one task, and its sums over queries.
template <class T>
struct KeyHead {
  int64_t entry = 0, kv_head = 0;
  Rows<const T> k, v;
  Rows<Wide<T>> dk, dv;
};

// One block of queries of one query head: writes its dQ, adds to dK and dV.
template <class T>
void BackwardBlock(const AttentionBackwardArgs& args, const AttentionChoice& choice,
                   const KeyHead<T>& keys, int64_t head, int64_t first_query,
                   const AttentionSlot<T>& slot) {
  using W = Wide<T>;
  const AttentionSpec& spec = args.plan->spec;
  const int64_t S = args.q_BSHD.dim(1), D = spec.head_dim;
  const auto scale = static_cast<W>(spec.scale);
  const int64_t num_queries = std::min(choice.query_block, S - first_query);
  const Rows<const T> q = Head<T>(args.q_BSHD, keys.entry, head).From(first_query);
  const Rows<const T> out = Head<T>(args.out_BSHD, keys.entry, head).From(first_query);
  const Rows<const T> dout = Head<T>(args.dout_BSHD, keys.entry, head).From(first_query);
  const W* lse = args.lse_BHS.data<W>() + (keys.entry * spec.num_heads + head) * S + first_query;
  W* const delta = slot.rows.row(0);
  for (int64_t i = 0; i < num_queries; ++i) {
    const T *o = out.row(i), *d_o = dout.row(i);
    delta[i] = Sum<W>(D, [&](int64_t d) { return static_cast<W>(o[d]) * static_cast<W>(d_o[d]); });
  }
  std::fill_n(slot.query_sums.data, num_queries * D, W{0});

  const KeyRange range = FindVisibleKeys(args, keys.entry, first_query, num_queries, slot.visible);
  for (int64_t key = range.begin; key < range.end; key += choice.key_block) {
    const int64_t num_keys = std::min(choice.key_block, range.end - key);
    if (!AnyVisible(slot.visible, num_queries, key, num_keys)) continue;
    Product<T, W> scores_product = {.transpose_b = Transpose::kYes,
                                    .m = num_queries,
                                    .n = num_keys,
                                    .k = D,
                                    .alpha = scale,
                                    .a = q,
                                    .b = keys.k.From(key),
                                    .c = slot.scores};
    Multiply(scores_product);
    for (int64_t i = 0; i < num_queries; ++i) {
      std::fill_n(slot.probabilities.row(i), num_keys, T{0});
      const KeyRange seen = slot.visible[i].Within(key, num_keys);
      ExpRow(slot.scores.row(i) + seen.begin, lse[i], seen.end - seen.begin,
             slot.probabilities.row(i) + seen.begin);
    }
    Product<T, W> key_product = {.transpose_a = Transpose::kYes,
                                 .m = num_keys,
                                 .n = D,
                                 .k = num_queries,
                                 .a = slot.probabilities,
                                 .b = dout,
                                 .beta = 1,
                                 .c = keys.dv.From(key)};
    Multiply(key_product);

    scores_product.alpha = 1;
    scores_product.a = dout;
    scores_product.b = keys.v.From(key);
    Multiply(scores_product);  // dP
    for (int64_t i = 0; i < num_queries; ++i) {
      const KeyRange seen = slot.visible[i].Within(key, num_keys);
      ScoreGradientRow(slot.scores.row(i) + seen.begin, delta[i], seen.end - seen.begin,
                       slot.probabilities.row(i) + seen.begin);
    }
    key_product.alpha = scale;
    key_product.b = q;
    key_product.c = keys.dk.From(key);
    Multiply(key_product);
    Multiply(Product<T, W>{.m = num_queries,
                           .n = D,
                           .k = num_keys,
                           .alpha = scale,
                           .a = slot.probabilities,
                           .b = keys.k.From(key),
                           .beta = 1,
                           .c = slot.query_sums});
  }
  Store(slot.query_sums, num_queries, D, Head<T>(args.dq_BSHD, keys.entry, head).From(first_query));
}

template <class T>
void BackwardHead(const AttentionBackwardArgs& args, const AttentionChoice& choice, int64_t task,
                  const AttentionSlot<T>& slot) {
  const AttentionSpec& spec = args.plan->spec;
  const int64_t S = args.q_BSHD.dim(1), num_keys = args.k_BTKD.dim(1), D = spec.head_dim;
  KeyHead<T> keys;
  keys.entry = task / spec.num_kv_heads;
  keys.kv_head = task % spec.num_kv_heads;
  keys.k = Head<T>(args.k_BTKD, keys.entry, keys.kv_head);
  keys.v = Head<T>(args.v_BTKD, keys.entry, keys.kv_head);
  keys.dk = {slot.key_sums, D};
  keys.dv = {slot.key_sums + num_keys * D, D};
  std::fill_n(slot.key_sums, 2 * num_keys * D, Wide<T>{0});
  const int64_t group = spec.num_heads / spec.num_kv_heads;
  for (int64_t head = keys.kv_head * group; head < (keys.kv_head + 1) * group; ++head) {
    for (int64_t query = 0; query < S; query += choice.query_block) {
      BackwardBlock<T>(args, choice, keys, head, query, slot);
    }
  }
  Store(keys.dk, num_keys, D, Head<T>(args.dk_BTKD, keys.entry, keys.kv_head));
  Store(keys.dv, num_keys, D, Head<T>(args.dv_BTKD, keys.entry, keys.kv_head));
}

template <class T>
void Backward(const AttentionBackwardArgs& args, const AttentionChoice& choice, ThreadPool& pool) {
  const AttentionSpec& spec = args.plan->spec;
  const int64_t num_tasks = spec.batch * spec.num_kv_heads;
  const int64_t num_slots = choice.backward.num_slots;
  pool.ParallelFor(num_slots, [&](int64_t i) {
    const AttentionSlot<T> slot(choice, choice.backward, args.workspace, i, spec.head_dim);
    for (int64_t task = i; task < num_tasks; task += num_slots) {
      BackwardHead<T>(args, choice, task, slot);
    }
  });
}

}  // namespace

void AttentionBackward(const AttentionBackwardArgs& args, Stream& stream) {
  const AttentionChoice& choice = ChoiceOf(*args.plan);
  Run(stream, [args, &choice, &pool = PoolOf(stream)] {
    DispatchFloat(args.plan->spec.dtype,
                  [&]<class T>(Storage<T>) { Backward<T>(args, choice, pool); });
  });
}

}  // namespace cadmus::cpu
