// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rope.h"

#include "tests/kernels/ops/any_threads.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kTheta = 10000;

struct Size {
  int64_t batch, length, heads, head_dim;
  int64_t num_elements() const { return batch * length * heads * head_dim; }
};

template <class T>
struct Tables {
  std::vector<T> cos, sin;
};

template <class T>
Tables<T> MakeTables(int64_t num_positions, int64_t head_dim) {
  const int64_t half = head_dim / 2;
  Tables<T> tables;
  tables.cos.resize(static_cast<size_t>(num_positions * half));
  tables.sin.resize(static_cast<size_t>(num_positions * half));
  FillRopeTables({.theta = kTheta, .head_dim = head_dim},
                 TensorView(tables.cos.data(), DTypeOf<T>, {num_positions, half}),
                 TensorView(tables.sin.data(), DTypeOf<T>, {num_positions, half}));
  return tables;
}

std::vector<int32_t> Positions(int64_t count, int64_t num_positions) {
  std::vector<int32_t> positions;
  for (int64_t i = 0; i < count; ++i) {
    positions.push_back(static_cast<int32_t>((7 * i + 3) % num_positions));
  }
  return positions;
}

// The formula of the header with the tables given, straight, in R.
template <class R, class T>
std::vector<R> PlainRotation(std::vector<R> x, const Size& size,
                             const std::vector<int32_t>& positions, const Tables<T>& tables,
                             RopeDirection direction) {
  const auto half = static_cast<size_t>(size.head_dim / 2);
  for (size_t head = 0; head < x.size() / (2 * half); ++head) {
    const auto position = static_cast<size_t>(positions[head / static_cast<size_t>(size.heads)]);
    for (size_t i = 0; i < half; ++i) {
      const R cos = tables.cos[position * half + i];
      const R sin = direction == RopeDirection::kForward ? R(tables.sin[position * half + i])
                                                         : -R(tables.sin[position * half + i]);
      const R u = x[2 * head * half + i];
      const R v = x[2 * head * half + half + i];
      x[2 * head * half + i] = u * cos - v * sin;
      x[2 * head * half + half + i] = u * sin + v * cos;
    }
  }
  return x;
}

template <class T>
std::vector<T> RunRope(const OpBench& bench, const std::vector<T>& x, const Size& size,
                       const std::vector<int32_t>& positions, int64_t num_positions,
                       RopeDirection direction) {
  const Tables<T> tables = MakeTables<T>(num_positions, size.head_dim);
  GuardedTensor<T> x_BSND(bench, {size.batch, size.length, size.heads, size.head_dim}, x);
  GuardedTensor<int32_t> positions_BS(bench, {size.batch, size.length}, positions);
  GuardedTensor<T> cos_PF(bench, {num_positions, size.head_dim / 2}, tables.cos);
  GuardedTensor<T> sin_PF(bench, {num_positions, size.head_dim / 2}, tables.sin);
  Rope({.x_BSND = x_BSND,
        .positions_BS = positions_BS,
        .cos_PF = cos_PF,
        .sin_PF = sin_PF,
        .direction = direction},
       *bench.stream);
  return x_BSND.Get();
}

template <class T>
class RopeTyped : public ::testing::Test {
 protected:
  OpBench bench_;
};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RopeTyped, FloatTypes);

TYPED_TEST(RopeTyped, RotatesAsTheFormulaInBothDirections) {
  using T = TypeParam;
  const int64_t num_positions = 53;
  for (const Size& size : {Size{0, 3, 2, 4}, Size{1, 0, 2, 4}, Size{1, 1, 1, 2}, Size{2, 3, 5, 6},
                           Size{3, 17, 2, 34}, Size{2, 331, 4, 64}}) {
    const auto x = RandomValues<T>(size.num_elements(), "x");
    const auto positions = Positions(size.batch * size.length, num_positions);
    const auto tables = MakeTables<T>(num_positions, size.head_dim);
    for (RopeDirection direction : {RopeDirection::kForward, RopeDirection::kBackward}) {
      const auto result = RunRope<T>(this->bench_, x, size, positions, num_positions, direction);
      const auto plain = PlainRotation<T>(x, size, positions, tables, direction);
      const auto exact = PlainRotation(Converted<Wider<T>>(x), size, positions, tables, direction);
      ExpectAsGoodAsPlain(result, plain, exact, StrCat(size.batch, " x ", size.length));
    }
  }
}

