// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rms_norm.h"

#include "tests/kernels/ops/any_threads.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kEpsilon = 0.1;  // large: its absence would be seen

template <class R>
struct ForwardResult {
  std::vector<R> sum, y, rstd;
};

// The formula of the header, straight, in R.
template <class R>
ForwardResult<R> PlainForward(const std::vector<R>& x, const std::vector<R>& residual,
                              const std::vector<R>& weight) {
  const size_t width = weight.size();
  ForwardResult<R> out{x, x, {}};
  for (size_t i = 0; i < residual.size(); ++i) out.sum[i] += residual[i];
  for (size_t row = 0; row < x.size(); row += width) {
    R squares = 0;
    for (size_t d = 0; d < width; ++d) squares += out.sum[row + d] * out.sum[row + d];
    const R rstd = 1 / std::sqrt(squares / static_cast<R>(width) + static_cast<R>(kEpsilon));
    out.rstd.push_back(rstd);
    for (size_t d = 0; d < width; ++d) out.y[row + d] = weight[d] * out.sum[row + d] * rstd;
  }
  return out;
}

template <class R>
struct BackwardResult {
  std::vector<R> ds, dweight;
};

template <class R>
BackwardResult<R> PlainBackward(const std::vector<R>& s, const std::vector<R>& weight,
                                const std::vector<R>& dy, const std::vector<R>& dsum) {
  const size_t width = weight.size();
  BackwardResult<R> out{s, std::vector<R>(width, 0)};
  for (size_t row = 0; row < s.size(); row += width) {
    R squares = 0, dot = 0;
    for (size_t d = 0; d < width; ++d) {
      squares += s[row + d] * s[row + d];
      dot += dy[row + d] * weight[d] * s[row + d];
    }
    const R rstd = 1 / std::sqrt(squares / static_cast<R>(width) + static_cast<R>(kEpsilon));
    for (size_t d = 0; d < width; ++d) {
      const R mean = dot / static_cast<R>(width);
      out.ds[row + d] = rstd * (dy[row + d] * weight[d] - s[row + d] * rstd * rstd * mean);
      if (!dsum.empty()) out.ds[row + d] += dsum[row + d];
      out.dweight[d] += dy[row + d] * s[row + d] * rstd;
    }
  }
  return out;
}

enum class Fused { kNo, kResidual };

template <class T>
ForwardResult<T> RunForward(const OpBench& bench, int64_t tokens, int64_t width,
                            const std::vector<T>& x, const std::vector<T>& residual,
                            const std::vector<T>& weight) {
  GuardedTensor<T> x_TD(bench, {tokens, width}, x);
  GuardedTensor<T> weight_D(bench, {width}, weight);
  GuardedTensor<T> y_TD(bench, {tokens, width});
  GuardedTensor<T> rstd_T(bench, {tokens});
  RmsNormForwardArgs args = {
      .x_TD = x_TD, .weight_D = weight_D, .epsilon = kEpsilon, .y_TD = y_TD, .rstd_T = rstd_T};
  if (residual.empty()) {
    RmsNormForward(args, *bench.stream);
    return {x, y_TD.Get(), rstd_T.Get()};
  }
  GuardedTensor<T> residual_TD(bench, {tokens, width}, residual);
  GuardedTensor<T> sum_TD(bench, {tokens, width});
  args.residual_TD = residual_TD;
  args.sum_TD = sum_TD;
  RmsNormForward(args, *bench.stream);
  return {sum_TD.Get(), y_TD.Get(), rstd_T.Get()};
}

template <class T>
struct BackwardInput {
  int64_t tokens = 0, width = 0;
  std::vector<T> s, weight, dy, dsum;
  GradMode mode = GradMode::kOverwrite;
  std::vector<T> old_dweight;  // with kAccumulate
};

