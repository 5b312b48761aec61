// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/layer_norm.h"

#include "tests/kernels/ops/any_threads.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kEpsilon = 0.1;  // large: its absence would be seen

template <class R>
struct Inputs {
  int64_t tokens = 0, width = 0;
  std::vector<R> x, weight, bias, dy;
  std::vector<R> residual = {}, dsum = {};          // empty: none
  std::vector<R> old_dweight = {}, old_dbias = {};  // empty: overwritten
};
template <class R>
struct Results {
  std::vector<R> sum, y, mean, rstd, ds, dweight, dbias;
  std::vector<R> All() const {
    std::vector<R> all;
    for (const auto* part : {&sum, &y, &mean, &rstd, &ds, &dweight, &dbias}) Append(all, *part);
    return all;
  }
};

enum class Fused { kNo, kResidual };

template <class T>
Inputs<T> RandomInputs(int64_t tokens, int64_t width, Fused fused) {
  const int64_t n = tokens * width;
  Inputs<T> in = {.tokens = tokens,
                  .width = width,
                  .x = RandomValues<T>(n, "x", 3),
                  .weight = RandomValues<T>(width, "weight"),
                  .bias = RandomValues<T>(width, "bias"),
                  .dy = RandomValues<T>(n, "dy")};
  if (fused == Fused::kResidual) {
    in.residual = RandomValues<T>(n, "residual");
    in.dsum = RandomValues<T>(n, "dsum");
  }
  return in;
}

// The formulas of the header, straight, in R. Backward starts from the sum as T rounds it.
template <class R, class T>
Results<R> Plain(const Inputs<T>& in) {
  const auto width = static_cast<size_t>(in.width);
  const auto count = static_cast<R>(in.width);
  Results<R> out = {.sum = std::vector<R>(in.x.begin(), in.x.end()),
                    .y = std::vector<R>(in.x.size()),
                    .mean = {},
                    .rstd = {},
                    .ds = std::vector<R>(in.x.size()),
                    .dweight = std::vector<R>(width),
                    .dbias = std::vector<R>(width)};
  for (size_t i = 0; i < in.residual.size(); ++i) out.sum[i] = in.x[i] + in.residual[i];
  for (size_t row = 0; row < in.x.size(); row += width) {
    const R* const s = out.sum.data() + row;
    const T* const dy = in.dy.data() + row;
    R mean = 0, squares = 0, mean_g = 0, mean_gn = 0;
    for (size_t d = 0; d < width; ++d) mean += s[d] / count;
    for (size_t d = 0; d < width; ++d) squares += (s[d] - mean) * (s[d] - mean);
    const R rstd = 1 / std::sqrt(squares / count + static_cast<R>(kEpsilon));
    for (size_t d = 0; d < width; ++d) {
      const R n = (s[d] - mean) * rstd, g = R(dy[d]) * R(in.weight[d]);
      out.y[row + d] = R(in.weight[d]) * n + R(in.bias[d]);
      mean_g += g / count;
      mean_gn += g * n / count;
      out.dweight[d] += R(dy[d]) * n;
      out.dbias[d] += R(dy[d]);
    }
    for (size_t d = 0; d < width; ++d) {
      const R n = (s[d] - mean) * rstd, g = R(dy[d]) * R(in.weight[d]);
      out.ds[row + d] = rstd * (g - mean_g - n * mean_gn);
      if (!in.dsum.empty()) out.ds[row + d] += R(in.dsum[row + d]);
    }
    out.mean.push_back(mean);
    out.rstd.push_back(rstd);
  }
  return out;
}

// Tensors of a case on a device: outputs and workspace start as NaN.
template <class T>
struct OnDevice {
  OnDevice(const OpBench& bench, const Inputs<T>& in)
      : shape({in.tokens, in.width}),
        x(bench, shape, in.x),
        residual(bench, shape),
        weight(bench, {in.width}, in.weight),
        bias(bench, {in.width}, in.bias),
        sum(bench, shape),
        y(bench, shape),
        mean(bench, {in.tokens}),
        rstd(bench, {in.tokens}),
        dy(bench, shape, in.dy),
        dsum(bench, shape),
        ds(bench, shape),
        dweight(bench, {in.width}),
        dbias(bench, {in.width}),
        workspace(bench, {LayerNormBackwardWorkspaceBytes(in.tokens, in.width, DTypeOf<T>)}) {
    forward = {.x_TD = x,
               .weight_D = weight,
               .bias_D = bias,
               .epsilon = kEpsilon,
               .y_TD = y,
               .mean_T = mean,
               .rstd_T = rstd};
    backward = {.s_TD = x,
                .weight_D = weight,
                .mean_T = mean,
                .rstd_T = rstd,
                .dy_TD = dy,
                .ds_TD = ds,
                .dweight_D = dweight,
                .dbias_D = dbias,
                .workspace = workspace};
    if (!in.residual.empty()) {
      residual.Set(in.residual);
      forward.residual_TD = residual;
      forward.sum_TD = sum;
      backward.s_TD = sum;
    }
    if (!in.dsum.empty()) {
      dsum.Set(in.dsum);
      backward.dsum_TD = dsum;
    }
    if (!in.old_dweight.empty()) {
      dweight.Set(in.old_dweight);
      backward.dweight_mode = GradMode::kAccumulate;
    }
    if (!in.old_dbias.empty()) {
      dbias.Set(in.old_dbias);
      backward.dbias_mode = GradMode::kAccumulate;
    }
  }