TYPED_TEST(RopeTyped, TablesAreRoundedFromF64) {
  using T = TypeParam;
  const auto tables = MakeTables<T>(5000, 6);
  for (const size_t position : {0, 1, 4999}) {
    for (size_t i = 0; i < 3; ++i) {
      const double angle =
          static_cast<double>(position) * std::pow(kTheta, -2.0 * static_cast<double>(i) / 6);
      EXPECT_EQ(tables.cos[position * 3 + i], static_cast<T>(std::cos(angle)));
      EXPECT_EQ(tables.sin[position * 3 + i], static_cast<T>(std::sin(angle)));
    }
  }
}

// The numbers of Llama 3.1. Frequency i turns 8192 · 500000^(-i/64) / 2π times in the original
// context: more than 4 times up to i = 28 (4.19), less than once from i = 35 (0.997) on.
TEST(Rope, TablesStretchLongWavelengthsAsLlama3) {
  std::vector<double> cos(2 * 64), sin(2 * 64);
  FillRopeTables({.theta = 500000,
                  .head_dim = 128,
                  .scaling = RopeScaling{.factor = 8,
                                         .low_freq_factor = 1,
                                         .high_freq_factor = 4,
                                         .original_max_position_embeddings = 8192}},
                 TensorView(cos.data(), DType::kF64, {2, 64}),
                 TensorView(sin.data(), DType::kF64, {2, 64}));
  const auto frequency = [&](size_t i) { return std::atan2(sin[64 + i], cos[64 + i]); };
  const auto unscaled = [](double i) { return std::pow(500000.0, -i / 64); };
  for (const size_t i : {0, 1, 20, 28}) {
    EXPECT_NEAR(frequency(i), unscaled(double(i)), 1e-15) << i;
  }
  for (const size_t i : {35, 36, 63}) {
    EXPECT_NEAR(frequency(i), unscaled(double(i)) / 8, 1e-18) << i;
  }
  // As transformers computes them, in f32.
  EXPECT_NEAR(frequency(29), 0.0021665706299245358, 1e-9);
  EXPECT_NEAR(frequency(32), 0.0005248460220173001, 1e-9);
  EXPECT_NEAR(frequency(34), 0.0001785077911335975, 1e-10);
  // 1/√500000 turns 1.8439 times, 0.28129 of the way from 1 to 4.
  EXPECT_NEAR(frequency(32), (0.28129 + 0.71871 / 8) / std::sqrt(500000.0), 1e-8);
}

TYPED_TEST(RopeTyped, RotatesOnlyTheHeadsOfAStridedView) {
  using T = TypeParam;
  const int64_t all_heads = 5, num_positions = 7;
  const auto qkv = RandomValues<T>(2 * 3 * all_heads * 4, "qkv");
  const auto positions = Positions(6, num_positions);
  const auto tables = MakeTables<T>(num_positions, 4);
  GuardedTensor<T> qkv_BSND(this->bench_, {2, 3, all_heads, 4}, qkv);
  GuardedTensor<int32_t> positions_BS(this->bench_, {2, 3}, positions);
  GuardedTensor<T> cos_PF(this->bench_, {num_positions, 2}, tables.cos);
  GuardedTensor<T> sin_PF(this->bench_, {num_positions, 2}, tables.sin);
  Rope({.x_BSND = qkv_BSND.view().Slice(2, 1, 3),
        .positions_BS = positions_BS,
        .cos_PF = cos_PF,
        .sin_PF = sin_PF},
       *this->bench_.stream);

  std::vector<T> expected = qkv;
  for (size_t token = 0; token < 6; ++token) {
    const size_t first = (token * all_heads + 1) * 4;
    const std::vector<T> heads(qkv.begin() + static_cast<int64_t>(first),
                               qkv.begin() + static_cast<int64_t>(first) + 8);
    const auto turned =
        PlainRotation<T>(heads, {1, 1, 2, 4}, {positions[token]}, tables, RopeDirection::kForward);
    std::copy(turned.begin(), turned.end(), expected.begin() + static_cast<int64_t>(first));
  }
  EXPECT_TRUE(BitEqual(qkv_BSND.Get(), expected));
}

