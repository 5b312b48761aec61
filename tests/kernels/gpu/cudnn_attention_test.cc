// SPDX-License-Identifier: Apache-2.0
// cuDNN's attention on a GPU, asked for by name: it rounds probabilities to bf16 between its
// products, so it is held against a plain implementation that rounds every intermediate result.
#include <gmock/gmock.h>

#include <cmath>

#include "kernels/cuda/cudnn_attention.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/cudnn_choice.h"
#include "tests/kernels/ops/op_test_support.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct CudnnCase {
  int64_t B = 1, S = 128, T = 128, H = 2, K = 2, D = 64;
  AttentionMask mask = AttentionMask::kCausal;
  int64_t window = 0;
  double scale = 0.125;

  bool Sees(int64_t s, int64_t t) const {
    return mask == AttentionMask::kFull || (t <= s && (window == 0 || s - t < window));
  }
  std::string ToString() const {
    return StrCat("B ", B, " S ", S, " T ", T, " H ", H, " K ", K, " D ", D, " mask ",
                  static_cast<int>(mask), " window ", window);
  }
};

struct CudnnInputs {
  std::vector<BFloat16> q, k, v, dout;
};
template <class T, class Statistic>
struct CudnnResults {
  std::vector<T> out, dq, dk, dv;
  std::vector<Statistic> lse;
};
using OnGpu = CudnnResults<BFloat16, float>;
using InF64 = CudnnResults<double, double>;

CudnnInputs InputsOf(const CudnnCase& c) {
  return {RandomValues<BFloat16>(c.B * c.S * c.H * c.D, "q", 2),
          RandomValues<BFloat16>(c.B * c.T * c.K * c.D, "k", 2),
          RandomValues<BFloat16>(c.B * c.T * c.K * c.D, "v"),
          RandomValues<BFloat16>(c.B * c.S * c.H * c.D, "dout")};
}

double Exactly(double x) { return x; }
double InBf16(double x) { return static_cast<double>(BFloat16(x)); }

// Whole matrices of scores, sums in f64, everything that is kept passed through `round`.
InF64 PlainAttention(const CudnnCase& c, const CudnnInputs& in, double (*round)(double)) {
  InF64 r = {std::vector<double>(in.q.size()), std::vector<double>(in.q.size()),
             std::vector<double>(in.k.size()), std::vector<double>(in.k.size()),
             std::vector<double>(static_cast<size_t>(c.B * c.H * c.S))};
  const auto at = [](int64_t i) { return static_cast<size_t>(i); };
  std::vector<double> p(at(c.T)), ds(p);
  for (int64_t row = 0; row < c.B * c.H * c.S; ++row) {
    const int64_t b = row / (c.H * c.S), h = row / c.S % c.H, s = row % c.S;
    const int64_t q_at = ((b * c.S + s) * c.H + h) * c.D;
    const auto k_at = [&](int64_t t) { return ((b * c.T + t) * c.K + h / (c.H / c.K)) * c.D; };
    const auto dot = [&](const auto& x, int64_t x_at, const auto& y, int64_t y_at) {
      double sum = 0;
      for (int64_t d = 0; d < c.D; ++d) {
        sum += static_cast<double>(x[at(x_at + d)]) * static_cast<double>(y[at(y_at + d)]);
      }
      return sum;
    };
    double maximum = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t t = 0; t < c.T; ++t) {
      if (!c.Sees(s, t)) continue;
      p[at(t)] = round(c.scale * round(dot(in.q, q_at, in.k, k_at(t))));
      maximum = std::max(maximum, p[at(t)]);
    }
    for (int64_t t = 0; t < c.T; ++t) sum += c.Sees(s, t) ? std::exp(p[at(t)] - maximum) : 0;
    for (int64_t t = 0; t < c.T; ++t) {
      p[at(t)] = c.Sees(s, t) ? round(std::exp(p[at(t)] - maximum) / sum) : 0;
      for (int64_t d = 0; d < c.D; ++d) {
        r.out[at(q_at + d)] += p[at(t)] * static_cast<double>(in.v[at(k_at(t) + d)]);
      }
    }
    for (int64_t d = 0; d < c.D; ++d) r.out[at(q_at + d)] = round(r.out[at(q_at + d)]);
    r.lse[at(row)] = maximum + std::log(sum);
    const double delta = dot(r.out, q_at, in.dout, q_at);
    for (int64_t t = 0; t < c.T; ++t) {
      if (p[at(t)] == 0) continue;
      const double dp = round(dot(in.dout, q_at, in.v, k_at(t)));
      ds[at(t)] = round(c.scale * round(p[at(t)] * (dp - delta)));
      for (int64_t d = 0; d < c.D; ++d) {
        r.dv[at(k_at(t) + d)] += p[at(t)] * static_cast<double>(in.dout[at(q_at + d)]);
        r.dq[at(q_at + d)] += ds[at(t)] * static_cast<double>(in.k[at(k_at(t) + d)]);
        r.dk[at(k_at(t) + d)] += ds[at(t)] * static_cast<double>(in.q[at(q_at + d)]);
      }
    }
  }
  for (auto* gradient : {&r.dq, &r.dk, &r.dv}) {
    for (double& value : *gradient) value = round(value);
  }
  return r;
}

