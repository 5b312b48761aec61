// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/byte_alphabet.h"

#include <gtest/gtest.h>

#include "runtime/text/utf8.h"

namespace cadmus {
namespace {

std::string AllBytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

TEST(ByteAlphabet, SpellsEveryByteAndReadsItBack) {
  const std::string spelling = SpellBytes(AllBytes());
  EXPECT_TRUE(IsValidUtf8(spelling));
  EXPECT_EQ(BytesOfSpelling(spelling), AllBytes());
  EXPECT_EQ(spelling.find(' '), std::string::npos);
}

TEST(ByteAlphabet, SpellsAsGpt2Does) {
  EXPECT_EQ(SpellBytes(" the\n"), "\u0120the\u010A");
  EXPECT_EQ(SpellBytes(std::string_view("\0", 1)), "\u0100");
  EXPECT_EQ(SpellBytes("\x7F"), "\u0121");
  EXPECT_EQ(SpellBytes("\xAD"), "\u0143");
  EXPECT_EQ(SpellBytes("\xFF"), "\u00FF");
}

TEST(ByteAlphabet, RefusesCharactersOutsideIt) {
  for (const std::string_view text :
       {" ", "\n", "a b", "\u00A0", "\u00AD", "\u0144", "\u20AC", "\xFF", "\xC4", "\xC4\x41"}) {
    EXPECT_EQ(BytesOfSpelling(text), std::nullopt) << testing::PrintToString(text);
  }
  EXPECT_EQ(BytesOfSpelling(""), "");
}

}  // namespace
}  // namespace cadmus
