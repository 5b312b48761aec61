// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/transposed_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace cadmus::cpu {
namespace {

struct ProductCase {
  int64_t m, n, k;
  float alpha, beta;
};

// Rows are longer than they need be, and lie in no special place.
constexpr int64_t kRowPadding = 3;

class TransposedProduct : public testing::TestWithParam<ProductCase> {
 protected:
  void SetUp() override {
    if (!HasTransposedProduct()) GTEST_SKIP() << "this build is for processors without AVX-512";
    const ProductCase& c = GetParam();
    stride_a_ = c.m + kRowPadding;
    stride_b_ = stride_c_ = c.n + kRowPadding;
    a_.resize(static_cast<size_t>(c.k * stride_a_));
    b_.resize(static_cast<size_t>(c.k * stride_b_));
    c_.resize(static_cast<size_t>(c.m * stride_c_));
    std::mt19937 engine(7);
    std::uniform_real_distribution<float> values(-1, 1);
    for (std::vector<float>* matrix : {&a_, &b_, &c_}) {
      for (float& value : *matrix) value = values(engine);
    }
  }

  // The part of C from this row and column on.
  Product<float> Part(int64_t row, int64_t column, int64_t m, int64_t n, std::vector<float>& c) {
    return {.transpose_a = Transpose::kYes,
            .m = m,
            .n = n,
            .k = GetParam().k,
            .alpha = GetParam().alpha,
            .a = {a_.data() + row, stride_a_},
            .b = {b_.data() + column, stride_b_},
            .beta = GetParam().beta,
            .c = {c.data() + row * stride_c_ + column, stride_c_}};
  }

  int64_t stride_a_ = 0, stride_b_ = 0, stride_c_ = 0;
  std::vector<float> a_, b_, c_;
};

TEST_P(TransposedProduct, IsTheProductAndTouchesNothingElse) {
  const ProductCase& p = GetParam();
  std::vector<float> c = c_;
  MultiplyTransposed(Part(0, 0, p.m, p.n, c));
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < stride_c_; ++j) {
      const auto at = static_cast<size_t>(i * stride_c_ + j);
      if (j >= p.n) {
        ASSERT_EQ(c[at], c_[at]) << i << ", " << j;
        continue;
      }
      const double addend = double(p.beta) * double(c_[at]);
      double sum = 0, size = std::abs(addend);
      for (int64_t k = 0; k < p.k; ++k) {
        const double term = double(p.alpha) * double(a_[static_cast<size_t>(k * stride_a_ + i)]) *
                            double(b_[static_cast<size_t>(k * stride_b_ + j)]);
        sum += term;
        size += std::abs(term);
      }
      // Each of the k + 4 roundings is at most half a unit in the last place of the terms so far.
      const double bound =
          static_cast<double>(p.k + 4) * size * 0.5 * std::numeric_limits<float>::epsilon();
      ASSERT_NEAR(c[at], sum + addend, bound) << i << ", " << j;
    }
  }
}

TEST_P(TransposedProduct, BitsDoNotDependOnHowCIsCut) {
  const ProductCase& p = GetParam();
  std::vector<float> whole = c_, cut = c_;
  MultiplyTransposed(Part(0, 0, p.m, p.n, whole));
  const int64_t row = p.m / 3, column = p.n - p.n / 4;
  MultiplyTransposed(Part(0, 0, row, column, cut));
  MultiplyTransposed(Part(row, 0, p.m - row, column, cut));
  MultiplyTransposed(Part(0, column, p.m, p.n - column, cut));
  EXPECT_EQ(whole, cut);
}

INSTANTIATE_TEST_SUITE_P(, TransposedProduct,
                         testing::Values(ProductCase{67, 61, 530, 1, 0},
                                         ProductCase{83, 401, 33, 1, 1},
                                         ProductCase{70, 20, 1100, 1, 0},
                                         ProductCase{130, 64, 1030, 0.5f, 0},
                                         ProductCase{9, 800, 16, -2, 0.25f},
                                         ProductCase{1, 1, 1, 2, 3}));

}  // namespace
}  // namespace cadmus::cpu