template <class T>
BackwardResult<T> RunBackward(const OpBench& bench, const BackwardInput<T>& in) {
  const ForwardResult<T> forward = RunForward<T>(bench, in.tokens, in.width, in.s, {}, in.weight);
  GuardedTensor<T> s_TD(bench, {in.tokens, in.width}, in.s);
  GuardedTensor<T> weight_D(bench, {in.width}, in.weight);
  GuardedTensor<T> rstd_T(bench, {in.tokens}, forward.rstd);
  GuardedTensor<T> dy_TD(bench, {in.tokens, in.width}, in.dy);
  GuardedTensor<T> ds_TD(bench, {in.tokens, in.width});
  GuardedTensor<T> dweight_D(bench, {in.width});
  if (in.mode == GradMode::kAccumulate) dweight_D.Set(in.old_dweight);
  GuardedTensor<uint8_t> workspace(
      bench, {RmsNormBackwardWorkspaceBytes(in.tokens, in.width, DTypeOf<T>)});
  RmsNormBackwardArgs args = {.s_TD = s_TD,
                              .weight_D = weight_D,
                              .rstd_T = rstd_T,
                              .dy_TD = dy_TD,
                              .ds_TD = ds_TD,
                              .dweight_D = dweight_D,
                              .dweight_mode = in.mode,
                              .workspace = workspace};
  if (in.dsum.empty()) {
    RmsNormBackward(args, *bench.stream);
    return {ds_TD.Get(), dweight_D.Get()};
  }
  GuardedTensor<T> dsum_TD(bench, {in.tokens, in.width}, in.dsum);
  args.dsum_TD = dsum_TD;
  RmsNormBackward(args, *bench.stream);
  return {ds_TD.Get(), dweight_D.Get()};
}

template <class T>
BackwardInput<T> RandomBackwardInput(int64_t tokens, int64_t width, Fused fused) {
  const int64_t n = tokens * width;
  BackwardInput<T> in = {.tokens = tokens,
                         .width = width,
                         .s = RandomValues<T>(n, "s", 3),
                         .weight = RandomValues<T>(width, "w"),
                         .dy = RandomValues<T>(n, "dy")};
  if (fused == Fused::kResidual) in.dsum = RandomValues<T>(n, "dsum");
  return in;
}

constexpr int64_t kShapes[][2] = {{0, 5},   {1, 1},    {2, 3},    {3, 7},
                                  {17, 64}, {37, 257}, {5, 4099}, {601, 128}};

template <class T>
class RmsNorm : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RmsNorm, FloatTypes);

template <class T>
void ExpectForward(const OpBench& bench, int64_t tokens, int64_t width, const std::vector<T>& x,
                   const std::vector<T>& residual) {
  const std::string what = StrCat("[", tokens, ", ", width, "]");
  const std::vector<T> weight = RandomValues<T>(width, "w");
  const auto result = RunForward<T>(bench, tokens, width, x, residual, weight);
  const auto plain = PlainForward<T>(x, residual, weight);
  const auto exact = PlainForward(Converted<Wider<T>>(x), Converted<Wider<T>>(residual),
                                  Converted<Wider<T>>(weight));
  ExpectAsGoodAsPlain(result.y, plain.y, exact.y, what + " y");
  ExpectAsGoodAsPlain(result.rstd, plain.rstd, exact.rstd, what + " rstd");
  EXPECT_TRUE(BitEqual(result.sum, plain.sum)) << what;
}

TYPED_TEST(RmsNorm, ForwardMatchesTheFormula) {
  for (const auto& [tokens, width] : kShapes) {
    ExpectForward<TypeParam>(this->bench_, tokens, width,
                             RandomValues<TypeParam>(tokens * width, "x", 3), {});
  }
}

TYPED_TEST(RmsNorm, ForwardAddsTheResidualAndKeepsTheSum) {
  for (const auto& [tokens, width] : kShapes) {
    if (tokens == 0) continue;
    ExpectForward<TypeParam>(this->bench_, tokens, width,
                             RandomValues<TypeParam>(tokens * width, "x", 3),
                             RandomValues<TypeParam>(tokens * width, "residual"));
  }
}

TYPED_TEST(RmsNorm, ForwardIsPreciseFarFromZero) {
  std::vector<TypeParam> x = RandomValues<TypeParam>(7 * 1000, "x", 1e-2);
  for (TypeParam& value : x) value += 10000;
  ExpectForward<TypeParam>(this->bench_, 7, 1000, x, {});
}

