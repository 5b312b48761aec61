// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/dropout.h"

#include "tests/kernels/ops/any_threads.h"
#include "tests/kernels/ops/scalars_block.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Case {
  double probability = 0.3;
  StepScalars scalars = {.seed = (uint64_t{5} << 40) + 11, .step = 3};
  uint64_t site = SiteOf("blocks.0.residual");
  int64_t column_base = 0;
  int64_t width = 0;
  std::vector<int64_t> samples;
  std::vector<int32_t> positions;
};

// Rows of samples beyond 32 bits, positions in no order.
Case MakeCase(int64_t rows, int64_t width) {
  Case c;
  c.width = width;
  for (int64_t t = 0; t < rows; ++t) {
    c.samples.push_back((int64_t{1} << 33) + t / 5);
    c.positions.push_back(static_cast<int32_t>((t * 7) % 5 + 100));
  }
  return c;
}

template <class T>
std::vector<T> RunDropout(const OpBench& bench, const Case& c, const std::vector<T>& x,
                          const std::vector<T>& residual = {}) {
  const auto rows = static_cast<int64_t>(c.samples.size());
  GuardedTensor<T> x_TD(bench, {rows, c.width}, x);
  GuardedTensor<T> y_TD(bench, {rows, c.width});
  GuardedTensor<int64_t> samples_T(bench, {rows}, c.samples);
  GuardedTensor<int32_t> positions_T(bench, {rows}, c.positions);
  ScalarsBlock scalars(bench, c.scalars);
  DropoutArgs args = {.x_TD = x_TD,
                      .probability = c.probability,
                      .site = c.site,
                      .column_base = c.column_base,
                      .y_TD = y_TD};
  if (c.probability > 0) {
    args.scalars = scalars.view();
    args.row_samples_T = samples_T;
    args.row_positions_T = positions_T;
  }
  if (residual.empty()) {
    Dropout(args, *bench.stream);
    return y_TD.Get();
  }
  GuardedTensor<T> residual_TD(bench, {rows, c.width}, residual);
  args.residual_TD = residual_TD;
  Dropout(args, *bench.stream);
  return y_TD.Get();
}

// 1 where an element is kept, 0 where it is dropped.
std::vector<double> Mask(const OpBench& bench, const Case& c) {
  auto y = RunDropout<double>(
      bench, c, std::vector<double>(c.samples.size() * static_cast<size_t>(c.width), 1));
  for (double& value : y) value = value == 0 ? 0 : 1;
  return y;
}

// The formula of the header, element by element.
bool IsKept(const Case& c, size_t row, int64_t column) {
  const PhiloxKey key = DeriveKey(c.scalars.seed, static_cast<uint64_t>(c.scalars.step), c.site);
  const auto sample = static_cast<uint64_t>(c.samples[row]);
  const int64_t global = c.column_base + column;
  const PhiloxWords words =
      Philox(key, {static_cast<uint32_t>(sample), static_cast<uint32_t>(sample >> 32),
                   static_cast<uint32_t>(c.positions[row]), static_cast<uint32_t>(global / 4)});
  return UniformFromWord(words[static_cast<size_t>(global % 4)]) >= c.probability;
}

template <class T>
class DropoutTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(DropoutTyped, FloatTypes);

TYPED_TEST(DropoutTyped, MatchesTheFormulaBitForBit) {
  using T = TypeParam;
  constexpr int64_t kShapes[][2] = {{0, 3}, {3, 0}, {1, 1}, {2, 3}, {5, 7}, {3, 256}, {7, 1031}};
  for (const auto& [rows, width] : kShapes) {
    for (const int64_t column_base : {0, 1, 6, 1003}) {
      Case c = MakeCase(rows, width);
      c.column_base = column_base;
      const auto x = RandomValues<T>(rows * width, "x");
      const auto residual = RandomValues<T>(rows * width, "residual");
      const T scale = static_cast<T>(1 / (1 - c.probability));
      std::vector<T> alone, added;
      for (size_t i = 0; i < x.size(); ++i) {
        const auto column = static_cast<int64_t>(i) % width;
        const T factor = IsKept(c, i / static_cast<size_t>(width), column) ? scale : T(0);
        alone.push_back(x[i] * factor);
        added.push_back(residual[i] + x[i] * factor);
      }
      EXPECT_TRUE(BitEqual(RunDropout<T>(this->bench_, c, x), alone)) << rows << " x " << width;
      if (residual.empty()) continue;
      EXPECT_TRUE(BitEqual(RunDropout<T>(this->bench_, c, x, residual), added));
    }
  }
}

