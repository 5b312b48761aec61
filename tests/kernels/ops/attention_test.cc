// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/attention.h"

#include <thread>

#include "kernels/cpu/thread_pool.h"
#include "kernels/ops/attention_choice.h"
#include "tests/kernels/ops/op_test_support.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Case {
  int64_t B = 1, S = 1, T = 1, H = 1, K = 1, D = 1;
  AttentionMask mask = AttentionMask::kCausal;
  int64_t window = 0;
  int64_t query_offset = 0, key_offset = 0;
  std::vector<int32_t> query_documents = {}, key_documents = {};  // [B, S] and [B, T], or empty
  double scale = 0.3;

  bool Sees(int64_t b, int64_t s, int64_t t) const {
    if (mask == AttentionMask::kCausal && t + key_offset > s + query_offset) return false;
    if (window > 0 && s + query_offset - (t + key_offset) >= window) return false;
    return query_documents.empty() || query_documents[static_cast<size_t>(b * S + s)] ==
                                          key_documents[static_cast<size_t>(b * T + t)];
  }
  std::string ToString() const {
    return StrCat("B ", B, " S ", S, " T ", T, " H ", H, " K ", K, " D ", D, " mask ",
                  static_cast<int>(mask), " window ", window, " offsets ", query_offset, " ",
                  key_offset, " documents ", query_documents.size());
  }
};

template <class T>
struct Inputs {
  std::vector<T> q, k, v, dout;
};
template <class T>
struct Results {
  std::vector<T> out, lse, dq, dk, dv;
};

template <class T>
Inputs<T> RandomInputs(const Case& c) {
  return {RandomValues<T>(c.B * c.S * c.H * c.D, "q", 2),
          RandomValues<T>(c.B * c.T * c.K * c.D, "k", 2),
          RandomValues<T>(c.B * c.T * c.K * c.D, "v"),
          RandomValues<T>(c.B * c.S * c.H * c.D, "dout")};
}

// One matrix of probabilities per head, every sum in R, one term after the other.
template <class R, class T>
Results<R> PlainAttention(const Case& c, const Inputs<T>& in) {
  Results<R> r = {
      std::vector<R>(in.q.size()),
      std::vector<R>(static_cast<size_t>(c.B * c.H * c.S), -std::numeric_limits<R>::infinity()),
      std::vector<R>(in.q.size()), std::vector<R>(in.k.size()), std::vector<R>(in.k.size())};
  const auto scale = static_cast<R>(c.scale);
  std::vector<R> p(static_cast<size_t>(c.T)), dp(p);
  for (int64_t b = 0; b < c.B; ++b) {
    for (int64_t h = 0; h < c.H; ++h) {
      for (int64_t s = 0; s < c.S; ++s) {
        const auto q_at = static_cast<size_t>(((b * c.S + s) * c.H + h) * c.D);
        const auto k_at = [&](int64_t t) {
          return static_cast<size_t>(((b * c.T + t) * c.K + h / (c.H / c.K)) * c.D);
        };
        const auto dot = [&](const auto& x, size_t x_at, const auto& y, size_t y_at) {
          R sum = 0;
          for (size_t d = 0; d < static_cast<size_t>(c.D); ++d) {
            sum += static_cast<R>(x[x_at + d]) * static_cast<R>(y[y_at + d]);
          }
          return sum;
        };
        R max = -std::numeric_limits<R>::infinity(), sum = 0, delta = 0;
        for (int64_t t = 0; t < c.T; ++t) {
          if (!c.Sees(b, s, t)) continue;
          p[static_cast<size_t>(t)] = scale * dot(in.q, q_at, in.k, k_at(t));
          max = std::max(max, p[static_cast<size_t>(t)]);
        }
        for (int64_t t = 0; t < c.T; ++t) {
          if (!c.Sees(b, s, t)) continue;
          R& probability = p[static_cast<size_t>(t)];
          probability = std::exp(probability - max);
          sum += probability;
        }
        for (int64_t t = 0; t < c.T; ++t) {
          if (!c.Sees(b, s, t)) continue;
          R& probability = p[static_cast<size_t>(t)];
          probability /= sum;
          dp[static_cast<size_t>(t)] = dot(in.dout, q_at, in.v, k_at(t));
          delta += probability * dp[static_cast<size_t>(t)];
        }
        for (int64_t t = 0; t < c.T; ++t) {
          if (!c.Sees(b, s, t)) continue;
          const R probability = p[static_cast<size_t>(t)];
          const R ds = scale * probability * (dp[static_cast<size_t>(t)] - delta);
          for (size_t d = 0; d < static_cast<size_t>(c.D); ++d) {
            r.out[q_at + d] += probability * static_cast<R>(in.v[k_at(t) + d]);
            r.dv[k_at(t) + d] += probability * static_cast<R>(in.dout[q_at + d]);
            r.dq[q_at + d] += ds * static_cast<R>(in.k[k_at(t) + d]);
            r.dk[k_at(t) + d] += ds * static_cast<R>(in.q[q_at + d]);
          }
        }
        if (sum > 0) r.lse[static_cast<size_t>((b * c.H + h) * c.S + s)] = max + std::log(sum);
      }
    }
  }
  return r;
}

