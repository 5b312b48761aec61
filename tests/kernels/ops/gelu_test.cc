// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gelu.h"

#include <numbers>

#include "tests/kernels/ops/any_threads.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

template <class R>
R Inner(R x) {
  return std::sqrt(2 / std::numbers::pi_v<R>) * (x + static_cast<R>(0.044715L) * x * x * x);
}

// The formulas of the header with tanh, straight, in R.
template <class R>
std::vector<R> PlainForward(std::vector<R> x) {
  for (R& value : x) value = value / 2 * (1 + std::tanh(Inner(value)));
  return x;
}

template <class R>
std::vector<R> PlainBackward(const std::vector<R>& x, std::vector<R> dy) {
  for (size_t i = 0; i < x.size(); ++i) {
    const R tanh = std::tanh(Inner(x[i]));
    const R slope =
        std::sqrt(2 / std::numbers::pi_v<R>) * (1 + 3 * static_cast<R>(0.044715L) * x[i] * x[i]);
    dy[i] *= (1 + tanh) / 2 + x[i] / 2 * (1 - tanh * tanh) * slope;
  }
  return dy;
}

template <class T>
std::vector<T> RunForward(const OpBench& bench, const Shape& shape, const std::vector<T>& x) {
  GuardedTensor<T> x_TF(bench, shape, x), y_TF(bench, shape);
  GeluForward({.x_TF = x_TF, .y_TF = y_TF}, *bench.stream);
  return y_TF.Get();
}

template <class T>
std::vector<T> RunBackward(const OpBench& bench, const Shape& shape, const std::vector<T>& x,
                           const std::vector<T>& dy) {
  GuardedTensor<T> x_TF(bench, shape, x), dy_TF(bench, shape, dy), dx_TF(bench, shape);
  GeluBackward({.x_TF = x_TF, .dy_TF = dy_TF, .dx_TF = dx_TF}, *bench.stream);
  return dx_TF.Get();
}

template <class T>
class GeluTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(GeluTyped, FloatTypes);

TYPED_TEST(GeluTyped, MatchesTheFormulas) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{0, 3}, {1, 1}, {2, 3}, {7, 31}, {3, 20011}}) {
    const auto x = RandomValues<T>(shape.num_elements(), "x", 6);
    const auto dy = RandomValues<T>(shape.num_elements(), "dy");
    const auto exact_x = Converted<Wider<T>>(x);
    ExpectAsGoodAsPlain(RunForward<T>(this->bench_, shape, x), PlainForward<T>(x),
                        PlainForward(exact_x), "y of " + shape.ToString());
    ExpectAsGoodAsPlain(RunBackward<T>(this->bench_, shape, x, dy), PlainBackward<T>(x, dy),
                        PlainBackward(exact_x, Converted<Wider<T>>(dy)),
                        "dx of " + shape.ToString());
  }
}

// torch.nn.functional.gelu(x, approximate="tanh") in f64; the exact GELU has 0.8413447… at 1.
TEST(Gelu, IsTheTanhForm) {
  const OpBench bench;
  const auto y = RunForward<double>(bench, {1, 3}, {1, -0.5, 3});
  EXPECT_NEAR(y[0], 0.8411919906082768, 1e-15);
  EXPECT_NEAR(y[1], -0.15428599017485606, 1e-15);
  EXPECT_NEAR(y[2], 2.996362607918227, 4e-15);
}

TYPED_TEST(GeluTyped, SaturatesWithoutNaN) {
  using T = TypeParam;
  const std::vector<T> x = {1e30F, -1e30F, 0, 40, -40};
  EXPECT_EQ(RunForward<T>(this->bench_, {1, 5}, x), (std::vector<T>{1e30F, 0, 0, 40, 0}));
  EXPECT_EQ(RunBackward<T>(this->bench_, {1, 5}, x, {3, 3, 3, 3, 3}),
            (std::vector<T>{3, 0, 1.5, 3, 0}));
}

TYPED_TEST(GeluTyped, ShowsNaN) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const auto y = RunForward<T>(this->bench_, {1, 2}, {nan, 1});
  EXPECT_TRUE(std::isnan(y[0]) && std::isfinite(y[1]));
  const auto dx = RunBackward<T>(this->bench_, {1, 3}, {nan, 1, 1}, {1, nan, 1});
  EXPECT_TRUE(std::isnan(dx[0]) && std::isnan(dx[1]) && std::isfinite(dx[2]));
}

TYPED_TEST(GeluTyped, MayWriteOverItsInputs) {
  using T = TypeParam;
  const Shape shape = {5, 77};
  const auto x = RandomValues<T>(5 * 77, "x"), dy = RandomValues<T>(5 * 77, "dy");
  const auto dx = RunBackward<T>(this->bench_, shape, x, dy);
  GuardedTensor<T> x_TF(this->bench_, shape, x), dy_TF(this->bench_, shape, dy);
  GeluBackward({.x_TF = x_TF, .dy_TF = dy_TF, .dx_TF = dy_TF}, *this->bench_.stream);
  EXPECT_TRUE(BitEqual(dy_TF.Get(), dx));
  dy_TF.Set(dy);
  GeluBackward({.x_TF = x_TF, .dy_TF = dy_TF, .dx_TF = x_TF}, *this->bench_.stream);
  EXPECT_TRUE(BitEqual(x_TF.Get(), dx));
  x_TF.Set(x);
  GeluForward({.x_TF = x_TF, .y_TF = x_TF}, *this->bench_.stream);
  EXPECT_TRUE(BitEqual(x_TF.Get(), RunForward<T>(this->bench_, shape, x)));
}

TEST(Gelu, BackwardMatchesFiniteDifferences) {
  const OpBench bench;
  const auto x = RandomValues<double>(11, "x", 4), dy = RandomValues<double>(11, "dy");
  const auto expected = FiniteDifferences(x, [&](const std::vector<double>& at) {
    const auto y = RunForward<double>(bench, {1, 11}, at);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  });
  EXPECT_LE(MaxError(RunBackward<double>(bench, {1, 11}, x, dy), expected), 1e-9);
}

TYPED_TEST(GeluTyped, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const Shape shape = {211, 301};
  const auto x = RandomValues<T>(211 * 301, "x", 4), dy = RandomValues<T>(211 * 301, "dy");
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    auto all = RunForward<T>(bench, shape, x);
    Append(all, RunBackward<T>(bench, shape, x, dy));
    return all;
  });
}

TEST(Gelu, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> x_TF(bench, {2, 6}), short_TF(bench, {2, 4});
  EXPECT_THAT(ErrorOf([&] { GeluForward({.x_TF = x_TF, .y_TF = short_TF}, *bench.stream); }),
              AllOf(HasSubstr("GeluForward"), HasSubstr("y "), HasSubstr("F = 6")));
  EXPECT_THAT(ErrorOf([&] {
                GeluBackward({.x_TF = x_TF, .dy_TF = short_TF, .dx_TF = x_TF}, *bench.stream);
              }),
              AllOf(HasSubstr("GeluBackward"), HasSubstr("dy "), HasSubstr("F = 6")));
}

}  // namespace
}  // namespace cadmus