TEST(Dropout, KeepsTheStatedShare) {
  const OpBench bench;
  for (const double probability : {0.001, 0.1, 0.5, 0.9}) {
    Case c = MakeCase(1000, 1000);
    c.probability = probability;
    const auto mask = Mask(bench, c);
    const double kept = std::accumulate(mask.begin(), mask.end(), 0.0) / 1e6;
    const double deviation = std::sqrt(probability * (1 - probability) / 1e6);
    EXPECT_NEAR(kept, 1 - probability, 4 * deviation);
  }
}

TEST(Dropout, MaskChangesWithSeedStepSiteSampleAndPosition) {
  const OpBench bench;
  const Case base = MakeCase(5, 200);
  const auto mask = Mask(bench, base);
  EXPECT_EQ(Mask(bench, base), mask);
  const auto mask_with = [&](auto change) {
    Case c = base;
    change(c);
    return Mask(bench, c);
  };
  EXPECT_NE(mask_with([](Case& c) { c.scalars.seed += 1; }), mask);
  EXPECT_NE(mask_with([](Case& c) { c.scalars.step += 1; }), mask);
  EXPECT_NE(mask_with([](Case& c) { c.site = SiteOf("blocks.1.residual"); }), mask);
  EXPECT_NE(mask_with([](Case& c) { c.samples[2] += int64_t{1} << 32; }), mask);
  EXPECT_NE(mask_with([](Case& c) { c.positions[2] += 1; }), mask);
}

TEST(Dropout, MaskOfAPartIsThePartOfTheMask) {
  const OpBench bench;
  const int64_t rows = 9, width = 301;
  const Case whole = MakeCase(rows, width);
  const auto mask = Mask(bench, whole);
  // Split by columns, at places that are not multiples of the four of a draw, and by rows.
  for (const auto& [first, last] : {std::pair<int64_t, int64_t>{0, 150}, {150, 151}, {151, 301}}) {
    for (const auto& [top, bottom] : {std::pair<int64_t, int64_t>{0, 4}, {4, 9}}) {
      Case part = whole;
      part.column_base = first;
      part.width = last - first;
      part.samples.assign(whole.samples.begin() + top, whole.samples.begin() + bottom);
      part.positions.assign(whole.positions.begin() + top, whole.positions.begin() + bottom);
      const auto part_mask = Mask(bench, part);
      for (int64_t row = top; row < bottom; ++row) {
        for (int64_t column = first; column < last; ++column) {
          ASSERT_EQ(part_mask[static_cast<size_t>((row - top) * part.width + column - first)],
                    mask[static_cast<size_t>(row * width + column)]);
        }
      }
    }
  }
}

TEST(Dropout, MaskDoesNotDependOnTheOrderOfRows) {
  const OpBench bench;
  const int64_t rows = 9, width = 33;
  const Case base = MakeCase(rows, width);
  Case reversed = base;
  std::reverse(reversed.samples.begin(), reversed.samples.end());
  std::reverse(reversed.positions.begin(), reversed.positions.end());
  const auto mask = Mask(bench, base);
  const auto reversed_mask = Mask(bench, reversed);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < width; ++column) {
      ASSERT_EQ(reversed_mask[static_cast<size_t>((rows - 1 - row) * width + column)],
                mask[static_cast<size_t>(row * width + column)]);
    }
  }
}

TEST(Dropout, BackwardHasTheMaskAndScaleOfForward) {
  const OpBench bench;
  const Case c = MakeCase(4, 37);
  const auto x = RandomValues<double>(4 * 37, "x");
  const auto residual = RandomValues<double>(4 * 37, "residual");
  const auto dy = RandomValues<double>(4 * 37, "dy");
  const auto expected = FiniteDifferences(x, [&](const std::vector<double>& at) {
    const auto y = RunDropout<double>(bench, c, at, residual);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  });
  EXPECT_LE(MaxError(RunDropout<double>(bench, c, dy), expected), 1e-9);
}

