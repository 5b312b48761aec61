// SPDX-License-Identifier: Apache-2.0
// Where the tiles of a gemm find their parts of the operands.
#pragma once

#include <type_traits>
#include <utility>

#include "kernels/cpu/blas.h"

namespace cadmus::cpu {

// The rows of one batch entry; Rows<T> or Rows<const T>, as the view allows.
template <class T, class View>
auto Entry(const View& view, int64_t entry) {
  const int rows = view.num_dims() - 2;
  auto* data = view.template data<T>() + (rows == 1 ? entry * view.stride(0) : 0);
  return Rows<std::remove_pointer_t<decltype(data)>>{data, view.stride(rows)};
}

// The part of an operand from this row or column of op(operand) on.
template <class T>
Rows<T> Part(const Rows<T>& stored, Transpose transpose, int64_t row, int64_t column) {
  if (transpose == Transpose::kYes) std::swap(row, column);
  return {stored.row(row) + column, stored.stride};
}

}  // namespace cadmus::cpu