  Shape shape;
  GuardedTensor<T> x, residual, weight, bias, sum, y, mean, rstd, dy, dsum, ds, dweight, dbias;
  GuardedTensor<uint8_t> workspace;
  LayerNormForwardArgs forward;
  LayerNormBackwardArgs backward;
};

template <class T>
Results<T> RunLayerNorm(const OpBench& bench, const Inputs<T>& in) {
  const OnDevice<T> on(bench, in);
  LayerNormForward(on.forward, *bench.stream);
  LayerNormBackward(on.backward, *bench.stream);
  return {in.residual.empty() ? in.x : on.sum.Get(),
          on.y.Get(),
          on.mean.Get(),
          on.rstd.Get(),
          on.ds.Get(),
          on.dweight.Get(),
          on.dbias.Get()};
}

template <class T>
void ExpectAsTheFormulas(const OpBench& bench, const Inputs<T>& in) {
  const std::string what = StrCat(" of [", in.tokens, ", ", in.width, "]");
  const Results<T> result = RunLayerNorm(bench, in);
  const auto plain = Plain<T>(in);
  const auto exact = Plain<Wider<T>>(in);
  EXPECT_TRUE(BitEqual(result.sum, plain.sum)) << what;
  ExpectAsGoodAsPlain(result.y, plain.y, exact.y, "y" + what);
  ExpectAsGoodAsPlain(result.mean, plain.mean, exact.mean, "mean" + what);
  ExpectAsGoodAsPlain(result.rstd, plain.rstd, exact.rstd, "rstd" + what);
  ExpectAsGoodAsPlain(result.ds, plain.ds, exact.ds, "ds" + what);
  ExpectAsGoodAsPlain(result.dweight, plain.dweight, exact.dweight, "dweight" + what);
  ExpectAsGoodAsPlain(result.dbias, plain.dbias, exact.dbias, "dbias" + what);
}

template <class T>
class LayerNormTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(LayerNormTyped, FloatTypes);

TYPED_TEST(LayerNormTyped, MatchesTheFormulasForwardAndBackward) {
  constexpr int64_t kShapes[][2] = {{0, 5},   {1, 1},    {2, 3},    {3, 7},
                                    {17, 64}, {37, 257}, {5, 4099}, {601, 128}};
  for (const auto& [tokens, width] : kShapes) {
    for (const Fused fused : {Fused::kNo, Fused::kResidual}) {
      ExpectAsTheFormulas(this->bench_, RandomInputs<TypeParam>(tokens, width, fused));
    }
  }
}

TYPED_TEST(LayerNormTyped, IsPreciseFarFromZero) {
  auto in = RandomInputs<TypeParam>(7, 1000, Fused::kNo);
  for (TypeParam& value : in.x) value = value / 3 + 10000;
  ExpectAsTheFormulas(this->bench_, in);
}

TYPED_TEST(LayerNormTyped, OfAConstantRowIsTheBias) {
  auto in = RandomInputs<TypeParam>(2, 5, Fused::kNo);
  in.x = std::vector<TypeParam>(10, 3);
  const auto y = RunLayerNorm(this->bench_, in).y;
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], in.bias[i % 5]);
}

TYPED_TEST(LayerNormTyped, ShowsNaN) {
  auto in = RandomInputs<TypeParam>(2, 3, Fused::kNo);
  in.x[4] = std::numeric_limits<TypeParam>::quiet_NaN();
  const auto y = RunLayerNorm(this->bench_, in).y;
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(std::isnan(y[i]), i >= 3);
}

TYPED_TEST(LayerNormTyped, ForwardMayWriteOverItsInputs) {
  using T = TypeParam;
  const auto in = RandomInputs<T>(5, 70, Fused::kResidual);
  const auto expected = RunLayerNorm(this->bench_, in);
  {
    OnDevice<T> on(this->bench_, in);
    on.forward.sum_TD = on.x;
    LayerNormForward(on.forward, *this->bench_.stream);
    EXPECT_TRUE(BitEqual(on.x.Get(), expected.sum));
    EXPECT_TRUE(BitEqual(on.y.Get(), expected.y));
  }
  OnDevice<T> on(this->bench_, in);
  on.forward.sum_TD = on.residual;
  on.forward.y_TD = on.x;
  LayerNormForward(on.forward, *this->bench_.stream);
  EXPECT_TRUE(BitEqual(on.residual.Get(), expected.sum));
  EXPECT_TRUE(BitEqual(on.x.Get(), expected.y));
}

