// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/unicode.h"

#include <utf8proc.h>

#include <array>
#include <bitset>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "kernels/base/error.h"
#include "runtime/text/utf8.h"

namespace cadmus {
namespace {

// Nothing from here on decomposes, composes or combines, except what has a combining class.
constexpr char32_t kTableEnd = 0x30000;
// All characters below are in NFC and stay so whatever follows or precedes them.
constexpr char32_t kFirstUnsettled = 0x300;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

int CombiningClass(char32_t c) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

// The characters of text with the same prefix and suffix of NFC around them wherever they stand:
// combining class 0, unchanged by NFC, and not the second half of any composition. Text of these
// alone is in NFC, and text may be normalised in parts that begin with them.
class SettledTable {
 public:
  static const SettledTable& Get() {
    static const SettledTable table;
    return table;
  }

  bool Contains(char32_t c) const { return c < kTableEnd ? settled_[c] : CombiningClass(c) == 0; }

 private:
  SettledTable() {
    std::bitset<kTableEnd> second;
    for (char32_t c = 0; c < kTableEnd; ++c) {
      std::array<utf8proc_int32_t, 8> decomposed;
      int last_class = 0;
      const utf8proc_ssize_t size = utf8proc_decompose_char(
          static_cast<utf8proc_int32_t>(c), decomposed.data(), decomposed.size(),
          static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE), &last_class);
      // One that decomposes to itself stays; others are in NFC if composing restores them.
      const bool whole = size == 1 && decomposed[0] == static_cast<utf8proc_int32_t>(c);
      bool restored = whole;
      if (size > 1) {
        auto parts = decomposed;
        const utf8proc_ssize_t composed = utf8proc_normalize_utf32(
            parts.data(), size, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
        restored = composed == 1 && parts[0] == static_cast<utf8proc_int32_t>(c);
        if (restored) second[decomposed[size - 1]] = true;
      }
      settled_[c] = restored && CombiningClass(c) == 0;
    }
    settled_ &= ~second;
  }

  std::bitset<kTableEnd> settled_;
};

// Bytes of text[at..] up to the first character that may change, less the settled one before it,
// with which it may compose.
size_t SettledPrefix(const SettledTable& table, std::string_view text) {
  size_t previous = 0;
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at]);
    if (lead < 0xCC) {  // below U+0300
      previous = at;
      at += lead < 0x80 ? 1 : 2;
      continue;
    }
    const auto [character, size] = CharacterAt(text, at);
    if (!table.Contains(character)) return previous;
    previous = at;
    at += size;
  }
  return text.size();
}

// Bytes of the part at the start of `text`, whose first character is to be taken, up to the next
// settled character that is followed by another or by the end.
size_t UnsettledPrefix(const SettledTable& table, std::string_view text) {
  size_t at = CharacterAt(text, 0).size;
  while (at < text.size()) {
    const auto [character, size] = CharacterAt(text, at);
    if (character < kFirstUnsettled || table.Contains(character)) break;
    at += size;
  }
  return at;
}

void AppendNfc(std::string_view text, std::string& out) {
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &raw,
                   static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  const std::unique_ptr<utf8proc_uint8_t, Free> result(raw);
  CADMUS_CHECK(size >= 0, StrCat("NFC of ", text.size(), " bytes: ", utf8proc_errmsg(size)));
  out.append(reinterpret_cast<const char*>(raw), static_cast<size_t>(size));
}

}  // namespace

std::string_view ToNfc(std::string_view text, std::string& buffer) {
  const SettledTable& table = SettledTable::Get();
  bool changed = false;
  for (size_t at = 0; at < text.size();) {
    const std::string_view run = text.substr(at, ValidUtf8Prefix(text.substr(at)));
    for (size_t in = 0; in < run.size();) {
      const size_t settled = SettledPrefix(table, run.substr(in));
      if (!changed && settled < run.size() - in) {
        changed = true;
        buffer.assign(text, 0, at + in);
      }
      if (changed) buffer.append(run, in, settled);
      in += settled;
      if (in == run.size()) break;
      const size_t unsettled = UnsettledPrefix(table, run.substr(in));
      AppendNfc(run.substr(in, unsettled), buffer);
      in += unsettled;
    }
    at += run.size();
    if (at < text.size()) {
      if (changed) buffer.push_back(text[at]);
      ++at;
    }
  }
  return changed ? std::string_view(buffer) : text;
}

bool IsWordCharacter(char32_t character) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(character))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return character == 0x200C || character == 0x200D;  // the joiners
  }
}

}  // namespace cadmus