TYPED_TEST(DropoutTyped, ProbabilityZeroAddsOrCopies) {
  using T = TypeParam;
  for (const int64_t rows : {0, 1, 301}) {
    Case c = MakeCase(rows, 67);
    c.probability = 0;
    const auto x = RandomValues<T>(rows * 67, "x");
    const auto residual = RandomValues<T>(rows * 67, "residual");
    EXPECT_TRUE(BitEqual(RunDropout<T>(this->bench_, c, x), x));
    if (rows == 0) continue;
    std::vector<T> sum = x;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] = residual[i] + x[i];
    EXPECT_TRUE(BitEqual(RunDropout<T>(this->bench_, c, x, residual), sum));
  }
}

TYPED_TEST(DropoutTyped, MayWriteOverXOrResidual) {
  using T = TypeParam;
  for (const double probability : {0.0, 0.4}) {
    Case c = MakeCase(5, 130);
    c.probability = probability;
    const auto x = RandomValues<T>(5 * 130, "x");
    const auto residual = RandomValues<T>(5 * 130, "residual");
    const auto expected = RunDropout<T>(this->bench_, c, x, residual);
    const auto expected_alone = RunDropout<T>(this->bench_, c, x);
    GuardedTensor<T> x_TD(this->bench_, {5, 130}, x);
    GuardedTensor<T> residual_TD(this->bench_, {5, 130}, residual);
    GuardedTensor<int64_t> samples_T(this->bench_, {5}, c.samples);
    GuardedTensor<int32_t> positions_T(this->bench_, {5}, c.positions);
    ScalarsBlock scalars(this->bench_, c.scalars);
    DropoutArgs args = {.x_TD = x_TD,
                        .residual_TD = residual_TD,
                        .scalars = scalars.view(),
                        .row_samples_T = samples_T,
                        .row_positions_T = positions_T,
                        .probability = probability,
                        .site = c.site,
                        .y_TD = residual_TD};
    Dropout(args, *this->bench_.stream);
    EXPECT_TRUE(BitEqual(residual_TD.Get(), expected));
    residual_TD.Set(residual);
    args.y_TD = x_TD;
    Dropout(args, *this->bench_.stream);
    EXPECT_TRUE(BitEqual(x_TD.Get(), expected));
    x_TD.Set(x);
    args.residual_TD = ConstTensorView();
    Dropout(args, *this->bench_.stream);
    EXPECT_TRUE(BitEqual(x_TD.Get(), expected_alone));
  }
}

TYPED_TEST(DropoutTyped, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const Case c = MakeCase(211, 301);
  const auto x = RandomValues<T>(211 * 301, "x");
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) { return RunDropout<T>(bench, c, x, x); });
}

TEST(Dropout, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> x_TD(bench, {2, 3}), y_TD(bench, {2, 3}), residual_TD(bench, {2, 2});
  ScalarsBlock scalars(bench, {});
  const DropoutArgs good = {.x_TD = x_TD, .y_TD = y_TD};
  const auto error_with = [&](auto change) {
    DropoutArgs args = good;
    change(args);
    return ErrorOf([&] { Dropout(args, *bench.stream); });
  };
  EXPECT_THAT(error_with([](DropoutArgs& args) { args.probability = 1; }),
              AllOf(HasSubstr("Dropout"), HasSubstr("probability")));
  EXPECT_THAT(error_with([](DropoutArgs& args) { args.probability = 0.1; }),
              AllOf(HasSubstr("Dropout"), HasSubstr("scalars"), HasSubstr("absent")));
  EXPECT_THAT(error_with([&](DropoutArgs& args) {
                args.probability = 0.1;
                args.scalars = scalars.view();
              }),
              AllOf(HasSubstr("row_samples"), HasSubstr("absent")));
  EXPECT_THAT(error_with([&](DropoutArgs& args) { args.residual_TD = residual_TD; }),
              AllOf(HasSubstr("Dropout"), HasSubstr("residual"), HasSubstr("D = 3")));
}

}  // namespace
}  // namespace cadmus
