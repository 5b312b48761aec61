// SPDX-License-Identifier: Apache-2.0
// Check: declarative checks of an op's arguments. Each letter names one dim: it binds to an extent
// on first use and must agree afterwards; failures print the letters.
//
//   Check c("RmsNormForward");
//   c.Tensor("x", a.x_TD, "TD", kAnyFloat);
//   c.Tensor("weight", a.weight_D, "D", c.dtype_of("x"));
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/base/tensor_view.h"

namespace cadmus {

enum class Layout { kContiguous, kLastDimContiguous };

class Check {
 public:
  explicit Check(const char* op) : op_(op) {}

  // The view must be there, have one dim per letter, agree with the bound letters, and have this
  // dtype and layout. All failures throw kInternal, naming op, argument, shape and letters.
  void Tensor(const char* name, const ConstTensorView& view, std::string_view letters, DType dtype,
              Layout layout = Layout::kContiguous);
  // The same if the view is there.
  void Optional(const char* name, const ConstTensorView& view, std::string_view letters,
                DType dtype, Layout layout = Layout::kContiguous);
  // As Tensor, for any of f64, f32, bf16 (the storage types that have kernels); returns the dtype.
  DType FloatTensor(const char* name, const ConstTensorView& view, std::string_view letters,
                    Layout layout = Layout::kContiguous);
  // As Tensor, for f64 or f32: what sums, statistics and optimizers are kept in.
  DType WideTensor(const char* name, const ConstTensorView& view, std::string_view letters);
  // As Tensor, for the gradient of what is stored as `storage`: of that type, or its statistics'.
  void Gradient(const char* name, const ConstTensorView& view, std::string_view letters,
                DType storage);
  // U8[at least `needed`], which may be absent where that is 0; `sized_by` says what it comes from.
  void Workspace(const ConstTensorView& view, int64_t needed, std::string_view sized_by);
  // Fixes a letter before use, or checks it.
  void Bind(char letter, int64_t extent);
  int64_t operator[](char letter) const;
  void True(bool condition, std::string_view what) const;

 private:
  [[noreturn]] void Fail(const char* name, const ConstTensorView& view, std::string_view letters,
                         std::string_view what) const;

  const char* op_;
  std::array<int64_t, 128> extents_ = MakeUnbound();
  static constexpr std::array<int64_t, 128> MakeUnbound() {
    std::array<int64_t, 128> out = {};
    out.fill(-1);
    return out;
  }
};

// Sums, statistics and losses of a storage type: f64 for f64, f32 for the rest.
inline DType StatisticsDType(DType storage) {
  return storage == DType::kF64 ? DType::kF64 : DType::kF32;
}

// Whether kernels exist for elements of this type.
inline bool IsStorageDType(DType dtype) {
  return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kBF16;
}

}  // namespace cadmus
