// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace cadmus {
namespace {

TEST(Utf8, FirstAndLastCharacterOfEachLengthAreValid) {
  for (const std::string_view text :
       {std::string_view("\0", 1), std::string_view("\x7F"), std::string_view("\xC2\x80"),
        std::string_view("\xDF\xBF"), std::string_view("\xE0\xA0\x80"),
        std::string_view("\xED\x9F\xBF"), std::string_view("\xEE\x80\x80"),
        std::string_view("\xEF\xBF\xBF"), std::string_view("\xF0\x90\x80\x80"),
        std::string_view("\xF4\x8F\xBF\xBF")}) {
    EXPECT_TRUE(IsValidUtf8(text)) << testing::PrintToString(text);
  }
  EXPECT_TRUE(IsValidUtf8(""));
}

TEST(Utf8, OverlongSurrogateTooLargeAndBrokenAreInvalid) {
  for (const std::string_view text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xC2\xC2", "\xE0\x9F\xBF",
        "\xE1\x80", "\xE1\x80\x41", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF",
        "\xF1\x80\x80", "\xF1\x80\x80\xC0", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE",
        "\xFF"}) {
    EXPECT_EQ(ValidUtf8Prefix(text), 0u) << testing::PrintToString(text);
  }
}

TEST(Utf8, PrefixEndsAtTheFirstInvalidByteWhereverItStands) {
  for (size_t before = 0; before < 40; ++before) {
    const std::string valid(before, 'x');
    EXPECT_EQ(ValidUtf8Prefix(valid + "\xFFyyyyyyyyyyyyyyyy"), before);
    EXPECT_EQ(ValidUtf8Prefix(valid + "\xE2\x82\xAC\xE2\x82"), before + 3);
    EXPECT_EQ(ValidUtf8Prefix(valid), before);
  }
}

}  // namespace
}  // namespace cadmus