std::shared_ptr<const AttentionPlan> PlanOf(Device& device, const Case& c, DType dtype) {
  return MakePlan(device, AttentionSpec{.batch = c.B,
                                        .query_length = c.S,
                                        .key_length = c.T,
                                        .num_heads = c.H,
                                        .num_kv_heads = c.K,
                                        .head_dim = c.D,
                                        .dtype = dtype,
                                        .mask = c.mask,
                                        .window = c.window,
                                        .scale = c.scale,
                                        .has_documents = !c.query_documents.empty()});
}

// Tensors of a case on a device: outputs and workspaces start as NaN.
template <class T>
struct OnDevice {
  OnDevice(const OpBench& the_bench, const Case& the_case, const Inputs<T>& in)
      : bench(the_bench),
        c(the_case),
        plan(PlanOf(*bench.device, c, DTypeOf<T>)),
        q(bench, {c.B, c.S, c.H, c.D}, in.q),
        k(bench, {c.B, c.T, c.K, c.D}, in.k),
        v(bench, {c.B, c.T, c.K, c.D}, in.v),
        dout(bench, {c.B, c.S, c.H, c.D}, in.dout),
        out(bench, {c.B, c.S, c.H, c.D}),
        dq(bench, {c.B, c.S, c.H, c.D}),
        dk(bench, {c.B, c.T, c.K, c.D}),
        dv(bench, {c.B, c.T, c.K, c.D}),
        lse(bench, {c.B, c.H, c.S}),
        query_documents(bench, {c.B, c.query_documents.empty() ? 0 : c.S}, c.query_documents),
        key_documents(bench, {c.B, c.query_documents.empty() ? 0 : c.T}, c.key_documents),
        forward_workspace(bench, {plan->forward_workspace_bytes}),
        backward_workspace(bench, {plan->backward_workspace_bytes}) {}

  template <class Args>
  void FillInputs(Args& args) const {
    args.plan = plan.get();
    args.q_BSHD = q;
    args.k_BTKD = k;
    args.v_BTKD = v;
    args.query_offset = c.query_offset;
    args.key_offset = c.key_offset;
    if (!c.query_documents.empty()) {
      args.query_documents_BS = query_documents;
      args.key_documents_BT = key_documents;
    }
    args.out_BSHD = out.view();
    args.lse_BHS = lse.view();
  }
  AttentionForwardArgs ForwardArgs() const {
    AttentionForwardArgs args;
    FillInputs(args);
    args.workspace = forward_workspace;
    return args;
  }
  AttentionBackwardArgs BackwardArgs() const {
    AttentionBackwardArgs args;
    FillInputs(args);
    args.dout_BSHD = dout;
    args.dq_BSHD = dq;
    args.dk_BTKD = dk;
    args.dv_BTKD = dv;
    args.workspace = backward_workspace;
    return args;
  }
  Results<T> Get() const {
    bench.Synchronize();
    return {out.Get(), lse.Get(), dq.Get(), dk.Get(), dv.Get()};
  }

  const OpBench& bench;
  const Case& c;
  std::shared_ptr<const AttentionPlan> plan;
  GuardedTensor<T> q, k, v, dout, out, dq, dk, dv, lse;
  GuardedTensor<int32_t> query_documents, key_documents;
  GuardedTensor<uint8_t> forward_workspace, backward_workspace;
};

template <class T>
Results<T> RunAttention(const OpBench& bench, const Case& c, const Inputs<T>& in) {
  const OnDevice<T> tensors(bench, c, in);
  AttentionForward(tensors.ForwardArgs(), *bench.stream);
  AttentionBackward(tensors.BackwardArgs(), *bench.stream);
  return tensors.Get();
}

template <class T>
std::vector<T> RunForward(const OpBench& bench, const Case& c, const Inputs<T>& in) {
  const OnDevice<T> tensors(bench, c, in);
  AttentionForward(tensors.ForwardArgs(), *bench.stream);
  return tensors.Get().out;
}

