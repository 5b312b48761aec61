// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/text_parts.h"

#include <gtest/gtest.h>

#include "runtime/text/pre_tokenizer.h"
#include "tests/runtime/data/token_files.h"

namespace cadmus {
namespace {

using ::testing::ElementsAre;

// A whole part that ends with `end`.
std::string Ending(std::string_view end) {
  return std::string(kTextPartBytes - end.size(), 'x') + std::string(end);
}

size_t CutOf(std::string_view end) { return kTextPartBytes - TextPartLength(Ending(end)); }

TEST(TextParts, CutsAfterALineEndBetweenNoSpaces) {
  EXPECT_EQ(CutOf("one\ntwo words"), std::string_view("two words").size());
  EXPECT_EQ(CutOf("one\ntwo\n  indented"), std::string_view("two\n  indented").size());
  EXPECT_EQ(CutOf("one\ntwo\n\xe3\x80\x80ideographic"),
            std::string_view("two\n\xe3\x80\x80ideographic").size());
  EXPECT_EQ(CutOf("one\ntwo\n\nthree"), std::string_view("two\n\nthree").size());
  EXPECT_EQ(CutOf("one\ntwo\xe3\x80\x80\nthree"),
            std::string_view("two\xe3\x80\x80\nthree").size());
  EXPECT_EQ(CutOf("one\ntwo\xe3\x80\x82\nthree"), std::string_view("three").size());
  EXPECT_EQ(CutOf("one\ntwo\n/usr of GPT-4o"), std::string_view("two\n/usr of GPT-4o").size());
}

TEST(TextParts, CutsAtASpaceOrACharacterWhereThereAreNoLines) {
  EXPECT_EQ(CutOf("one two,  three"), std::string_view(" two,  three").size());
  EXPECT_EQ(CutOf("\u20ac"), 3u);
  EXPECT_EQ(CutOf("\xe2\x82"), 2u);
  EXPECT_EQ(CutOf("\x82\x82\x82\x82"), 0u) << "no UTF-8";
}

TEST(TextParts, ShortTextsAreOnePart) {
  const std::string text(kTextPartBytes - 1, '\n');
  std::vector<size_t> lengths;
  ForEachTextPart(text, [&](std::string_view part, bool) { lengths.push_back(part.size()); });
  EXPECT_THAT(lengths, ElementsAre(text.size()));
}

// What the header promises: no piece of these patterns lies across a cut.
TEST(TextParts, CutsLieBetweenPieces) {
  constexpr std::string_view kSnippets[] = {"Words and words,",
                                            "\n",
                                            "\n\n",
                                            "\r\n",
                                            "  ",
                                            " ",
                                            "...",
                                            "/",
                                            "don't",
                                            "12345",
                                            "\u00e9t\u00e9",
                                            "\u4e2d\u6587\u3002",
                                            "\u3000",
                                            "\t",
                                            "!\n",
                                            "?\n/",
                                            "\u2028",
                                            "x = y;\n",
                                            "\U0001F600",
                                            "'ll"};
  std::string text;
  uint32_t state = 1;
  while (text.size() < 2 * kTextPartBytes) {
    state = state * 1664525 + 1013904223;
    text += kSnippets[(state >> 16) % std::size(kSnippets)];
  }
  for (const std::string_view pattern : {kDefaultPattern, kGpt2Pattern}) {
    const PreTokenizer pre_tokenizer{std::string(pattern)};
    std::vector<std::string_view> whole, parts;
    pre_tokenizer.ForEachPiece(text, [&](std::string_view piece) { whole.push_back(piece); });
    ForEachTextPart(text, [&](std::string_view part, bool) {
      pre_tokenizer.ForEachPiece(part, [&](std::string_view piece) { parts.push_back(piece); });
    });
    EXPECT_TRUE(whole == parts) << pattern;
  }
}

}  // namespace
}  // namespace cadmus
