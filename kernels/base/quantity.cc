// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/quantity.h"

#include <array>
#include <charconv>
#include <string_view>

#include "kernels/base/str_cat.h"

namespace cadmus {

std::string FixedText(double value, int digits) {
  std::array<char, 400> text;  // the largest double has 309 digits before the point
  const auto [end, code] = std::to_chars(text.data(), text.data() + text.size(), value,
                                         std::chars_format::fixed, digits);
  (void)code;
  return std::string(text.data(), end);
}

std::string CompactText(double value) {
  constexpr std::array<std::string_view, 9> kUnits = {"", "k", "M", "G", "T", "P", "E", "Z", "Y"};
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return StrCat(FixedText(value, digits), kUnits[unit]);
}

std::string BytesText(int64_t bytes) {
  constexpr std::array<std::string_view, 7> kUnits = {"B",   "KiB", "MiB", "GiB",
                                                      "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return StrCat(FixedText(value, unit == 0 ? 0 : 1), kUnits[unit]);
}

}  // namespace cadmus