template <class T>
bool AllBitEqual(const Results<T>& a, const Results<T>& b) {
  return BitEqual(a.out, b.out) && BitEqual(a.lse, b.lse) && BitEqual(a.dq, b.dq) &&
         BitEqual(a.dk, b.dk) && BitEqual(a.dv, b.dv);
}

// Non-decreasing documents with these lengths; the same for every batch entry.
std::vector<int32_t> Documents(int64_t batch, const std::vector<int64_t>& lengths) {
  std::vector<int32_t> documents;
  for (int64_t b = 0; b < batch; ++b) {
    for (size_t i = 0; i < lengths.size(); ++i) {
      documents.insert(documents.end(), static_cast<size_t>(lengths[i]), static_cast<int32_t>(i));
    }
  }
  return documents;
}

template <class T>
class AttentionTyped : public ::testing::Test {};
using Types = ::testing::Types<double, float>;
TYPED_TEST_SUITE(AttentionTyped, Types);

constexpr auto kFull = AttentionMask::kFull;

TYPED_TEST(AttentionTyped, AgreesWithPlainAttentionForwardAndBackward) {
  const OpBench bench;
  const std::vector<Case> cases = {
      {},
      {.B = 2, .S = 3, .T = 5, .H = 2, .K = 1, .D = 3, .mask = kFull},
      {.B = 2, .S = 67, .T = 67, .H = 4, .K = 2, .D = 16},
      {.B = 1, .S = 131, .T = 263, .H = 3, .K = 3, .D = 7, .mask = kFull},
      {.B = 1, .S = 70, .T = 200, .H = 2, .K = 1, .D = 8, .query_offset = 130},
      {.B = 1, .S = 1, .T = 1000, .H = 4, .K = 2, .D = 16, .query_offset = 999},
      // Queries in front of all keys, behind them, and across their begin.
      {.B = 1, .S = 9, .T = 7, .H = 2, .K = 2, .D = 4, .key_offset = 100},
      {.B = 1, .S = 9, .T = 7, .H = 2, .K = 2, .D = 4, .query_offset = 100},
      {.B = 1, .S = 90, .T = 140, .H = 2, .K = 2, .D = 4, .key_offset = 40},
      // Packed documents, also such that only one side has.
      {.B = 2,
       .S = 300,
       .T = 300,
       .H = 2,
       .K = 1,
       .D = 8,
       .query_documents = Documents(2, {1, 130, 0, 64, 105}),
       .key_documents = Documents(2, {1, 130, 0, 64, 105})},
      {.B = 1,
       .S = 75,
       .T = 400,
       .H = 2,
       .K = 1,
       .D = 8,
       .mask = kFull,
       .query_documents = Documents(1, {10, 0, 25, 40}),
       .key_documents = Documents(1, {3, 290, 0, 107})},
      // Windows: within a block, over blocks that some of its queries do not see,
      // longer than the sequence, of a cache, such that queries behind the keys see none, of
      // documents.
      {.S = 9, .T = 9, .D = 4, .window = 2},
      {.B = 2, .S = 67, .T = 67, .H = 4, .K = 2, .D = 16, .window = 5},
      {.S = 401, .T = 401, .H = 2, .K = 1, .D = 8, .window = 150},
      {.S = 70, .T = 70, .D = 4, .window = 1000},
      {.S = 1, .T = 1000, .H = 4, .K = 2, .D = 16, .window = 300, .query_offset = 999},
      {.S = 70, .T = 300, .H = 2, .K = 1, .D = 8, .window = 129, .query_offset = 230},
      {.S = 40, .T = 60, .H = 2, .D = 4, .window = 20, .query_offset = 59},
      {.B = 2,
       .S = 300,
       .T = 300,
       .H = 2,
       .D = 8,
       .window = 40,
       .query_documents = Documents(2, {1, 130, 0, 64, 105}),
       .key_documents = Documents(2, {1, 130, 0, 64, 105})},
      // Long heads.
      {.B = 2, .S = 35, .T = 35, .H = 4, .K = 2, .D = 97, .scale = 0.1},
      {.S = 34, .T = 65, .H = 2, .K = 1, .D = 129, .query_offset = 31, .scale = 0.1},
      // Nothing of something.
      {.B = 0, .S = 3, .T = 3},
      {.B = 2, .S = 0, .T = 3},
      {.B = 2, .S = 3, .T = 0, .mask = kFull},
      {.B = 1, .S = 3, .T = 3, .D = 0}};
  for (const Case& c : cases) {
    const Inputs<TypeParam> in = RandomInputs<TypeParam>(c);
    const Results<TypeParam> op = RunAttention(bench, c, in);
    const auto plain = PlainAttention<TypeParam>(c, in);
    const auto exact = PlainAttention<long double>(c, in);
    ExpectAsGoodAsPlain(op.out, plain.out, exact.out, "out of " + c.ToString());
    ExpectAsGoodAsPlain(op.lse, plain.lse, exact.lse, "lse of " + c.ToString());
    ExpectAsGoodAsPlain(op.dq, plain.dq, exact.dq, "dq of " + c.ToString());
    ExpectAsGoodAsPlain(op.dk, plain.dk, exact.dk, "dk of " + c.ToString());
    ExpectAsGoodAsPlain(op.dv, plain.dv, exact.dv, "dv of " + c.ToString());
  }
}

