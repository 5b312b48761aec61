// SPDX-License-Identifier: Apache-2.0
// BFloat16: the upper half of an f32, as storage. It is read as a float, which is exact, and made
// from one explicitly: rounded to nearest even; NaN stays NaN. All arithmetic is that of float.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace cadmus {

class BFloat16 {
 public:
  BFloat16() = default;
  // f64 is rounded once, not by way of the nearest f32.
  template <class Number>
  requires std::is_arithmetic_v<Number>
  constexpr explicit BFloat16(Number value) : bits_(Round(ToFloat(value))) {}

  constexpr operator float() const {  // NOLINT(google-explicit-constructor)
    return std::bit_cast<float>(uint32_t{bits_} << 16);
  }

  static constexpr BFloat16 FromBits(uint16_t bits) {
    BFloat16 out;
    out.bits_ = bits;
    return out;
  }
  constexpr uint16_t bits() const { return bits_; }

 private:
  // No branch: loops over it vectorise. The sum cannot overflow but for a NaN.
  static constexpr uint16_t Round(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t rounded = bits + 0x7fffU + ((bits >> 16) & 1U);
    const uint32_t quiet = bits | 0x400000U;
    const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
    return static_cast<uint16_t>((is_nan ? quiet : rounded) >> 16);
  }

  template <class Number>
  static constexpr float ToFloat(Number value) {
    return static_cast<float>(value);
  }
  // Towards zero, with the last bit set if anything was cut off: what is rounded next sees on which
  // side of a tie the value lies (Boldo & Melquiond, "When double rounding is odd", 2005).
  static constexpr float ToFloat(double value) {
    const auto nearest = static_cast<float>(value);
    const auto wide = static_cast<double>(nearest);
    if (wide == value || value != value) return nearest;
    auto bits = std::bit_cast<uint32_t>(nearest);
    const bool away = value < 0 ? wide < value : wide > value;
    if (away) --bits;
    return std::bit_cast<float>(bits | 1U);
  }

  uint16_t bits_;
};

static_assert(sizeof(BFloat16) == 2 && std::is_trivially_copyable_v<BFloat16>);

}  // namespace cadmus

template <>
class std::numeric_limits<cadmus::BFloat16> {
 public:
  static constexpr bool is_specialized = true;
  static constexpr bool is_signed = true;
  static constexpr bool is_integer = false;
  static constexpr bool has_infinity = true;
  static constexpr bool has_quiet_NaN = true;
  static constexpr int digits = 8;
  static constexpr cadmus::BFloat16 epsilon() { return cadmus::BFloat16::FromBits(0x3c00); }
  static constexpr cadmus::BFloat16 max() { return cadmus::BFloat16::FromBits(0x7f7f); }
  static constexpr cadmus::BFloat16 infinity() { return cadmus::BFloat16::FromBits(0x7f80); }
  static constexpr cadmus::BFloat16 quiet_NaN() { return cadmus::BFloat16::FromBits(0x7fc0); }
};
