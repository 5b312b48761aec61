// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/text_parts.h"

#include <algorithm>
#include <array>

namespace cadmus {
namespace {

constexpr size_t kLongestSpace = 3;  // in bytes of UTF-8

bool IsAsciiSpace(char c) { return c == ' ' || ('\t' <= c && c <= '\r'); }

bool IsAsciiAlphanumeric(char c) {
  return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9');
}

// Bytes of the character that `text` begins with, if it has the Unicode property White_Space; else
// 0. All of the block U+2000 to U+203F are taken for one.
size_t SpaceLength(std::string_view text) {
  if (IsAsciiSpace(text[0])) return 1;
  if (text.starts_with("\xc2\x85") || text.starts_with("\xc2\xa0")) return 2;
  constexpr std::array<std::string_view, 4> kSpaces = {"\xe1\x9a\x80", "\xe2\x80", "\xe2\x81\x9f",
                                                       "\xe3\x80\x80"};
  const bool is_space =
      std::ranges::any_of(kSpaces, [&](std::string_view space) { return text.starts_with(space); });
  return is_space ? 3 : 0;
}

// Whether no white space lies on either side of the line end. GPT-2 cuts a run of white space in
// two before a letter, but not at the end of a text; GPT-4o takes a '/' after a line end into the
// piece before it.
bool IsLoneLineEnd(std::string_view text, size_t at) {
  if (text[at + 1] == '/' || SpaceLength(text.substr(at + 1)) > 0) return false;
  for (size_t length = 1; length <= kLongestSpace; ++length) {
    if (SpaceLength(text.substr(at - length, length)) == length) return false;
  }
  return true;
}

}  // namespace

size_t TextPartLength(std::string_view text) {
  for (size_t at = text.size() - kLongestSpace; at > kLongestSpace; --at) {
    if (text[at - 1] == '\n' && IsLoneLineEnd(text, at - 1)) return at;
  }
  for (size_t at = text.size() - kLongestSpace; at > 0; --at) {
    if (text[at] == ' ' && IsAsciiAlphanumeric(text[at - 1]) && IsAsciiAlphanumeric(text[at + 1])) {
      return at;
    }
  }
  for (size_t at = text.size() - 1; at > text.size() - 4; --at) {
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80) return at;
  }
  return text.size();  // no UTF-8
}

}  // namespace cadmus