TYPED_TEST(AttentionTyped, StaysExactWhereScoresAreFarApart) {
  const OpBench bench;
  Case c = {.S = 150, .T = 150, .D = 4};
  c.scale = 50;
  const Inputs<TypeParam> in = RandomInputs<TypeParam>(c);
  const Results<TypeParam> op = RunAttention(bench, c, in);
  const auto plain = PlainAttention<TypeParam>(c, in);
  const auto exact = PlainAttention<long double>(c, in);
  ExpectAsGoodAsPlain(op.out, plain.out, exact.out, "out");
  ExpectAsGoodAsPlain(op.lse, plain.lse, exact.lse, "lse");
  // Backward knows maximum and sum only through lse, so P carries lse's rounding.
  const double rounding = std::numeric_limits<TypeParam>::epsilon();
  EXPECT_LE(MaxError(op.dv, exact.dv),
            2 * MaxError(plain.dv, exact.dv) +
                (2 + MaxMagnitude(exact.lse)) * rounding * MaxMagnitude(exact.dv));
}

TYPED_TEST(AttentionTyped, GivesTheSameBitsForAnyNumberOfThreads) {
  const Case c = {.B = 2, .S = 150, .T = 150, .H = 4, .K = 2, .D = 16};
  const Inputs<TypeParam> in = RandomInputs<TypeParam>(c);
  const Results<TypeParam> one = RunAttention(OpBench(1), c, in);
  EXPECT_TRUE(AllBitEqual(one, RunAttention(OpBench(2), c, in)));
  EXPECT_TRUE(AllBitEqual(one, RunAttention(OpBench(3), c, in)));
}

TYPED_TEST(AttentionTyped, GivesTheSameBitsToConcurrentRanksOfOnePool) {
  const Case c = {.B = 2, .S = 150, .T = 150, .H = 4, .K = 2, .D = 16};
  const Inputs<TypeParam> in = RandomInputs<TypeParam>(c);
  const Results<TypeParam> alone = RunAttention(OpBench(1), c, in);
  const auto pool = MakeThreadPool(2);
  std::vector<int> equal(3, 0);
  {
    std::vector<std::jthread> ranks;
    for (int& rank_equal : equal) {
      ranks.emplace_back([&] {
        const OpBench bench(pool);
        rank_equal = AllBitEqual(alone, RunAttention(bench, c, in)) ? 1 : 0;
      });
    }
  }
  EXPECT_THAT(equal, ::testing::Each(1));
}