class CudnnAttentionTest : public ::testing::Test {
 protected:
  struct Tensors {
    Tensors(const OpBench& bench, const CudnnCase& the_case, const CudnnInputs& in)
        : c(the_case),
          q(bench, {c.B, c.S, c.H, c.D}, in.q),
          k(bench, {c.B, c.T, c.K, c.D}, in.k),
          v(bench, {c.B, c.T, c.K, c.D}, in.v),
          dout(bench, {c.B, c.S, c.H, c.D}, in.dout),
          out(bench, {c.B, c.S, c.H, c.D}),
          dq(bench, {c.B, c.S, c.H, c.D}),
          dk(bench, {c.B, c.T, c.K, c.D}),
          dv(bench, {c.B, c.T, c.K, c.D}),
          lse(bench, {c.B, c.H, c.S}) {}

    template <class Args>
    Args Common(const AttentionPlan& plan) const {
      Args args;
      args.plan = &plan;
      args.q_BSHD = q;
      args.k_BTKD = k;
      args.v_BTKD = v;
      args.out_BSHD = out.view();
      args.lse_BHS = lse.view();
      return args;
    }
    AttentionForwardArgs Forward(const AttentionPlan& plan) const {
      return Common<AttentionForwardArgs>(plan);
    }
    AttentionBackwardArgs Backward(const AttentionPlan& plan) const {
      auto args = Common<AttentionBackwardArgs>(plan);
      args.dout_BSHD = dout;
      args.dq_BSHD = dq;
      args.dk_BTKD = dk;
      args.dv_BTKD = dv;
      return args;
    }
    OnGpu Get() const { return {out.Get(), dq.Get(), dk.Get(), dv.Get(), lse.Get()}; }

    CudnnCase c;
    GuardedTensor<BFloat16> q, k, v, dout, out, dq, dk, dv;
    GuardedTensor<float> lse;
  };

  void SetUp() override {
    try {
      static_cast<void>(cuda::OpenCudnn());
    } catch (const Error& error) {
      if (error.kind() != Kind::kConfig) throw;
      GTEST_SKIP() << error.message();
    }
    if (bench_.device->properties().capability != 90) {
      GTEST_SKIP() << CudnnAttentionRefusal({}, bench_.device->properties().capability);
    }
  }

  std::shared_ptr<const AttentionPlan> PlanFor(const CudnnCase& c, std::string_view kernel) const {
    return MakePlan(*bench_.device, AttentionSpec{.batch = c.B,
                                                  .query_length = c.S,
                                                  .key_length = c.T,
                                                  .num_heads = c.H,
                                                  .num_kv_heads = c.K,
                                                  .head_dim = c.D,
                                                  .dtype = DType::kBF16,
                                                  .mask = c.mask,
                                                  .window = c.window,
                                                  .scale = c.scale,
                                                  .reproducibility = reproducibility_,
                                                  .gpu_kernel = std::string(kernel)});
  }

