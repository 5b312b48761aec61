// SPDX-License-Identifier: Apache-2.0
#include "models/interop/element_types.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/base/bfloat16.h"
#include "kernels/base/error.h"

namespace cadmus {
namespace {

bool IsWeightType(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

float FromF16(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1Fu;
  const uint32_t fraction = bits & 0x3FFu;
  if (exponent == 0) {  // zero and subnormals: fraction · 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t wide_exponent = exponent == 0x1F ? 0xFFu : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13);
}

// Neither side need be aligned.
template <class From, class To, class Convert>
void ForEach(std::span<const std::byte> in, std::span<std::byte> out, const Convert& convert) {
  const size_t count = in.size() / sizeof(From);
  for (size_t i = 0; i < count; ++i) {
    From from;
    std::memcpy(&from, in.data() + i * sizeof(From), sizeof(From));
    const To to = convert(from);
    std::memcpy(out.data() + i * sizeof(To), &to, sizeof(To));
  }
}

}  // namespace

bool CanConvert(DType from, DType to) {
  return from == to || (IsWeightType(from) && (to == DType::kF32 || to == DType::kBF16));
}

void ConvertElements(DType from, std::span<const std::byte> in, DType to,
                     std::span<std::byte> out) {
  CADMUS_CHECK(CanConvert(from, to), StrCat(Name(from), " to ", Name(to)));
  CADMUS_CHECK(std::ssize(in) / SizeOf(from) == std::ssize(out) / SizeOf(to),
               StrCat(in.size(), " bytes to ", out.size()));
  if (from == to) {
    std::memcpy(out.data(), in.data(), in.size());
  } else if (from == DType::kBF16) {
    ForEach<BFloat16, float>(in, out, [](BFloat16 value) { return float{value}; });
  } else if (from == DType::kF32) {
    ForEach<float, BFloat16>(in, out, [](float value) { return BFloat16(value); });
  } else if (to == DType::kF32) {
    ForEach<uint16_t, float>(in, out, &FromF16);
  } else {
    ForEach<uint16_t, BFloat16>(in, out, [](uint16_t bits) { return BFloat16(FromF16(bits)); });
  }
}

}  // namespace cadmus
