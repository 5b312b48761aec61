// SPDX-License-Identifier: Apache-2.0
// StrCat: joins strings and numbers into one string, for messages.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace cadmus {

inline void AppendPiece(std::string& out, std::string_view piece) { out.append(piece); }
template <std::same_as<bool> Bool>
void AppendPiece(std::string& out, Bool piece) {
  out.append(piece ? "true" : "false");
}
inline void AppendPiece(std::string& out, char piece) { out.push_back(piece); }

template <class Number>
requires((std::integral<Number> || std::floating_point<Number>)&&!std::same_as<Number, bool> &&
         !std::same_as<Number, char>) void AppendPiece(std::string& out, Number piece) {
  char buffer[64];
  auto [end, code] = std::to_chars(buffer, buffer + sizeof(buffer), piece);
  (void)code;  // 64 characters hold every number in shortest form
  out.append(buffer, end);
}

template <class... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (AppendPiece(out, pieces), ...);
  return out;
}

}  // namespace cadmus
