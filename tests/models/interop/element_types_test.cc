// SPDX-License-Identifier: Apache-2.0
#include "models/interop/element_types.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/base/philox.h"

namespace cadmus {
namespace {

template <class To, class From>
std::vector<To> Converted(DType from, const std::vector<From>& in, DType to) {
  std::vector<To> out(in.size());
  ConvertElements(from, std::as_bytes(std::span(in)), to, std::as_writable_bytes(std::span(out)));
  return out;
}

// By the definition of the format: (-1)^s · 2^(e-15) · 1.f.
TEST(ElementTypes, EveryF16IsWidenedExactly) {
  std::vector<uint16_t> all(1 << 16);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  const std::vector<float> wide = Converted<float>(DType::kF16, all, DType::kF32);
  for (size_t i = 0; i < all.size(); ++i) {
    const int exponent = (all[i] >> 10) & 31, fraction = all[i] & 1023;
    const double sign = all[i] & 0x8000 ? -1 : 1;
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(wide[i]), fraction != 0) << i;
      EXPECT_EQ(std::isinf(wide[i]), fraction == 0) << i;
      continue;
    }
    const double value =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    ASSERT_EQ(wide[i], sign * value) << i;
    ASSERT_EQ(std::signbit(wide[i]), sign < 0) << i;
  }
}

TEST(ElementTypes, Bf16ComesBackAndIsNearestWithTiesToEven) {
  std::vector<uint16_t> all(1 << 16);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  const std::vector<float> wide = Converted<float>(DType::kBF16, all, DType::kF32);
  const std::vector<uint16_t> back = Converted<uint16_t>(DType::kF32, wide, DType::kBF16);
  for (size_t i = 0; i < all.size(); ++i) {
    if (std::isnan(wide[i])) {
      EXPECT_TRUE(std::isnan(std::bit_cast<float>(uint32_t{back[i]} << 16))) << i;
    } else {
      ASSERT_EQ(back[i], all[i]);
    }
  }
  std::vector<float> values;
  const PhiloxKey key = DeriveKey(1, 0, SiteOf("bf16"));
  for (uint32_t i = 0; i < 20000; ++i) {
    uint32_t bits = Philox(key, {i, 0, 0, 0})[0];
    if (i % 4 == 0) bits = (bits & 0xFFFF0000u) | 0x8000u;  // halfway
    const auto value = std::bit_cast<float>(bits);
    if (std::isfinite(value)) values.push_back(value);
  }
  const std::vector<uint16_t> rounded = Converted<uint16_t>(DType::kF32, values, DType::kBF16);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    const auto below = static_cast<uint16_t>(bits >> 16);  // towards zero
    const auto above = static_cast<uint16_t>(below + 1);
    const double low = std::bit_cast<float>(uint32_t{below} << 16);
    const double step = std::abs(low - static_cast<double>(values[i])) * 2;
    const double unit = std::ldexp(1, std::max(std::ilogb(low == 0 ? 0x1p-126 : low), -126) - 7);
    const uint16_t wanted = step < unit      ? below
                            : step > unit    ? above
                            : below % 2 == 0 ? below
                                             : above;
    ASSERT_EQ(rounded[i], wanted) << values[i];
  }
}

TEST(ElementTypes, NothingIsNarrowedSilently) {
  EXPECT_TRUE(CanConvert(DType::kF64, DType::kF64));
  EXPECT_FALSE(CanConvert(DType::kF64, DType::kF32));
  EXPECT_FALSE(CanConvert(DType::kI32, DType::kF32));
  EXPECT_FALSE(CanConvert(DType::kF32, DType::kF16));
}

}  // namespace
}  // namespace cadmus