// Parts of one fused tensor [B, S, H + 2K, D], and gradients inside another.
TYPED_TEST(AttentionTyped, ReadsAndWritesPartsOfFusedTensors) {
  const OpBench bench;
  const Case c = {.B = 2, .S = 70, .T = 70, .H = 4, .K = 2, .D = 6};
  const Inputs<TypeParam> in = RandomInputs<TypeParam>(c);
  const Results<TypeParam> apart = RunAttention(bench, c, in);

  const OnDevice<TypeParam> tensors(bench, c, in);
  std::vector<TypeParam> fused_values;
  for (int64_t token = 0; token < c.B * c.S; ++token) {
    const auto append = [&](const std::vector<TypeParam>& from, int64_t heads) {
      const auto begin = from.begin() + token * heads * c.D;
      fused_values.insert(fused_values.end(), begin, begin + heads * c.D);
    };
    append(in.q, c.H), append(in.k, c.K), append(in.v, c.K);
  }
  const GuardedTensor<TypeParam> fused(bench, {c.B, c.S, 8, c.D}, fused_values);
  const GuardedTensor<TypeParam> gradient(bench, {c.B, c.S, 8, c.D});
  const auto use_parts = [&](auto& args) {
    args.q_BSHD = fused.view().Slice(2, 0, 4);
    args.k_BTKD = fused.view().Slice(2, 4, 6);
    args.v_BTKD = fused.view().Slice(2, 6, 8);
  };
  AttentionForwardArgs forward = tensors.ForwardArgs();
  use_parts(forward);
  AttentionForward(forward, *bench.stream);
  AttentionBackwardArgs backward = tensors.BackwardArgs();
  use_parts(backward);
  backward.dq_BSHD = gradient.view().Slice(2, 0, 4);
  backward.dk_BTKD = gradient.view().Slice(2, 4, 6);
  backward.dv_BTKD = gradient.view().Slice(2, 6, 8);
  AttentionBackward(backward, *bench.stream);
  const Results<TypeParam> together = tensors.Get();
  EXPECT_TRUE(BitEqual(apart.out, together.out));
  EXPECT_TRUE(BitEqual(apart.lse, together.lse));
  const std::vector<TypeParam> parts = gradient.Get();
  for (int64_t token = 0; token < c.B * c.S; ++token) {
    const auto expect_part = [&](const std::vector<TypeParam>& expected, int64_t first,
                                 int64_t heads) {
      const TypeParam* part = parts.data() + (token * 8 + first) * c.D;
      EXPECT_TRUE(std::equal(part, part + heads * c.D, expected.begin() + token * heads * c.D));
    };
    expect_part(apart.dq, 0, 4), expect_part(apart.dk, 4, 2), expect_part(apart.dv, 6, 2);
  }
}

// A plan for the longest sequence serves a shorter one: a cache that fills up.
TYPED_TEST(AttentionTyped, ServesShorterSequencesWithOnePlan) {
  const OpBench bench;
  const Case c = {.B = 2, .S = 1, .T = 90, .H = 2, .K = 1, .D = 8, .query_offset = 89};
  const Inputs<TypeParam> in = RandomInputs<TypeParam>(c);
  Case longest = c;
  longest.S = 65;
  longest.T = 200;
  Inputs<TypeParam> cached = RandomInputs<TypeParam>(longest);
  for (int64_t b = 0; b < 2; ++b) {
    std::copy_n(in.k.begin() + b * 90 * 8, 90 * 8, cached.k.begin() + b * 200 * 8);
    std::copy_n(in.v.begin() + b * 90 * 8, 90 * 8, cached.v.begin() + b * 200 * 8);
  }
  const OnDevice<TypeParam> tensors(bench, c, in), cache(bench, longest, cached);
  AttentionForwardArgs args = tensors.ForwardArgs();
  args.plan = cache.plan.get();
  args.workspace = cache.forward_workspace;
  args.k_BTKD = cache.k.view().Slice(1, 0, 90);
  args.v_BTKD = cache.v.view().Slice(1, 0, 90);
  AttentionForward(args, *bench.stream);
  ExpectAsGoodAsPlain(tensors.Get().out, PlainAttention<TypeParam>(c, in).out,
                      PlainAttention<long double>(c, in).out, "out");
}

TYPED_TEST(AttentionTyped, DoesNotLetLaterTokensChangeEarlierOnes) {
  const OpBench bench;
  const Case c = {.S = 200, .T = 200, .H = 2, .D = 8};
  Inputs<TypeParam> in = RandomInputs<TypeParam>(c);
  const std::vector<TypeParam> before = RunForward(bench, c, in);
  const int64_t prefix = 77;
  for (size_t i = prefix * 8; i < in.k.size(); ++i) in.k[i] = in.v[i] = TypeParam{3};
  const std::vector<TypeParam> after = RunForward(bench, c, in);
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + prefix * 16, after.begin()));
  EXPECT_FALSE(BitEqual(before, after));
}

// Keys behind the window may be gone from a cache: not even their block is read.
TYPED_TEST(AttentionTyped, DecodesWithAWindowAsTheWholeSequenceAndReadsNoKeyOutsideIt) {
  const OpBench bench;
  const Case whole = {.S = 500, .T = 500, .H = 4, .K = 2, .D = 8, .window = 100};
  const Inputs<TypeParam> in = RandomInputs<TypeParam>(whole);
  const std::vector<TypeParam> out = RunForward(bench, whole, in);
  const int64_t row = whole.H * whole.D, key_row = whole.K * whole.D;
  for (const int64_t position : {0, 50, 99, 100, 311, 499}) {
    Case decode = whole;
    decode.S = 1;
    decode.T = position + 1;
    decode.query_offset = position;
    Inputs<TypeParam> step = in;
    step.q.assign(in.q.begin() + position * row, in.q.begin() + (position + 1) * row);
    step.dout = step.q;
    for (auto* cached : {&step.k, &step.v}) {
      cached->resize(static_cast<size_t>(decode.T * key_row));
      const int64_t hidden = std::max<int64_t>(0, position - 99) * key_row;
      std::fill_n(cached->begin(), hidden, std::numeric_limits<TypeParam>::quiet_NaN());
    }
    const std::vector<TypeParam> expected(out.begin() + position * row,
                                          out.begin() + (position + 1) * row);
    EXPECT_LE(MaxError(RunForward(bench, decode, step), expected),
              20 * std::numeric_limits<TypeParam>::epsilon())
        << position;
  }
}

