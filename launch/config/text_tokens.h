// SPDX-License-Identifier: Apache-2.0
// The tokens of a textproto with their places, as the parser of Protobuf sees them.
#pragma once

#include <compare>
#include <string>
#include <vector>

namespace cadmus {

// From 0; people read 1 more of each. Columns count bytes, a tab reaching to the next multiple
// of 8.
struct TextPlace {
  int line = 0;
  int column = 0;

  friend auto operator<=>(const TextPlace&, const TextPlace&) = default;
};

enum class TokenKind { kIdentifier, kString, kOther, kEnd };

struct TextToken {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // as written, quotes included
  TextPlace place;
};

// All tokens without comments; the last is the only one of kEnd. What cannot be read is skipped:
// parsing reports it.
std::vector<TextToken> TokensOf(const std::string& text);

// The content of a kString token: without quotes, escapes resolved.
std::string StringContent(const TextToken& token);

}  // namespace cadmus
