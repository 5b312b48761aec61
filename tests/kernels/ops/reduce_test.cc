// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/reduce.h"

#include "tests/kernels/ops/any_threads.h"
#include "tests/kernels/ops/scalars_block.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Sums {
  double sum = 0, squares = 0;
};

// Accumulates into `old` if it is given.
template <class T>
Sums RunReductions(const OpBench& bench, const std::vector<T>& x, const double* old = nullptr) {
  const auto n = static_cast<int64_t>(x.size());
  GuardedTensor<T> x_N(bench, {n}, x);
  GuardedTensor<double> sum(bench, {1}), squares(bench, {1});
  GuardedTensor<uint8_t> workspace(bench, {ReduceWorkspaceBytes(n)});
  if (old != nullptr) {
    sum.Set({*old});
    squares.Set({*old});
  }
  const GradMode mode = old == nullptr ? GradMode::kOverwrite : GradMode::kAccumulate;
  Sum({.x_N = x_N, .out = sum, .mode = mode, .workspace = workspace}, *bench.stream);
  SquaredNorm({.x_N = x_N, .out = squares, .mode = mode, .workspace = workspace}, *bench.stream);
  return {sum.Get()[0], squares.Get()[0]};
}

template <class T>
class ReduceTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ReduceTyped, FloatTypes);

TYPED_TEST(ReduceTyped, SumsInF64) {
  using T = TypeParam;
  for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{31}, int64_t{1009},
                          kReduceBlock - 1, kReduceBlock, kReduceBlock + 1, int64_t{1000003}}) {
    auto x = RandomValues<T>(n, "x");
    for (T& value : x) value += 1;
    long double sum = 0, squares = 0;
    for (T value : x) {
      sum += static_cast<long double>(value);
      squares += static_cast<long double>(value) * static_cast<long double>(value);
    }
    const auto result = RunReductions(this->bench_, x);
    EXPECT_NEAR(result.sum, static_cast<double>(sum), 1e-14 * static_cast<double>(sum)) << n;
    EXPECT_NEAR(result.squares, static_cast<double>(squares), 1e-14 * static_cast<double>(squares))
        << n;
  }
}

TYPED_TEST(ReduceTyped, AccumulatesOntoTheOldValue) {
  const double old = 0.25;
  for (const int64_t n : {0, 1, 20000}) {
    const std::vector<TypeParam> twos(static_cast<size_t>(n), 2);
    const auto result = RunReductions(this->bench_, twos, &old);
    EXPECT_EQ(result.sum, 0.25 + 2.0 * static_cast<double>(n));
    EXPECT_EQ(result.squares, 0.25 + 4.0 * static_cast<double>(n));
  }
}

TYPED_TEST(ReduceTyped, IsNotFiniteExactlyWhenAnElementIsNot) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity();
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), infinity, -infinity}) {
    for (const size_t place : {0, 15, 8191, 8192, 20000}) {
      std::vector<T> x(20001, 1);
      x[place] = bad;
      EXPECT_FALSE(std::isfinite(RunReductions(this->bench_, x).squares));
      EXPECT_FALSE(std::isfinite(RunReductions(this->bench_, x).sum));
    }
  }
  const std::vector<T> largest(20001, std::numeric_limits<float>::max());
  EXPECT_TRUE(std::isfinite(RunReductions(this->bench_, largest).squares));
}

TYPED_TEST(ReduceTyped, BitsDoNotDependOnTheNumberOfThreads) {
  const auto x = RandomValues<TypeParam>(300007, "x");
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    const auto result = RunReductions(bench, x);
    return std::vector<double>{result.sum, result.squares};
  });
}

struct Clip {
  double norm = 0, factor = 0;
};