TEST(RmsNorm, ForwardOfHugeF32ValuesDoesNotOverflow) {
  const OpBench bench;
  const auto result = RunForward<float>(bench, 1, 2, {3e30F, 4e30F}, {}, {1, 1});
  EXPECT_NEAR(result.y[0], 3 / std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(result.y[1], 4 / std::sqrt(12.5), 1e-6);
}

TYPED_TEST(RmsNorm, ForwardOfZerosIsZero) {
  const std::vector<TypeParam> zeros(6, 0);
  const auto result = RunForward<TypeParam>(this->bench_, 2, 3, zeros, {}, {1, 2, 3});
  EXPECT_TRUE(BitEqual(result.y, zeros));
}

TYPED_TEST(RmsNorm, ForwardShowsNaN) {
  std::vector<TypeParam> x(6, 1);
  x[4] = std::numeric_limits<TypeParam>::quiet_NaN();
  const auto result = RunForward<TypeParam>(this->bench_, 2, 3, x, {}, {1, 2, 3});
  EXPECT_TRUE(std::isfinite(result.y[2]));
  for (size_t i = 3; i < 6; ++i) EXPECT_TRUE(std::isnan(result.y[i]));
}

TYPED_TEST(RmsNorm, ForwardMayWriteOverItsInputs) {
  using T = TypeParam;
  const int64_t tokens = 5, width = 70;
  const auto x = RandomValues<T>(tokens * width, "x");
  const auto residual = RandomValues<T>(tokens * width, "residual");
  const auto weight = RandomValues<T>(width, "w");
  const auto fused = RunForward<T>(this->bench_, tokens, width, x, residual, weight);
  const auto alone = RunForward<T>(this->bench_, tokens, width, x, {}, weight);

  GuardedTensor<T> x_TD(this->bench_, {tokens, width}, x);
  GuardedTensor<T> residual_TD(this->bench_, {tokens, width}, residual);
  GuardedTensor<T> weight_D(this->bench_, {width}, weight);
  GuardedTensor<T> y_TD(this->bench_, {tokens, width});
  GuardedTensor<T> rstd_T(this->bench_, {tokens});
  RmsNormForwardArgs args = {.x_TD = x_TD,
                             .residual_TD = residual_TD,
                             .weight_D = weight_D,
                             .epsilon = kEpsilon,
                             .sum_TD = x_TD,
                             .y_TD = y_TD,
                             .rstd_T = rstd_T};
  RmsNormForward(args, *this->bench_.stream);
  EXPECT_TRUE(BitEqual(x_TD.Get(), fused.sum));
  EXPECT_TRUE(BitEqual(y_TD.Get(), fused.y));

  x_TD.Set(x);
  args.sum_TD = residual_TD;
  args.y_TD = x_TD;
  RmsNormForward(args, *this->bench_.stream);
  EXPECT_TRUE(BitEqual(residual_TD.Get(), fused.sum));
  EXPECT_TRUE(BitEqual(x_TD.Get(), fused.y));

  x_TD.Set(x);
  args.residual_TD = ConstTensorView();
  args.sum_TD = TensorView();
  RmsNormForward(args, *this->bench_.stream);
  EXPECT_TRUE(BitEqual(x_TD.Get(), alone.y));
}

TYPED_TEST(RmsNorm, BackwardMatchesTheFormula) {
  using T = TypeParam;
  for (const auto& [tokens, width] : kShapes) {
    for (Fused fused : {Fused::kNo, Fused::kResidual}) {
      const std::string what = StrCat("[", tokens, ", ", width, "]");
      const auto in = RandomBackwardInput<T>(tokens, width, fused);
      const auto result = RunBackward(this->bench_, in);
      const auto plain = PlainBackward<T>(in.s, in.weight, in.dy, in.dsum);
      const auto exact = PlainBackward(Converted<Wider<T>>(in.s), Converted<Wider<T>>(in.weight),
                                       Converted<Wider<T>>(in.dy), Converted<Wider<T>>(in.dsum));
      ExpectAsGoodAsPlain(result.ds, plain.ds, exact.ds, what + " ds");
      ExpectAsGoodAsPlain(result.dweight, plain.dweight, exact.dweight, what + " dweight");
    }
  }
}

TYPED_TEST(RmsNorm, BackwardAccumulatesIntoWeightGrad) {
  using T = TypeParam;
  for (const int64_t tokens : {0, 1, 37}) {
    auto in = RandomBackwardInput<T>(tokens, 19, Fused::kNo);
    const auto alone = RunBackward(this->bench_, in).dweight;
    in.mode = GradMode::kAccumulate;
    in.old_dweight = RandomValues<T>(19, "old");
    const auto result = RunBackward(this->bench_, in).dweight;
    for (size_t d = 0; d < 19; ++d) EXPECT_EQ(result[d], in.old_dweight[d] + alone[d]);
  }
}

TYPED_TEST(RmsNorm, BackwardMayWriteOverDyOrDsum) {
  using T = TypeParam;
  const int64_t tokens = 21, width = 67;
  const auto in = RandomBackwardInput<T>(tokens, width, Fused::kResidual);
  const auto expected = RunBackward(this->bench_, in);
  const auto rstd = RunForward<T>(this->bench_, tokens, width, in.s, {}, in.weight).rstd;
  for (const bool over_dy : {true, false}) {
    GuardedTensor<T> s_TD(this->bench_, {tokens, width}, in.s);
    GuardedTensor<T> weight_D(this->bench_, {width}, in.weight);
    GuardedTensor<T> rstd_T(this->bench_, {tokens}, rstd);
    GuardedTensor<T> dy_TD(this->bench_, {tokens, width}, in.dy);
    GuardedTensor<T> dsum_TD(this->bench_, {tokens, width}, in.dsum);
    GuardedTensor<T> dweight_D(this->bench_, {width});
    GuardedTensor<uint8_t> workspace(this->bench_,
                                     {RmsNormBackwardWorkspaceBytes(tokens, width, DTypeOf<T>)});
    RmsNormBackward({.s_TD = s_TD,
                     .weight_D = weight_D,
                     .rstd_T = rstd_T,
                     .dy_TD = dy_TD,
                     .dsum_TD = dsum_TD,
                     .ds_TD = over_dy ? dy_TD : dsum_TD,
                     .dweight_D = dweight_D,
                     .workspace = workspace},
                    *this->bench_.stream);
    EXPECT_TRUE(BitEqual((over_dy ? dy_TD : dsum_TD).Get(), expected.ds));
    EXPECT_TRUE(BitEqual(dweight_D.Get(), expected.dweight));
  }
}

TEST(RmsNorm, BackwardMatchesFiniteDifferences) {
  const OpBench bench;
  const int64_t tokens = 3, width = 5;
  const auto in = RandomBackwardInput<double>(tokens, width, Fused::kResidual);
  const auto result = RunBackward(bench, in);
  const auto loss = [&](const std::vector<double>& s, const std::vector<double>& weight) {
    const auto y = RunForward<double>(bench, tokens, width, s, {}, weight).y;
    return std::inner_product(y.begin(), y.end(), in.dy.begin(), 0.0) +
           std::inner_product(s.begin(), s.end(), in.dsum.begin(), 0.0);
  };
  const auto ds =
      FiniteDifferences(in.s, [&](const std::vector<double>& s) { return loss(s, in.weight); });
  const auto dweight = FiniteDifferences(
      in.weight, [&](const std::vector<double>& weight) { return loss(in.s, weight); });
  EXPECT_LE(MaxError(result.ds, ds), 1e-8);
  EXPECT_LE(MaxError(result.dweight, dweight), 1e-8);
}

TYPED_TEST(RmsNorm, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const auto in = RandomBackwardInput<T>(611, 301, Fused::kResidual);
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    const auto forward = RunForward<T>(bench, in.tokens, in.width, in.s, in.dy, in.weight);
    const auto backward = RunBackward(bench, in);
    std::vector<T> all = forward.y;
    Append(all, forward.rstd);
    Append(all, backward.ds);
    Append(all, backward.dweight);
    return all;
  });
}