TYPED_TEST(AttentionTyped, DoesNotDependOnTheOrderOfKeysUnderAFullMask) {
  const OpBench bench;
  const Case c = {.S = 20, .T = 301, .D = 8, .mask = kFull};
  const Inputs<TypeParam> in = RandomInputs<TypeParam>(c);
  Inputs<TypeParam> permuted = in;
  for (int64_t t = 0; t < c.T; ++t) {
    const int64_t from = t * 100 % c.T;
    std::copy_n(in.k.begin() + from * c.D, c.D, permuted.k.begin() + t * c.D);
    std::copy_n(in.v.begin() + from * c.D, c.D, permuted.v.begin() + t * c.D);
  }
  EXPECT_LE(MaxError(RunForward(bench, c, in), RunForward(bench, c, permuted)),
            20 * std::numeric_limits<TypeParam>::epsilon());
}

TYPED_TEST(AttentionTyped, TreatsPackedDocumentsLikeSequencesOfTheirOwn) {
  const OpBench bench;
  const std::vector<int64_t> lengths = {70, 1, 129};
  Case packed = {.S = 200, .T = 200, .H = 2, .K = 1, .D = 8};
  packed.query_documents = packed.key_documents = Documents(1, lengths);
  const Inputs<TypeParam> in = RandomInputs<TypeParam>(packed);
  const Results<TypeParam> together = RunAttention(bench, packed, in);
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    const Case alone = {.S = length, .T = length, .H = 2, .K = 1, .D = 8};
    const auto part = [&](const std::vector<TypeParam>& of, int64_t width) {
      return std::vector<TypeParam>(of.begin() + begin * width,
                                    of.begin() + (begin + length) * width);
    };
    const Results<TypeParam> result = RunAttention<TypeParam>(
        bench, alone, {part(in.q, 16), part(in.k, 8), part(in.v, 8), part(in.dout, 16)});
    const double bound = 100 * std::numeric_limits<TypeParam>::epsilon();
    EXPECT_LE(MaxError(result.out, part(together.out, 16)), bound);
    EXPECT_LE(MaxError(result.dq, part(together.dq, 16)), bound);
    EXPECT_LE(MaxError(result.dk, part(together.dk, 8)), bound);
    EXPECT_LE(MaxError(result.dv, part(together.dv, 8)), bound);
    begin += length;
  }
}

TYPED_TEST(AttentionTyped, SharesKeyHeadsAsIfTheyWereRepeated) {
  const OpBench bench;
  const Case shared = {.B = 2, .S = 40, .T = 40, .H = 6, .K = 2, .D = 4};
  Case repeated = shared;
  repeated.K = 6;
  const Inputs<TypeParam> in = RandomInputs<TypeParam>(shared);
  Inputs<TypeParam> wide = RandomInputs<TypeParam>(repeated);
  for (int64_t token = 0; token < 80; ++token) {
    for (int64_t head = 0; head < 6; ++head) {
      const int64_t from = (token * 2 + head / 3) * 4, to = (token * 6 + head) * 4;
      std::copy_n(in.k.begin() + from, 4, wide.k.begin() + to);
      std::copy_n(in.v.begin() + from, 4, wide.v.begin() + to);
    }
  }
  const Results<TypeParam> few = RunAttention(bench, shared, in);
  const Results<TypeParam> many = RunAttention(bench, repeated, wide);
  EXPECT_TRUE(BitEqual(few.out, many.out));
  EXPECT_TRUE(BitEqual(few.dq, many.dq));
  std::vector<TypeParam> summed(few.dk.size());
  for (size_t i = 0; i < many.dk.size(); ++i) {
    summed[(i / 24 * 2 + i / 4 % 6 / 3) * 4 + i % 4] += many.dk[i];
  }
  EXPECT_LE(MaxError(few.dk, summed), 100 * std::numeric_limits<TypeParam>::epsilon());
}