  void Run(AttentionForwardArgs forward, AttentionBackwardArgs backward) const {
    const AttentionPlan& plan = *forward.plan;
    const auto workspace = [&](int64_t bytes) {
      return bytes == 0 ? Tensor()
                        : Tensor(DType::kU8, {bytes}, MemoryCategory::kWorkspace, *bench_.stream);
    };
    const Tensor of_forward = workspace(plan.forward_workspace_bytes);
    const Tensor of_backward = workspace(plan.backward_workspace_bytes);
    if (plan.forward_workspace_bytes > 0) forward.workspace = of_forward.view();
    if (plan.backward_workspace_bytes > 0) backward.workspace = of_backward.view();
    AttentionForward(forward, *bench_.stream);
    AttentionBackward(backward, *bench_.stream);
    bench_.Synchronize();
  }
  OnGpu Run(const CudnnCase& c, const CudnnInputs& in, const AttentionPlan& plan) const {
    const Tensors tensors(bench_, c, in);
    Run(tensors.Forward(plan), tensors.Backward(plan));
    return tensors.Get();
  }

  void ExpectAsGoodAsPlainBf16(const CudnnCase& c) const {
    const CudnnInputs in = InputsOf(c);
    const auto plan = PlanFor(c, kCudnnAttention);
    EXPECT_THAT(plan->kernel, StartsWith("cuDNN ")) << c.ToString();
    const OnGpu results = Run(c, in, *plan);
    const InF64 plain = PlainAttention(c, in, &InBf16), exact = PlainAttention(c, in, &Exactly);
    const auto expect = [&](const char* name, const std::vector<BFloat16>& result,
                            const std::vector<double>& of_plain, const std::vector<double>& truth) {
      ExpectAsGoodAsPlain(result, Converted<BFloat16>(of_plain), truth,
                          StrCat(name, " of ", c.ToString()));
    };
    expect("out", results.out, plain.out, exact.out);
    expect("dq", results.dq, plain.dq, exact.dq);
    expect("dk", results.dk, plain.dk, exact.dk);
    expect("dv", results.dv, plain.dv, exact.dv);
    ExpectAsGoodAsPlain(results.lse, Converted<float>(plain.lse), exact.lse,
                        "lse of " + c.ToString());
  }

  static void ExpectBitEqual(const OnGpu& a, const OnGpu& b) {
    EXPECT_TRUE(BitEqual(a.out, b.out) && BitEqual(a.lse, b.lse) && BitEqual(a.dq, b.dq) &&
                BitEqual(a.dk, b.dk) && BitEqual(a.dv, b.dv));
  }

  OpBench bench_;
  Reproducibility reproducibility_ = Reproducibility::kBitwise;
};

const CudnnCase kCudnnCases[] = {
    {},
    {.B = 2, .S = 256, .T = 256, .H = 4, .K = 4, .D = 128},
    {.B = 2, .S = 384, .T = 384, .H = 8, .K = 2, .D = 128, .scale = 0.0884},
    {.S = 333, .T = 333, .H = 4, .K = 1},
    {.B = 2, .S = 101, .T = 263, .H = 3, .K = 3, .mask = AttentionMask::kFull},
    {.S = 200, .T = 200, .H = 4, .K = 2, .D = 24},
    {.S = 192, .T = 192, .H = 2, .K = 1, .D = 256, .scale = 0.0625},
    {.S = 300, .T = 300, .H = 4, .K = 2, .window = 70},
};

TEST_F(CudnnAttentionTest, IsAsGoodAsPlainAttentionInBf16) {
  for (const CudnnCase& c : kCudnnCases) ExpectAsGoodAsPlainBf16(c);
}

TEST_F(CudnnAttentionTest, IsAsGoodAsPlainAttentionWhereItsBitsNeedNotRepeat) {
  reproducibility_ = Reproducibility::kFast;
  for (const CudnnCase& c : kCudnnCases) ExpectAsGoodAsPlainBf16(c);
}

