// SPDX-License-Identifier: Apache-2.0
// Where valid UTF-8 ends, and the characters in it: as the Unicode standard has it, so no overlong
// forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cadmus {

// Bytes of the longest prefix of `text` that is valid UTF-8.
size_t ValidUtf8Prefix(std::string_view text);

inline bool IsValidUtf8(std::string_view text) { return ValidUtf8Prefix(text) == text.size(); }

struct Utf8Character {
  char32_t code_point = 0;
  size_t size = 0;  // bytes
};

// The character that starts at text[at]. Requires valid UTF-8 and at < text.size().
inline Utf8Character CharacterAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const auto low_bits = [&](size_t i) { return static_cast<char32_t>(byte(i) & 0x3F); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | low_bits(1), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | low_bits(1) << 6 | low_bits(2), 3};
  return {(lead & 0x07) << 18 | low_bits(1) << 12 | low_bits(2) << 6 | low_bits(3), 4};
}

// The property White_Space.
constexpr bool IsWhiteSpace(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

}  // namespace cadmus