TEST(Rope, BackwardMatchesFiniteDifferences) {
  const OpBench bench;
  const Size size = {1, 2, 2, 6};
  const auto positions = Positions(2, 11);
  const auto x = RandomValues<double>(size.num_elements(), "x");
  const auto dy = RandomValues<double>(size.num_elements(), "dy");
  const auto dx = RunRope<double>(bench, dy, size, positions, 11, RopeDirection::kBackward);
  const auto expected = FiniteDifferences(x, [&](const std::vector<double>& at) {
    const auto y = RunRope<double>(bench, at, size, positions, 11, RopeDirection::kForward);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  });
  EXPECT_LE(MaxError(dx, expected), 1e-9);
}

TYPED_TEST(RopeTyped, BitsDoNotDependOnTheNumberOfThreads) {
  using T = TypeParam;
  const Size size = {2, 331, 4, 64};
  const auto x = RandomValues<T>(size.num_elements(), "x");
  const auto positions = Positions(2 * 331, 400);
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    return RunRope<T>(bench, x, size, positions, 400, RopeDirection::kForward);
  });
}

TEST(Rope, PositionBeyondTheTablesFailsBeforeAnythingIsTurned) {
  const OpBench bench;
  const std::vector<float> x = {1, 2, 3, 4};
  GuardedTensor<float> x_BSND(bench, {1, 2, 1, 2}, x);
  GuardedTensor<float> cos_PF(bench, {5, 1}), sin_PF(bench, {5, 1});
  for (const int32_t bad : {5, -1}) {
    GuardedTensor<int32_t> positions_BS(bench, {1, 2}, {0, bad});
    const auto message = ErrorOf([&] {
      Rope({.x_BSND = x_BSND, .positions_BS = positions_BS, .cos_PF = cos_PF, .sin_PF = sin_PF},
           *bench.stream);
      bench.Synchronize();
    });
    EXPECT_THAT(message, AllOf(HasSubstr(StrCat("position ", bad)), HasSubstr("[0, 5)")));
    EXPECT_TRUE(BitEqual(x_BSND.Get(), x));
  }
}

TEST(Rope, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> odd(bench, {1, 2, 1, 3}), x_BSND(bench, {1, 2, 1, 4});
  GuardedTensor<float> cos_PF(bench, {5, 2}), sin_PF(bench, {4, 2});
  GuardedTensor<int32_t> positions_BS(bench, {1, 2}, {0, 1});
  EXPECT_THAT(
      ErrorOf([&] {
        Rope({.x_BSND = odd, .positions_BS = positions_BS, .cos_PF = cos_PF, .sin_PF = cos_PF},
             *bench.stream);
      }),
      AllOf(HasSubstr("Rope"), HasSubstr("D must be twice F")));
  EXPECT_THAT(
      ErrorOf([&] {
        Rope({.x_BSND = x_BSND, .positions_BS = positions_BS, .cos_PF = cos_PF, .sin_PF = sin_PF},
             *bench.stream);
      }),
      AllOf(HasSubstr("Rope"), HasSubstr("sin"), HasSubstr("P = 5")));
  std::vector<float> table(4);
  const TensorView view(table.data(), DType::kF32, {2, 2});
  EXPECT_THAT(ErrorOf([&] { FillRopeTables({.head_dim = 5}, view, view); }), HasSubstr("even"));
  EXPECT_THAT(ErrorOf([&] { FillRopeTables({.head_dim = 6}, view, view); }), HasSubstr("F = 3"));
  const RopeFrequencies inverted = {
      .head_dim = 4,
      .scaling = RopeScaling{
          .low_freq_factor = 4, .high_freq_factor = 1, .original_max_position_embeddings = 8192}};
  EXPECT_THAT(ErrorOf([&] { FillRopeTables(inverted, view, view); }),
              HasSubstr("high_freq_factor above low_freq_factor"));
}

}  // namespace
}  // namespace cadmus
