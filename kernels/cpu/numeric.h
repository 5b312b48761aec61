// SPDX-License-Identifier: Apache-2.0
// Scalar maths of the CPU kernels, written so that a plain loop over it vectorises, and sums whose
// order depends on the length only. No libm call, no branch, no table.
#pragma once

#include <bit>
#include <cstdint>
#include <iterator>
#include <limits>
#include <type_traits>

namespace cadmus::cpu {

// The type of sums, statistics and softmax over a storage type: f64 for f64, f32 for the rest.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

namespace internal {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  using Bits = uint32_t;
  using SignedBits = int32_t;
  static constexpr int kMantissaBits = 23;
  static constexpr int kExponentBias = 127;
  static constexpr float kLowest = -104.0f;     // exp is below half of the least subnormal
  static constexpr float kHighest = 89.0f;      // exp is infinite
  static constexpr float kRounder = 0x1.8p23f;  // x + kRounder - kRounder rounds to an integer
  static constexpr float kLog2E = 0x1.715476p+0f;
  // ln 2 = kLn2High + kLn2Low; a product of kLn2High with any exponent is exact.
  static constexpr float kLn2High = 0x1.63p-1f;
  static constexpr float kLn2Low = -0x1.bd0106p-13f;
  // 1 / n! for n = 7 … 2: beyond them lies less than 0.1 units in the last place.
  static constexpr float kInverseFactorials[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120,
                                                 1.0f / 24,   1.0f / 6,   0.5f};
};

template <>
struct ExpConstants<double> {
  using Bits = uint64_t;
  using SignedBits = int64_t;
  static constexpr int kMantissaBits = 52;
  static constexpr int kExponentBias = 1023;
  static constexpr double kLowest = -746.0;
  static constexpr double kHighest = 710.0;
  static constexpr double kRounder = 0x1.8p52;
  static constexpr double kLog2E = 0x1.71547652b82fep+0;
  static constexpr double kLn2High = 0x1.62e42feep-1;
  static constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr double kInverseFactorials[] = {
      1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
      1.0 / 5040,       1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      0.5};
};

}  // namespace internal

// exp(x) within 2 units in the last place (f32 and f64); exp(-inf) = 0, exp(inf) = inf, NaN stays.
// x = n ln 2 + r with |r| ≤ ln 2 / 2; exp(x) = 2ⁿ · (1 + r + r² · q(r)), q from Taylor's series.
template <class T>
inline T Exp(T x) {
  using C = internal::ExpConstants<T>;
  using Bits = typename C::Bits;
  x = x < C::kLowest ? C::kLowest : x;
  x = x > C::kHighest ? C::kHighest : x;
  const T rounded = x * C::kLog2E + C::kRounder;
  const T n = rounded - C::kRounder;
  const T r = (x - n * C::kLn2High) - n * C::kLn2Low;
  T q = C::kInverseFactorials[0];
  for (size_t i = 1; i < std::size(C::kInverseFactorials); ++i) {
    q = q * r + C::kInverseFactorials[i];
  }
  const T mantissa = 1 + (r + (r * r) * q);
  // 2ⁿ in two factors, each a normal number: subnormal results round once, in the last product.
  const Bits exponent = std::bit_cast<Bits>(rounded) - std::bit_cast<Bits>(C::kRounder);
  const Bits half = static_cast<Bits>(static_cast<typename C::SignedBits>(exponent) >> 1);
  const auto power_of_two = [](Bits e) {
    return std::bit_cast<T>((e + Bits{C::kExponentBias}) << C::kMantissaBits);
  };
  return mantissa * power_of_two(half) * power_of_two(exponent - half);
}

// out = a + b, rounded once; out may lie on a or b.
template <class T>
inline void AddRow(const T* a, const T* b, int64_t n, T* out) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(Wide<T>(a[i]) + Wide<T>(b[i]));
}

// Σ f(i) over [0, n) in W: kLanes interleaved partial sums, then one tree. The same bits for the
// same n, and as fast as the loads of f.
template <class W, class F>
inline W Sum(int64_t n, F f) {
  constexpr int kLanes = 32;
  W lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<W>(f(i + lane));
  }
  const int rest = static_cast<int>(n - i);
  for (int lane = 0; lane < rest; ++lane) lanes[lane] += static_cast<W>(f(i + lane));
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

// max of f(i) over [0, n); -inf when n = 0; NaNs are passed over.
template <class W, class F>
inline W Max(int64_t n, F f) {
  constexpr int kLanes = 32;
  W lanes[kLanes];
  for (W& lane : lanes) lane = -std::numeric_limits<W>::infinity();
  const auto larger = [](W a, W b) { return b > a ? b : a; };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = larger(lanes[lane], static_cast<W>(f(i + lane)));
    }
  }
  const int rest = static_cast<int>(n - i);
  for (int lane = 0; lane < rest; ++lane) {
    lanes[lane] = larger(lanes[lane], static_cast<W>(f(i + lane)));
  }
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] = larger(lanes[lane], lanes[lane + width]);
  }
  return lanes[0];
}

}  // namespace cadmus::cpu