TEST(RmsNorm, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> x_TD(bench, {2, 3}), y_TD(bench, {2, 3}), rstd_T(bench, {2});
  GuardedTensor<float> short_weight(bench, {2}), weight_D(bench, {3});
  const RmsNormForwardArgs good = {
      .x_TD = x_TD, .weight_D = weight_D, .y_TD = y_TD, .rstd_T = rstd_T};
  const auto error_with = [&](auto change) {
    RmsNormForwardArgs args = good;
    change(args);
    return ErrorOf([&] { RmsNormForward(args, *bench.stream); });
  };
  EXPECT_THAT(error_with([&](auto& args) { args.weight_D = short_weight; }),
              AllOf(HasSubstr("RmsNormForward"), HasSubstr("weight"), HasSubstr("D = 3")));
  EXPECT_THAT(error_with([&](auto& args) { args.sum_TD = x_TD; }),
              AllOf(HasSubstr("RmsNormForward"), HasSubstr("sum"), HasSubstr("residual")));
  EXPECT_THAT(error_with([](auto& args) { args.y_TD = TensorView(); }),
              AllOf(HasSubstr("y "), HasSubstr("absent")));

  GuardedTensor<uint8_t> workspace(bench, {4});
  const auto message = ErrorOf([&] {
    RmsNormBackward({.s_TD = x_TD,
                     .weight_D = weight_D,
                     .rstd_T = rstd_T,
                     .dy_TD = y_TD,
                     .ds_TD = y_TD,
                     .dweight_D = weight_D,
                     .workspace = workspace},
                    *bench.stream);
  });
  EXPECT_THAT(message, AllOf(HasSubstr("RmsNormBackward"), HasSubstr("workspace")));
}

}  // namespace
}  // namespace cadmus
