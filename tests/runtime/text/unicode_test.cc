// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/unicode.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>
#include <random>
#include <string>

namespace cadmus {
namespace {

std::string Nfc(std::string_view text) {
  std::string buffer;
  return std::string(ToNfc(text, buffer));
}

std::string Utf8(char32_t c) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  return std::string(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

// The library's, on the whole text.
std::string WholeNfc(const std::string& text) {
  auto* raw = reinterpret_cast<const utf8proc_uint8_t*>(text.c_str());
  utf8proc_uint8_t* composed = utf8proc_NFC(raw);
  std::string result(reinterpret_cast<char*>(composed));
  std::free(composed);
  return result;
}

TEST(Nfc, ComposesAndOrders) {
  EXPECT_EQ(Nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(Nfc("\u1E0B\u0323"), "\u1E0D\u0307");
  EXPECT_EQ(Nfc("\u1112\u1161\u11AB"), "\uD55C");
  EXPECT_EQ(Nfc("\uAC00\u11A8"), "\uAC01");
  EXPECT_EQ(Nfc("\u212B"), "\u00C5");
  EXPECT_EQ(Nfc("\u0958"), "\u0915\u093C");
  EXPECT_EQ(Nfc("\u0344"), "\u0308\u0301");
}

TEST(Nfc, TextThatIsInItIsNotCopied) {
  std::string buffer;
  const std::string text = "plain, \u00E9, \u03AC, \u65E5\u672C, \U0001F600 \xFF \xC3";
  EXPECT_EQ(ToNfc(text, buffer).data(), text.data());
}

TEST(Nfc, InvalidBytesStayAndEndTheText) {
  EXPECT_EQ(Nfc("e\xFF\u0301"), "e\xFF\u0301");
  EXPECT_EQ(Nfc("\xFF"
                "e\u0301\xC3"),
            "\xFF\u00E9\xC3");
}

TEST(Nfc, EveryCharacterBetweenOthersIsAsTheLibraryHasIt) {
  for (char32_t c = 1; c < 0x110000; c += c < 0x30000 ? 1 : 0x1001) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = "e" + Utf8(c) + "\u0301o" + Utf8(c) + "\u11A8";
    ASSERT_EQ(Nfc(text), WholeNfc(text)) << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(Nfc, RandomTextIsAsTheLibraryHasIt) {
  const char32_t starts[] = {'a',   0x300,  0x345,  0x370,  0x900,
                             0xE00, 0x1100, 0x1F00, 0xAC00, 0x11080};
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) text += Utf8(starts[random() % 10] + random() % 0x80);
    ASSERT_EQ(Nfc(text), WholeNfc(text));
  }
}

TEST(WordCharacters, AreLettersMarksNumbersAndConnectors) {
  for (const char32_t c :
       {U'a', U'\u00E9', U'\u65E5', U'\u0301', U'5', U'\u0665', U'_', U'\u200D'}) {
    EXPECT_TRUE(IsWordCharacter(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U' ', U'-', U'.', U'\n', U'\u3000', U'\U0001F600', U'\u00BD'}) {
    EXPECT_FALSE(IsWordCharacter(c)) << static_cast<uint32_t>(c);
  }
}

}  // namespace
}  // namespace cadmus