TEST(Attention, BackwardAgreesWithFiniteDifferences) {
  const OpBench bench(1);
  std::vector<Case> cases = {{.B = 1, .S = 5, .T = 7, .H = 2, .K = 1, .D = 3, .mask = kFull},
                             {.B = 2, .S = 4, .T = 4, .H = 2, .K = 2, .D = 2},
                             {.B = 1, .S = 5, .T = 5, .H = 1, .K = 1, .D = 3},
                             {.B = 1, .S = 5, .T = 5, .H = 2, .K = 1, .D = 2, .window = 2}};
  cases[2].query_documents = cases[2].key_documents = Documents(1, {2, 3});
  for (const Case& c : cases) {
    const Inputs<double> in = RandomInputs<double>(c);
    const Results<double> result = RunAttention(bench, c, in);
    const auto expect_gradient = [&](std::vector<double> Inputs<double>::*of,
                                     const std::vector<double>& gradient) {
      const auto loss = [&](const std::vector<double>& values) {
        Inputs<double> moved = in;
        moved.*of = values;
        const std::vector<double> out = RunForward(bench, c, moved);
        return std::inner_product(out.begin(), out.end(), in.dout.begin(), 0.0);
      };
      EXPECT_LE(MaxError(gradient, FiniteDifferences(in.*of, loss)), 1e-6 * MaxMagnitude(gradient))
          << c.ToString();
    };
    expect_gradient(&Inputs<double>::q, result.dq);
    expect_gradient(&Inputs<double>::k, result.dk);
    expect_gradient(&Inputs<double>::v, result.dv);
  }
}

TEST(Attention, PassesNaNOn) {
  const OpBench bench;
  const Case c = {.S = 3, .T = 3, .D = 2};
  Inputs<float> in = RandomInputs<float>(c);
  in.q[2] = std::numeric_limits<float>::quiet_NaN();  // of the second query
  const std::vector<float> out = RunForward(bench, c, in);
  EXPECT_FALSE(std::isnan(out[0]) || std::isnan(out[1]));
  EXPECT_TRUE(std::isnan(out[2]) && std::isnan(out[3]));
  EXPECT_FALSE(std::isnan(out[4]) || std::isnan(out[5]));
}

TEST(AttentionCost, CountsVisiblePairs) {
  const OpBench bench;
  const auto forward_flops = [&](const Case& c) {
    const OnDevice<float> tensors(bench, c, RandomInputs<float>(c));
    EXPECT_EQ(Cost(tensors.BackwardArgs()).flops, 2.5 * Cost(tensors.ForwardArgs()).flops);
    return Cost(tensors.ForwardArgs()).flops;
  };
  EXPECT_EQ(forward_flops({.B = 2, .S = 6, .T = 10, .H = 3, .D = 4, .mask = kFull}),
            4.0 * 2 * 3 * 6 * 10 * 4);
  EXPECT_EQ(forward_flops({.S = 8, .T = 8, .D = 4}), 4.0 * 32 * 4);
  EXPECT_EQ(forward_flops({.S = 2, .T = 8, .D = 1, .query_offset = 6}), 4.0 * (6.5 + 7.5));
  EXPECT_EQ(forward_flops({.S = 4, .T = 2, .D = 1, .key_offset = 1}), 4.0 * (0.5 + 1.5 + 2));
  EXPECT_EQ(forward_flops({.S = 3, .T = 4, .D = 1, .key_offset = 9}), 0.0);
  EXPECT_EQ(forward_flops({.S = 4, .T = 4, .D = 1, .window = 2}), 4.0 * (0.5 + 1.5 + 2 + 2));
  EXPECT_EQ(forward_flops({.S = 4, .T = 4, .D = 1, .window = 4}), 4.0 * 8);
  EXPECT_EQ(forward_flops({.S = 1, .T = 100, .D = 1, .window = 30, .query_offset = 99}), 4.0 * 30);
  const Case c = {.B = 2, .S = 3, .T = 5, .H = 2, .D = 7};
  const OnDevice<float> tensors(bench, c, RandomInputs<float>(c));
  EXPECT_EQ(Cost(tensors.ForwardArgs()).bytes,
            4.0 * (2 * 3 * 2 * 7 * 2 + 2 * 5 * 1 * 7 * 2 + 2 * 2 * 3));
}

