// SPDX-License-Identifier: Apache-2.0
// Shape: up to six dims of a tensor, held inline so that views never allocate.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "kernels/base/error.h"

namespace cadmus {

class Shape {
 public:
  static constexpr int kMaxDims = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims) : num_dims_(static_cast<int>(dims.size())) {
    CADMUS_CHECK(num_dims_ <= kMaxDims, StrCat(num_dims_, " dims"));
    for (int i = 0; i < num_dims_; ++i) dims_[i] = dims[i];
  }

  int num_dims() const { return num_dims_; }
  int64_t operator[](int dim) const { return dims_[dim]; }
  int64_t& operator[](int dim) { return dims_[dim]; }
  int64_t back() const { return dims_[num_dims_ - 1]; }
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(num_dims_)}; }

  // Product of all dims; 1 for a scalar.
  int64_t num_elements() const {
    int64_t n = 1;
    for (int i = 0; i < num_dims_; ++i) n *= dims_[i];
    return n;
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.num_dims_ == b.num_dims_ && a.dims_ == b.dims_;
  }

  // "[2, 3, 5]"
  std::string ToString() const {
    std::string out = "[";
    for (int i = 0; i < num_dims_; ++i) out += StrCat(i == 0 ? "" : ", ", dims_[i]);
    return out + "]";
  }

 private:
  std::array<int64_t, kMaxDims> dims_ = {};
  int num_dims_ = 0;
};

}  // namespace cadmus
