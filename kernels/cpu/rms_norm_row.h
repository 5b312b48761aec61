// SPDX-License-Identifier: Apache-2.0
// One row of RMSNorm, forward and backward: a token of RmsNorm, a head of HeadNorm.
#pragma once

#include <cmath>

#include "kernels/cpu/numeric.h"

namespace cadmus::cpu {

// y = weight · s · rstd, which may lie on s; returns rstd.
template <class T>
Wide<T> NormaliseRow(const T* s, const T* weight, double epsilon, int64_t width, T* y) {
  using S = Wide<T>;
  const double squares = Sum<double>(width, [s](int64_t d) { return double(s[d]) * double(s[d]); });
  const double mean = squares / static_cast<double>(width);
  const S r = static_cast<S>(1.0 / std::sqrt(mean + epsilon));
#pragma GCC ivdep
  for (int64_t d = 0; d < width; ++d) y[d] = static_cast<T>(S(s[d]) * r * S(weight[d]));
  return r;
}

template <class T>
struct RmsNormRowGradient {
  const T *s, *weight, *dy;
  const T* dsum;  // null: none
  Wide<T> rstd;
  T* ds;             // may lie on dy or dsum
  Wide<T>* dweight;  // += this row's share
};

template <class T>
void BackwardRow(const RmsNormRowGradient<T>& row, int64_t width) {
  using S = Wide<T>;
  const auto [s, weight, dy, dsum, r, ds, dweight] = row;
  // Before ds, which may lie on dy.
#pragma omp simd
  for (int64_t d = 0; d < width; ++d) dweight[d] += S(dy[d]) * (S(s[d]) * r);
  const double dot = Sum<double>(width, [s = s, weight = weight, dy = dy](int64_t d) {
    return double(dy[d]) * double(weight[d]) * double(s[d]);
  });
  const S c = static_cast<S>(double(r) * double(r) * (dot / static_cast<double>(width)));
  if (dsum != nullptr) {
#pragma GCC ivdep
    for (int64_t d = 0; d < width; ++d) {
      const S gradient = r * (S(dy[d]) * S(weight[d]) - S(s[d]) * c);
      ds[d] = static_cast<T>(gradient + S(dsum[d]));
    }
  } else {
#pragma GCC ivdep
    for (int64_t d = 0; d < width; ++d) {
      ds[d] = static_cast<T>(r * (S(dy[d]) * S(weight[d]) - S(s[d]) * c));
    }
  }
}

}  // namespace cadmus::cpu