TYPED_TEST(LayerNormTyped, BackwardMayWriteOverDyOrDsum) {
  using T = TypeParam;
  const auto in = RandomInputs<T>(21, 67, Fused::kResidual);
  const auto expected = RunLayerNorm(this->bench_, in);
  for (const bool over_dy : {true, false}) {
    OnDevice<T> on(this->bench_, in);
    const auto& ds = over_dy ? on.dy : on.dsum;
    on.backward.ds_TD = ds;
    LayerNormForward(on.forward, *this->bench_.stream);
    LayerNormBackward(on.backward, *this->bench_.stream);
    EXPECT_TRUE(BitEqual(ds.Get(), expected.ds));
    EXPECT_TRUE(BitEqual(on.dweight.Get(), expected.dweight));
    EXPECT_TRUE(BitEqual(on.dbias.Get(), expected.dbias));
  }
}

TYPED_TEST(LayerNormTyped, BackwardAccumulatesEachGradientByItsOwnMode) {
  using T = TypeParam;
  for (const int64_t tokens : {0, 1, 37}) {
    auto in = RandomInputs<T>(tokens, 19, Fused::kNo);
    const auto alone = RunLayerNorm(this->bench_, in);
    const auto old = RandomValues<T>(19, "old");
    const auto added = [&old](std::vector<T> gradient) {
      for (size_t d = 0; d < old.size(); ++d) gradient[d] += old[d];
      return gradient;
    };
    in.old_dweight = old;
    auto result = RunLayerNorm(this->bench_, in);
    EXPECT_EQ(result.dweight, added(alone.dweight));
    EXPECT_EQ(result.dbias, alone.dbias);
    in.old_dbias = old;
    result = RunLayerNorm(this->bench_, in);
    EXPECT_EQ(result.dweight, added(alone.dweight));
    EXPECT_EQ(result.dbias, added(alone.dbias));
  }
}

TEST(LayerNorm, BackwardMatchesFiniteDifferences) {
  const OpBench bench(1);
  const auto in = RandomInputs<double>(3, 5, Fused::kResidual);
  const auto result = RunLayerNorm(bench, in);
  const auto expect_gradient = [&](std::vector<double> Inputs<double>::*of,
                                   const std::vector<double>& gradient) {
    const auto expected = FiniteDifferences(in.*of, [&](const std::vector<double>& at) {
      auto moved = in;
      moved.*of = at;
      const auto out = RunLayerNorm(bench, moved);
      return std::inner_product(out.y.begin(), out.y.end(), in.dy.begin(), 0.0) +
             std::inner_product(out.sum.begin(), out.sum.end(), in.dsum.begin(), 0.0);
    });
    EXPECT_LE(MaxError(gradient, expected), 1e-8);
  };
  expect_gradient(&Inputs<double>::x, result.ds);
  expect_gradient(&Inputs<double>::residual, result.ds);
  expect_gradient(&Inputs<double>::weight, result.dweight);
  expect_gradient(&Inputs<double>::bias, result.dbias);
}

TYPED_TEST(LayerNormTyped, BitsDoNotDependOnTheNumberOfThreads) {
  const auto in = RandomInputs<TypeParam>(611, 301, Fused::kResidual);
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) { return RunLayerNorm(bench, in).All(); });
}

TEST(LayerNorm, ErrorsNameOpAndArgument) {
  const OpBench bench;
  const OnDevice<float> on(bench, RandomInputs<float>(2, 3, Fused::kNo));
  const auto error_with = [&](auto change) {
    LayerNormForwardArgs args = on.forward;
    change(args);
    return ErrorOf([&] { LayerNormForward(args, *bench.stream); });
  };
  EXPECT_THAT(error_with([&](auto& args) { args.bias_D = on.rstd; }),
              AllOf(HasSubstr("LayerNormForward"), HasSubstr("bias "), HasSubstr("D = 3")));
  EXPECT_THAT(error_with([&](auto& args) { args.sum_TD = on.sum; }),
              AllOf(HasSubstr("LayerNormForward"), HasSubstr("sum"), HasSubstr("residual")));
  LayerNormBackwardArgs args = on.backward;
  args.workspace = args.workspace.Slice(0, 0, 4);
  EXPECT_THAT(ErrorOf([&] { LayerNormBackward(args, *bench.stream); }),
              AllOf(HasSubstr("LayerNormBackward"), HasSubstr("LayerNormBackwardWorkspaceBytes")));
}

}  // namespace
}  // namespace cadmus