TEST(AttentionErrors, NameTheOpAndTheArgument) {
  const OpBench bench;
  const Case c = {.B = 1, .S = 4, .T = 4, .H = 2, .D = 2};
  const OnDevice<float> tensors(bench, c, RandomInputs<float>(c));
  const GuardedTensor<float> wrong(bench, {1, 3, 2, 2});
  const GuardedTensor<int32_t> documents(bench, {1, 4});
  const auto error_of = [&](auto change) {
    AttentionForwardArgs args = tensors.ForwardArgs();
    change(args);
    return ErrorOf([&] { AttentionForward(args, *bench.stream); });
  };
  EXPECT_THAT(error_of([](auto& x) { x.plan = nullptr; }), HasSubstr("AttentionForward: plan"));
  EXPECT_THAT(error_of([&](auto& x) { x.v_BTKD = {}; }), HasSubstr("AttentionForward: v"));
  EXPECT_THAT(error_of([&](auto& x) { x.k_BTKD = wrong.view(); }),
              HasSubstr("AttentionForward: k F32[1, 3, 2, 2]"));
  EXPECT_THAT(error_of([&](auto& x) { x.query_documents_BS = documents; }),
              AllOf(HasSubstr("query_documents"), HasSubstr("both or none")));
  EXPECT_THAT(error_of([&](auto& x) { x.query_documents_BS = x.key_documents_BT = documents; }),
              HasSubstr("without documents"));
  EXPECT_THAT(error_of([&](auto& x) {
                x.q_BSHD = ConstTensorView(tensors.q.view().raw(), DType::kF32, {1, 4, 2, 2},
                                           {16, 0, 2, 1});
              }),
              AllOf(HasSubstr("AttentionForward: q"), HasSubstr("head dim 2")));
  AttentionBackwardArgs backward = tensors.BackwardArgs();
  backward.dk_BTKD = wrong;
  EXPECT_THAT(ErrorOf([&] { AttentionBackward(backward, *bench.stream); }),
              HasSubstr("AttentionBackward: dk F32[1, 3, 2, 2]"));
  backward = tensors.BackwardArgs();
  backward.workspace = {};
  EXPECT_THAT(ErrorOf([&] { AttentionBackward(backward, *bench.stream); }),
              HasSubstr("AttentionBackward: workspace"));

  Case longer = c;
  longer.S = longer.T = 5;
  const OnDevice<float> too_long(bench, longer, RandomInputs<float>(longer));
  AttentionForwardArgs args = too_long.ForwardArgs();
  args.plan = tensors.plan.get();
  EXPECT_THAT(ErrorOf([&] { AttentionForward(args, *bench.stream); }),
              HasSubstr("at most 4 and 4"));
  for (const auto& [mask, window] : {std::pair{kFull, 4}, {AttentionMask::kCausal, -1}}) {
    Case wrong_window = c;
    wrong_window.mask = mask;
    wrong_window.window = window;
    EXPECT_THAT(ErrorOf([&] { PlanOf(*bench.device, wrong_window, DType::kF32); }),
                AllOf(HasSubstr(StrCat("window ", window)), HasSubstr("causal mask")));
  }
  Case uneven = c;
  uneven.H = 3;
  uneven.K = 2;
  EXPECT_THAT(ErrorOf([&] { PlanOf(*bench.device, uneven, DType::kF32); }),
              AllOf(HasSubstr("Attention plan"), HasSubstr("num_kv_heads 2")));
}

TEST(AttentionPlan, AsksForTheSameWorkspaceOnSimAndHoweverManyThreads) {
  const Case c = {.B = 4, .S = 256, .T = 256, .H = 8, .K = 2, .D = 32};
  DeviceOptions options;
  options.kind = DeviceKind::kSim;
  options.stands_for = OpBench().device->properties();
  const auto sim = OpenDevice(options);
  const auto recorded = PlanOf(*sim, c, DType::kF32);
  for (const int num_threads : {1, 3}) {
    const auto plan = PlanOf(*OpBench(num_threads).device, c, DType::kF32);
    EXPECT_EQ(plan->forward_workspace_bytes, recorded->forward_workspace_bytes);
    EXPECT_EQ(plan->backward_workspace_bytes, recorded->backward_workspace_bytes);
  }
  EXPECT_GT(recorded->backward_workspace_bytes, 0);
}

TEST(AttentionPlan, NeedsMemoryLinearInTheSequence) {
  AttentionSpec spec = {.batch = 1,
                        .query_length = 4096,
                        .key_length = 4096,
                        .num_heads = 8,
                        .num_kv_heads = 8,
                        .head_dim = 64,
                        .dtype = DType::kF32};
  const AttentionChoice choice = ChooseAttention(spec);
  spec.query_length = spec.key_length = 8192;
  const AttentionChoice twice = ChooseAttention(spec);
  EXPECT_LE(twice.forward.bytes(), 2 * choice.forward.bytes());
  EXPECT_LE(twice.backward.bytes(), 2 * choice.backward.bytes());
}

}  // namespace
}  // namespace cadmus