Clip RunClipFactor(const OpBench& bench, double squared_norm, double max_norm) {
  GuardedTensor<double> squares(bench, {1}, {squared_norm});
  GuardedTensor<double> norm(bench, {1});
  const StepScalars before = {.learning_rate = 1, .loss_scale = 2, .seed = 3, .step = 4};
  ScalarsBlock scalars(bench, before);
  ClipFactor(
      {.squared_norm = squares, .max_norm = max_norm, .norm = norm, .scalars = scalars.view()},
      *bench.stream);
  const StepScalars after = scalars.Get();
  EXPECT_EQ(after.learning_rate, before.learning_rate);
  EXPECT_EQ(after.loss_scale, before.loss_scale);
  EXPECT_EQ(after.seed, before.seed);
  EXPECT_EQ(after.step, before.step);
  return {norm.Get()[0], after.clip_factor};
}

TEST(ClipFactor, ShrinksOnlyNormsAboveTheLimit) {
  const OpBench bench;
  EXPECT_EQ(RunClipFactor(bench, 16, 2).norm, 4);
  EXPECT_DOUBLE_EQ(RunClipFactor(bench, 16, 2).factor, 2 / (4 + 1e-6));
  EXPECT_EQ(RunClipFactor(bench, 16, 5).factor, 1);
  EXPECT_LT(RunClipFactor(bench, 16, 4).factor, 1);
}

TEST(ClipFactor, WithoutALimitIsOne) {
  const OpBench bench;
  EXPECT_EQ(RunClipFactor(bench, 1e20, 0).factor, 1);
  EXPECT_EQ(RunClipFactor(bench, 1e20, 0).norm, 1e10);
  EXPECT_EQ(RunClipFactor(bench, std::numeric_limits<double>::quiet_NaN(), 0).factor, 1);
}

TEST(ClipFactor, ZeroNormIsNotClipped) {
  const OpBench bench;
  EXPECT_EQ(RunClipFactor(bench, 0, 1).norm, 0);
  EXPECT_EQ(RunClipFactor(bench, 0, 1).factor, 1);
}

TEST(ClipFactor, InfiniteNormGivesZeroAndNaNStaysNaN) {
  const OpBench bench;
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(RunClipFactor(bench, infinity, 1).norm, infinity);
  EXPECT_EQ(RunClipFactor(bench, infinity, 1).factor, 0);
  const auto clip = RunClipFactor(bench, std::numeric_limits<double>::quiet_NaN(), 1);
  EXPECT_TRUE(std::isnan(clip.norm));
  EXPECT_TRUE(std::isnan(clip.factor));
}

TEST(Reduce, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> x_N(bench, {9000}), narrow(bench, {1});
  GuardedTensor<double> out(bench, {1}), two(bench, {2});
  GuardedTensor<uint8_t> workspace(bench, {16}), small(bench, {15});
  ScalarsBlock scalars(bench, {});
  EXPECT_THAT(
      ErrorOf([&] { Sum({.x_N = x_N, .out = narrow, .workspace = workspace}, *bench.stream); }),
      AllOf(HasSubstr("Sum"), HasSubstr("out"), HasSubstr("must be F64")));
  EXPECT_THAT(
      ErrorOf([&] { SquaredNorm({.x_N = x_N, .out = out, .workspace = small}, *bench.stream); }),
      AllOf(HasSubstr("SquaredNorm"), HasSubstr("workspace")));
  EXPECT_THAT(ErrorOf([&] { SquaredNorm({.x_N = x_N, .out = out}, *bench.stream); }),
              AllOf(HasSubstr("SquaredNorm"), HasSubstr("workspace"), HasSubstr("absent")));
  EXPECT_THAT(ErrorOf([&] {
                ClipFactor({.squared_norm = two, .norm = out, .scalars = scalars.view()},
                           *bench.stream);
              }),
              AllOf(HasSubstr("ClipFactor"), HasSubstr("squared_norm")));
  EXPECT_THAT(ErrorOf([&] {
                ClipFactor(
                    {.squared_norm = out, .max_norm = -1, .norm = out, .scalars = scalars.view()},
                    *bench.stream);
              }),
              AllOf(HasSubstr("ClipFactor"), HasSubstr("max_norm")));
}

}  // namespace
}  // namespace cadmus
