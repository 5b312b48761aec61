// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cast.h"

#include "tests/kernels/ops/any_threads.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

template <class From, class To>
std::vector<To> RunCast(const OpBench& bench, const Shape& shape, const std::vector<From>& x) {
  GuardedTensor<From> from(bench, shape, x);
  GuardedTensor<To> to(bench, shape);
  Cast({.x = from, .y = to}, *bench.stream);
  return to.Get();
}

template <class T>
std::vector<T> Counting(int64_t n) {
  std::vector<T> values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(i);
  return values;
}

const Shape kShapes[] = {{0},    {1},       {17},      {40001},         {3, 0, 5},
                         {5, 7}, {2, 3, 4}, {300, 67}, {2, 1, 3, 5, 7}, {2, 2, 2, 3, 2, 3}};

TEST(Cast, RoundsF64ToTheNearestF32) {
  const OpBench bench;
  for (const Shape& shape : kShapes) {
    const auto x = RandomValues<double>(shape.num_elements(), "x", 100);
    EXPECT_TRUE(BitEqual(RunCast<double, float>(bench, shape, x), Converted<float>(x)));
  }
  // Half-way cases go to the even neighbour; what is too large becomes infinite; NaN stays.
  const auto edges = RunCast<double, float>(
      bench, {5},
      {1 + 0x1p-24, 1 + 3 * 0x1p-24, 1e39, -1e39, std::numeric_limits<double>::quiet_NaN()});
  EXPECT_EQ(edges[0], 1.0F);
  EXPECT_EQ(edges[1], 1 + 0x1p-22F);
  EXPECT_EQ(edges[2], std::numeric_limits<float>::infinity());
  EXPECT_EQ(edges[3], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(edges[4]));
}

TEST(Cast, WidensF32Exactly) {
  const OpBench bench;
  for (const Shape& shape : kShapes) {
    const auto x = RandomValues<float>(shape.num_elements(), "x", 100);
    EXPECT_TRUE(BitEqual(RunCast<float, double>(bench, shape, x), Converted<double>(x)));
  }
}

template <class T>
class CastCopy : public ::testing::Test {};
using AllTypes = ::testing::Types<double, float, int64_t, int32_t, uint16_t, uint8_t>;
TYPED_TEST_SUITE(CastCopy, AllTypes);

TYPED_TEST(CastCopy, CopiesTheSameDType) {
  const OpBench bench;
  for (const Shape& shape : kShapes) {
    const auto x = Counting<TypeParam>(shape.num_elements());
    EXPECT_TRUE(BitEqual(RunCast<TypeParam, TypeParam>(bench, shape, x), x));
  }
}

TYPED_TEST(CastCopy, CopiesBetweenSlices) {
  using T = TypeParam;
  const OpBench bench;
  // [2, 3, 4] out of [2, 5, 4], into columns 1 … 4 of [2, 3, 7].
  GuardedTensor<T> from(bench, {2, 5, 4}, Counting<T>(40));
  const std::vector<T> old(42, 77);
  GuardedTensor<T> to(bench, {2, 3, 7}, old);
  Cast({.x = from.view().Slice(1, 2, 5), .y = to.view().Slice(2, 1, 5)}, *bench.stream);
  std::vector<T> expected = old;
  for (size_t a = 0; a < 2; ++a) {
    for (size_t b = 0; b < 3; ++b) {
      for (size_t c = 0; c < 4; ++c) {
        expected[(a * 3 + b) * 7 + 1 + c] = static_cast<T>((a * 5 + b + 2) * 4 + c);
      }
    }
  }
  EXPECT_TRUE(BitEqual(to.Get(), expected));
}

TEST(Cast, ConvertsBetweenPermutedDims) {
  const OpBench bench;
  // y[b, a, c] = x[a, b, c] for rows longer than a task.
  const int64_t a_extent = 3, b_extent = 2, c_extent = 16390;
  const auto x = RandomValues<double>(a_extent * b_extent * c_extent, "x");
  GuardedTensor<double> from(bench, {a_extent, b_extent, c_extent}, x);
  GuardedTensor<float> to(bench, {b_extent, a_extent, c_extent});
  const TensorView permuted(to.view().raw(), DType::kF32, {a_extent, b_extent, c_extent},
                            {c_extent, a_extent * c_extent, 1});
  Cast({.x = from, .y = permuted}, *bench.stream);
  const auto y = to.Get();
  for (int64_t a = 0; a < a_extent; ++a) {
    for (int64_t b = 0; b < b_extent; ++b) {
      for (int64_t c = 0; c < c_extent; ++c) {
        ASSERT_EQ(y[static_cast<size_t>((b * a_extent + a) * c_extent + c)],
                  static_cast<float>(x[static_cast<size_t>((a * b_extent + b) * c_extent + c)]));
      }
    }
  }
}

TEST(Cast, CopiesAScalar) {
  const OpBench bench;
  EXPECT_EQ((RunCast<int32_t, int32_t>(bench, {}, {5})), std::vector<int32_t>{5});
}

TEST(Cast, BitsDoNotDependOnTheNumberOfThreads) {
  const auto x = RandomValues<double>(301 * 257, "x");
  ExpectSameBitsForAnyThreads([&](const OpBench& bench) {
    return RunCast<double, float>(bench, {301, 257}, x);
  });
}

TEST(Cast, ErrorsNameOpAndArgument) {
  const OpBench bench;
  GuardedTensor<float> x(bench, {2, 3}), y(bench, {3, 2});
  GuardedTensor<int32_t> integers(bench, {2, 3});
  EXPECT_THAT(ErrorOf([&] { Cast({.x = x, .y = y}, *bench.stream); }),
              AllOf(HasSubstr("Cast"), HasSubstr("y F32[3, 2]")));
  EXPECT_THAT(
      ErrorOf([&] { Cast({.x = x, .y = integers}, *bench.stream); }),
      AllOf(HasSubstr("Cast"), HasSubstr("no conversion"), HasSubstr("x F32"), HasSubstr("y I32")));
  EXPECT_THAT(ErrorOf([&] { Cast({.x = x}, *bench.stream); }),
              AllOf(HasSubstr("y "), HasSubstr("absent")));
  const TensorView columns(x.view().raw(), DType::kF32, {3, 2}, {1, 3});
  EXPECT_THAT(ErrorOf([&] { Cast({.x = columns, .y = y}, *bench.stream); }),
              AllOf(HasSubstr("x "), HasSubstr("contiguous")));
}

}  // namespace
}  // namespace cadmus
