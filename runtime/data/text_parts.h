// SPDX-License-Identifier: Apache-2.0
// Where a long text is cut, so that its parts can be encoded one by one: in bounded memory, and by
// several threads. What is cut where depends on the text alone.
#pragma once

#include <cstddef>
#include <string_view>

namespace cadmus {

// Texts of fewer bytes are one part.
inline constexpr size_t kTextPartBytes = size_t{1} << 20;

// The length of the first part of a text that begins with the kTextPartBytes bytes of `text`. The
// cut is, as far back as needed, after a line end without white space on either side; if there is
// none, before a single space between letters or digits; else at the last whole UTF-8 character. In
// the patterns of GPT-2, GPT-4, GPT-4o, Llama 3 and Qwen, every cut of the first two kinds lies
// between two pieces, so that the parts encode to the same tokens as the whole.
size_t TextPartLength(std::string_view text);

// Calls visit(part, is_last) for the parts of `text` in order. The last may be empty.
template <class Visit>
void ForEachTextPart(std::string_view text, Visit&& visit) {
  while (text.size() >= kTextPartBytes) {
    const size_t length = TextPartLength(text.substr(0, kTextPartBytes));
    visit(text.substr(0, length), false);
    text.remove_prefix(length);
  }
  visit(text, true);
}

}  // namespace cadmus
