// SPDX-License-Identifier: Apache-2.0
// DType: the element types of tensors, their sizes and their names in safetensors spelling.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/base/bfloat16.h"

namespace cadmus {

enum class DType : uint8_t { kNone, kF64, kF32, kBF16, kF16, kI64, kI32, kU16, kU8 };

// Bytes per element; 0 for kNone.
int64_t SizeOf(DType dtype);

// "F64", "F32", "BF16", … as safetensors spells them.
std::string_view Name(DType dtype);
std::optional<DType> DTypeFromName(std::string_view name);

// DTypeOf<float> == DType::kF32: the storage type of a C++ type.
template <class T>
inline constexpr DType DTypeOf = DType::kNone;
template <>
inline constexpr DType DTypeOf<double> = DType::kF64;
template <>
inline constexpr DType DTypeOf<float> = DType::kF32;
template <>
inline constexpr DType DTypeOf<BFloat16> = DType::kBF16;
template <>
inline constexpr DType DTypeOf<int64_t> = DType::kI64;
template <>
inline constexpr DType DTypeOf<int32_t> = DType::kI32;
template <>
inline constexpr DType DTypeOf<uint16_t> = DType::kU16;
template <>
inline constexpr DType DTypeOf<uint8_t> = DType::kU8;

}  // namespace cadmus
