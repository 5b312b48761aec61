// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/numeric.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace cadmus::cpu {
namespace {

template <class T>
class NumericTyped : public ::testing::Test {};
using Types = ::testing::Types<double, float>;
TYPED_TEST_SUITE(NumericTyped, Types);

TYPED_TEST(NumericTyped, ExpIsWithinTwoUnitsInTheLastPlace) {
  using T = TypeParam;
  constexpr bool kWide = sizeof(T) == 8;
  const T lowest = kWide ? T(-750) : T(-105), highest = kWide ? T(709.7) : T(88.7);
  constexpr int kSteps = 300'000;
  for (int i = 0; i <= kSteps; ++i) {
    const T x = lowest + (highest - lowest) * (static_cast<T>(i) / kSteps);
    const long double exact = std::exp(static_cast<long double>(x));
    const auto rounded = static_cast<T>(exact);
    const T unit = std::nextafter(rounded, std::numeric_limits<T>::infinity()) - rounded;
    ASSERT_LE(std::fabs(static_cast<long double>(Exp(x)) - exact), 2.0L * unit) << x;
  }
}

TYPED_TEST(NumericTyped, ExpIsCleanAtTheEnds) {
  using T = TypeParam;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  EXPECT_EQ(Exp(T{0}), T{1});
  EXPECT_EQ(Exp(T{-0.0}), T{1});
  EXPECT_EQ(Exp(-kInfinity), T{0});
  EXPECT_EQ(Exp(std::numeric_limits<T>::lowest()), T{0});
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Exp(std::numeric_limits<T>::max()), kInfinity);
  EXPECT_TRUE(std::isnan(Exp(std::numeric_limits<T>::quiet_NaN())));
  EXPECT_EQ(Exp(std::numeric_limits<T>::denorm_min()), T{1});
}

TYPED_TEST(NumericTyped, SumsAndMaximaTakeEveryElementOnce) {
  using T = TypeParam;
  for (const int64_t n : {0, 1, 31, 32, 33, 64, 257}) {
    EXPECT_EQ(Sum<T>(n, [](int64_t i) { return static_cast<T>(i); }), T(n * (n - 1) / 2));
    for (int64_t peak = 0; peak < n; ++peak) {
      EXPECT_EQ(Max<T>(n, [&](int64_t i) { return i == peak ? T{3} : T{-2}; }), T{3});
    }
  }
  EXPECT_EQ(Max<T>(0, [](int64_t) { return T{0}; }), -std::numeric_limits<T>::infinity());
}

}  // namespace
}  // namespace cadmus::cpu
