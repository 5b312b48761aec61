// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/dtype.h"

#include <array>

namespace cadmus {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  int64_t size;
};

constexpr std::array<Row, 9> kRows = {{{DType::kNone, "none", 0},
                                       {DType::kF64, "F64", 8},
                                       {DType::kF32, "F32", 4},
                                       {DType::kBF16, "BF16", 2},
                                       {DType::kF16, "F16", 2},
                                       {DType::kI64, "I64", 8},
                                       {DType::kI32, "I32", 4},
                                       {DType::kU16, "U16", 2},
                                       {DType::kU8, "U8", 1}}};

const Row& RowOf(DType dtype) { return kRows[static_cast<size_t>(dtype)]; }

}  // namespace

int64_t SizeOf(DType dtype) { return RowOf(dtype).size; }
std::string_view Name(DType dtype) { return RowOf(dtype).name; }

std::optional<DType> DTypeFromName(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.dtype != DType::kNone && row.name == name) return row.dtype;
  }
  return std::nullopt;
}

}  // namespace cadmus
