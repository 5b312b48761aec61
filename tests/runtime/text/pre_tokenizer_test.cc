// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Pieces(std::string_view pattern, std::string_view text) {
  std::vector<std::string> pieces;
  PreTokenizer(std::string(pattern)).ForEachPiece(text, [&](std::string_view piece) {
    pieces.emplace_back(piece);
  });
  return pieces;
}

std::vector<std::string> Pieces(std::string_view text) { return Pieces(kDefaultPattern, text); }

std::string MessageOf(const std::string& pattern) {
  try {
    PreTokenizer pre_tokenizer(pattern);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kData);
    return error.message();
  }
  return "";
}

TEST(PreTokenizer, CutsEnglishIntoWordsSignsNumbersAndSpaces) {
  EXPECT_THAT(Pieces("We'll see 12345 (or  not)!\n\n  End"),
              ElementsAre("We", "'ll", " see", " ", "123", "45", " (", "or", " ", " not", ")!\n\n",
                          " ", " End"));
}

TEST(PreTokenizer, KnowsLettersAndSpacesOfUnicode) {
  EXPECT_THAT(Pieces("Κάδμος\u00A0カドモス½"), ElementsAre("Κάδμος", "\u00A0カドモス", "½"));
  EXPECT_THAT(Pieces("a\u2003\u3000 b"), ElementsAre("a", "\u2003\u3000", " b"));
  // U+180E was a space in Unicode until 2013.
  EXPECT_THAT(Pieces("!\u180E! \u180E"), ElementsAre("!\u180E!", " \u180E"));
}

TEST(PreTokenizer, Gpt2PatternKeepsNumbersWhole) {
  EXPECT_THAT(Pieces(kGpt2Pattern, "it's 12345 o'clock"),
              ElementsAre("it", "'s", " 12345", " o", "'", "clock"));
}

TEST(PreTokenizer, TextBetweenMatchesIsAPieceOfItsOwn) {
  EXPECT_THAT(Pieces("[0-9]", "ab1c2"), ElementsAre("ab", "1", "c", "2"));
  EXPECT_THAT(Pieces("[0-9]", "abc"), ElementsAre("abc"));
}

TEST(PreTokenizer, EmptyTextHasNoPieces) { EXPECT_THAT(Pieces(""), IsEmpty()); }

TEST(PreTokenizer, InvalidBytesAreOnePieceEach) {
  EXPECT_THAT(Pieces("ab\xFF\xFE"
                     "cd"),
              ElementsAre("ab", "\xFF", "\xFE", "cd"));
  // A character cut short, and a surrogate.
  EXPECT_THAT(Pieces("a\xE2\x82"), ElementsAre("a", "\xE2", "\x82"));
  EXPECT_THAT(Pieces("\xED\xA0\x80"), ElementsAre("\xED", "\xA0", "\x80"));
}

TEST(PreTokenizer, InvalidByteEndsTheTextForLookAhead) {
  EXPECT_THAT(Pieces("  x"), ElementsAre(" ", " x"));
  EXPECT_THAT(Pieces("  \xFFx"), ElementsAre("  ", "\xFF", "x"));
}

TEST(PreTokenizer, NulIsAnOrdinaryCharacter) {
  const std::string text("a\0b", 3);
  EXPECT_THAT(Pieces(text), ElementsAre("a", std::string("\0b", 2)));
}

TEST(PreTokenizer, LongRunsTakeLinearTime) {
  for (const std::string run : {"a", " ", "\n", "1", "!", "é", "\xFF"}) {
    std::string text = "x";
    while (text.size() < (1 << 18)) text += run;
    std::string joined;
    for (const std::string& piece : Pieces(text + "x")) joined += piece;
    EXPECT_EQ(joined, text + "x");
  }
}

TEST(PreTokenizer, InterpretedMatchingGivesTheSamePieces) {
  // As on a system that forbids making code at run time.
  const std::string interpreted = "(*NO_JIT)" + std::string(kDefaultPattern);
  for (const std::string& text :
       {std::string("We'll see 12345 (or  not)!\n\n  Καδμος \xFF x"), std::string(1 << 16, 'a'),
        std::string(1 << 16, ' ') + "x", std::string(1 << 16, '\n')}) {
    EXPECT_EQ(Pieces(interpreted, text), Pieces(text));
  }
}

TEST(PreTokenizer, RefusesAPatternThatDoesNotCompile) {
  EXPECT_THAT(MessageOf("(a"),
              HasSubstr("the pre-tokenizer pattern (a is not a regular expression"));
  EXPECT_THAT(MessageOf("\xFF"), HasSubstr("UTF-8"));
  EXPECT_THAT(MessageOf("a\\"), HasSubstr("\\ at end of pattern"));
}

TEST(PreTokenizer, RefusesAPatternThatMatchesNothingAtAll) {
  EXPECT_THAT(MessageOf("a*"), HasSubstr("can match the empty text"));
  EXPECT_THAT(MessageOf(""), HasSubstr("can match the empty text"));
}

TEST(PreTokenizer, NamesAPatternThatBacktracksWithoutEnd) {
  try {
    Pieces("(a|aa)+$", std::string(64, 'a') + "b");
    FAIL() << "matched";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kData);
    EXPECT_THAT(error.message(), HasSubstr("use a pattern that backtracks less"));
  }
}

}  // namespace
}  // namespace cadmus