TEST_F(CudnnAttentionTest, RepeatsItsBitsAHundredTimes) {
  const CudnnCase c = {.B = 2, .S = 384, .T = 384, .H = 8, .K = 2, .D = 128};
  const CudnnInputs in = InputsOf(c);
  const auto plan = PlanFor(c, kCudnnAttention);
  const OnGpu first = Run(c, in, *plan);
  for (int i = 1; i < 100; ++i) ExpectBitEqual(Run(c, in, *plan), first);
}

// One tensor of all heads, each token's behind each other: [B, S, H + 2 K, D].
std::vector<BFloat16> Fused(const CudnnCase& c, const std::vector<BFloat16>& q,
                            const std::vector<BFloat16>& k, const std::vector<BFloat16>& v) {
  std::vector<BFloat16> fused;
  for (int64_t token = 0; token < c.B * c.S; ++token) {
    const auto append = [&](const std::vector<BFloat16>& from, int64_t heads) {
      const auto begin = from.begin() + token * heads * c.D;
      fused.insert(fused.end(), begin, begin + heads * c.D);
    };
    append(q, c.H), append(k, c.K), append(v, c.K);
  }
  return fused;
}

TEST_F(CudnnAttentionTest, ReadsAndWritesPartsOfFusedTensors) {
  const CudnnCase c = {.B = 2, .S = 192, .T = 192, .H = 4, .K = 2};
  const CudnnInputs in = InputsOf(c);
  const OnGpu apart = Run(c, in, *PlanFor(c, kCudnnAttention));

  const Shape fused_shape = {c.B, c.S, c.H + 2 * c.K, c.D};
  const GuardedTensor<BFloat16> fused(bench_, fused_shape, Fused(c, in.q, in.k, in.v)),
      gradient(bench_, fused_shape);
  AttentionSpec spec = PlanFor(c, kCudnnAttention)->spec;
  const int64_t stride = fused.view().stride(1);
  spec.token_strides = {
      .q = stride, .k = stride, .v = stride, .dq = stride, .dk = stride, .dv = stride};
  const auto plan = MakePlan(*bench_.device, spec);
  const Tensors tensors(bench_, c, in);
  AttentionForwardArgs forward = tensors.Forward(*plan);
  AttentionBackwardArgs backward = tensors.Backward(*plan);
  const auto use_parts = [&](auto& args) {
    args.q_BSHD = fused.view().Slice(2, 0, 4);
    args.k_BTKD = fused.view().Slice(2, 4, 6);
    args.v_BTKD = fused.view().Slice(2, 6, 8);
  };
  use_parts(forward), use_parts(backward);
  backward.dq_BSHD = gradient.view().Slice(2, 0, 4);
  backward.dk_BTKD = gradient.view().Slice(2, 4, 6);
  backward.dv_BTKD = gradient.view().Slice(2, 6, 8);
  EXPECT_TRUE(IsAsDeclared(forward) && IsAsDeclared(backward));
  Run(forward, backward);
  EXPECT_TRUE(BitEqual(tensors.out.Get(), apart.out));
  EXPECT_TRUE(BitEqual(tensors.lse.Get(), apart.lse));
  EXPECT_TRUE(BitEqual(gradient.Get(), Fused(c, apart.dq, apart.dk, apart.dv)));
}

// The simple kernel takes the calls that are not as declared.
TEST_F(CudnnAttentionTest, LeavesShorterCallsToTheSimpleKernel) {
  const CudnnCase planned = {.S = 256, .T = 256}, shorter = {.S = 200, .T = 200};
  const CudnnInputs in = InputsOf(shorter);
  ExpectBitEqual(Run(shorter, in, *PlanFor(planned, kCudnnAttention)),
                 Run(shorter, in, *PlanFor(shorter, kSimpleAttention)));
}

TEST_F(CudnnAttentionTest, RefusesByNameWhatItCannotDo) {
  const CudnnCase unequal = {.S = 128, .T = 256};
  EXPECT_THAT(ErrorOf([&] { PlanFor(unequal, kCudnnAttention); }),
              HasSubstr("128 queries and 256 keys"));
}

}  // namespace
}  // namespace cadmus
