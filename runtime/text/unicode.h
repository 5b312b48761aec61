// SPDX-License-Identifier: Apache-2.0
// What Unicode's tables say (utf8proc's; no other file knows that library): the normal form NFC and
// which characters make words.
#pragma once

#include <string>
#include <string_view>

namespace cadmus {

// The canonical composition of `text` (Unicode standard annex 15), which is `text` itself where
// nothing changes, else lies in `buffer`. Each maximal run of valid UTF-8 is normalised by itself;
// bytes outside stay as they are.
std::string_view ToNfc(std::string_view text, std::string& buffer);

// Letters, marks, numbers and connecting punctuation: \w of regular expressions.
bool IsWordCharacter(char32_t character);

}  // namespace cadmus
