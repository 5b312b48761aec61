// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/byte_alphabet.h"

#include <array>
#include <cstdint>

namespace cadmus {
namespace {

constexpr bool StandsForItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr int kNumCharacters = 0x100 + 68;  // 68 bytes do not stand for themselves

struct Alphabet {
  std::array<int, 256> character = {};
  std::array<int, kNumCharacters> byte = {};  // -1 outside the alphabet
};

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet;
  alphabet.byte.fill(-1);
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    alphabet.character[byte] = StandsForItself(byte) ? byte : next++;
    alphabet.byte[alphabet.character[byte]] = byte;
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

}  // namespace

std::string SpellBytes(std::string_view bytes) {
  std::string spelling;
  for (const char c : bytes) {
    const int character = kAlphabet.character[static_cast<uint8_t>(c)];
    if (character < 0x80) {
      spelling.push_back(static_cast<char>(character));
    } else {
      spelling.push_back(static_cast<char>(0xC0 | character >> 6));
      spelling.push_back(static_cast<char>(0x80 | (character & 0x3F)));
    }
  }
  return spelling;
}

std::optional<std::string> BytesOfSpelling(std::string_view spelling) {
  std::string bytes;
  for (size_t at = 0; at < spelling.size(); ++at) {
    int character = static_cast<uint8_t>(spelling[at]);
    if (character >= 0x80) {
      // Every character of the alphabet takes at most two bytes.
      if (character < 0xC2 || character > 0xDF || ++at == spelling.size()) return std::nullopt;
      const int second = static_cast<uint8_t>(spelling[at]);
      if ((second & 0xC0) != 0x80) return std::nullopt;
      character = (character & 0x1F) << 6 | (second & 0x3F);
    }
    if (character >= kNumCharacters || kAlphabet.byte[character] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte[character]));
  }
  return bytes;
}

}  // namespace cadmus
