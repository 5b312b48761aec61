// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/bfloat16.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cadmus {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Every bf16 in [0, infinity), as its bits; negative ones mirror them.
constexpr uint16_t kInfinityBits = 0x7f80;

uint16_t Bits(double value) { return BFloat16(value).bits(); }
uint16_t Bits(float value) { return BFloat16(value).bits(); }

TEST(BFloat16, EveryValueIsReadExactlyAndRoundsToItself) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto value = BFloat16::FromBits(static_cast<uint16_t>(bits));
    const float read = value;
    EXPECT_EQ(std::bit_cast<uint32_t>(read), bits << 16);
    if (std::isnan(read)) continue;
    ASSERT_EQ(Bits(read), bits);
    ASSERT_EQ(Bits(static_cast<double>(read)), bits);
  }
}

TEST(BFloat16, RoundsToTheNearestAndTiesToEven) {
  for (uint16_t bits = 0; bits < kInfinityBits; ++bits) {
    const float low = BFloat16::FromBits(bits);
    const auto next = static_cast<uint16_t>(bits + 1);
    const uint16_t even = bits % 2 == 0 ? bits : next;
    const float tie = std::bit_cast<float>((uint32_t{bits} << 16) + 0x8000U);
    ASSERT_EQ(Bits(tie), even) << low;
    ASSERT_EQ(Bits(-tie), even | 0x8000) << low;
    ASSERT_EQ(Bits(std::nextafter(tie, 0.0F)), bits) << low;
    ASSERT_EQ(Bits(std::nextafter(tie, kInfinity)), next) << low;
    // So close to the tie that the nearest f32 is the tie itself.
    const double wide = tie;
    ASSERT_EQ(Bits(std::nextafter(wide, 0.0)), bits) << low;
    ASSERT_EQ(Bits(-std::nextafter(wide, 0.0)), bits | 0x8000) << low;
    ASSERT_EQ(Bits(std::nextafter(wide, double{kInfinity})), next) << low;
    ASSERT_EQ(Bits(wide), even) << low;
  }
}

TEST(BFloat16, WhatIsTooLargeBecomesInfiniteAndTooSmallZero) {
  EXPECT_EQ(Bits(std::numeric_limits<float>::max()), kInfinityBits);
  EXPECT_EQ(Bits(-1e300), 0x8000 | kInfinityBits);
  EXPECT_EQ(Bits(kInfinity), kInfinityBits);
  EXPECT_EQ(Bits(1e-300), 0);
  EXPECT_EQ(Bits(-1e-300), 0x8000);
  EXPECT_EQ(Bits(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(BFloat16, EveryNaNStaysNaN) {
  for (const uint32_t sign : {0U, 0x80000000U}) {
    for (const uint32_t payload : {1U, 0x7fffU, 0x8000U, 0xffffU, 0x10000U, 0x400000U, 0x7fffffU}) {
      const auto nan = std::bit_cast<float>(sign | 0x7f800000U | payload);
      EXPECT_TRUE(std::isnan(float{BFloat16(nan)})) << payload;
      EXPECT_EQ(std::signbit(float{BFloat16(nan)}), sign != 0) << payload;
    }
  }
  EXPECT_TRUE(std::isnan(float{BFloat16(std::numeric_limits<double>::quiet_NaN())}));
  EXPECT_TRUE(std::isnan(float{std::numeric_limits<BFloat16>::quiet_NaN()}));
}

TEST(BFloat16, EpsilonIsTheDistanceOfOneToTheNextValue) {
  const float one = BFloat16(1);
  EXPECT_EQ(float{BFloat16::FromBits(BFloat16(1).bits() + 1)} - one,
            float{std::numeric_limits<BFloat16>::epsilon()});
  EXPECT_EQ(std::numeric_limits<BFloat16>::digits, 8);
}

}  // namespace
}  // namespace cadmus
