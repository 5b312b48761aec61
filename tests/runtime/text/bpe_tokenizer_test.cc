// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/bpe_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "runtime/text/train_bpe.h"

namespace cadmus {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Lt;

// 256 bytes, "ab", "abc", "bc", and two added tokens: 0 to 260.
BpeParts SmallParts() {
  BpeParts parts;
  for (int byte = 0; byte < 256; ++byte) parts.tokens.emplace_back(1, static_cast<char>(byte));
  parts.tokens.insert(parts.tokens.end(), {"ab", "abc", "bc", "<|endoftext|>", "<think>"});
  parts.merges = {{'b', 'c'}, {'a', 'b'}, {256, 'c'}};
  parts.added_tokens = {{.id = 259}, {.id = 260, .special = false}};
  return parts;
}

std::string MessageOf(BpeParts parts) {
  try {
    BpeTokenizer tokenizer(std::move(parts));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kData);
    return error.message();
  }
  return "";
}

BpeTokenizer TrainedTokenizer() {
  const std::string_view text =
      "The dragon's teeth were sown, and armed men rose from the furrows. "
      "They'd fight until five were left: 1, 2, 3, 4, 5.\n\n\tThe five built the city. "
      "Κάδμος Κάδμος καὶ Κάδμος. 日本語 日本語 日本語. \U0001F600\U0001F600 \U0001F600\n";
  return TrainBpe({.vocab_size = 330}, std::vector<std::string_view>{text, text});
}

TEST(BpeTokenizer, AppliesMergesInTheirOrderNotGreedily) {
  const BpeTokenizer tokenizer(SmallParts());
  // "bc" stands before "ab", so "abc" is never made of "ab" and "c".
  EXPECT_THAT(tokenizer.Encode("abc"), ElementsAre('a', 258));
  EXPECT_THAT(tokenizer.Encode("abab"), ElementsAre(256, 256));
  EXPECT_THAT(tokenizer.Encode("abcb"), ElementsAre('a', 258, 'b'));
  EXPECT_THAT(tokenizer.Encode("ab"), ElementsAre(256));
  EXPECT_THAT(tokenizer.Encode("b"), ElementsAre('b'));
}

TEST(BpeTokenizer, MergesRunsFromTheLeft) {
  BpeParts parts = SmallParts();
  parts.tokens.push_back("aa");
  parts.merges = {{'a', 'a'}};
  const BpeTokenizer tokenizer(parts);
  EXPECT_THAT(tokenizer.Encode("aaa"), ElementsAre(261, 'a'));
}

TEST(BpeTokenizer, AppendingFormKeepsWhatIsThere) {
  const BpeTokenizer tokenizer(SmallParts());
  std::vector<int32_t> ids = {7};
  tokenizer.Encode("ab", ids);
  EXPECT_THAT(ids, ElementsAre(7, 256));
}

TEST(BpeTokenizer, CountsTheBytesOfTextAndNoneOfSpecialTokens) {
  const BpeTokenizer tokenizer(SmallParts());
  EXPECT_EQ(tokenizer.TextBytes(0xC3), 1);  // half a letter
  EXPECT_EQ(tokenizer.TextBytes(257), 3);
  EXPECT_EQ(tokenizer.TextBytes(259), 0);
  EXPECT_EQ(tokenizer.TextBytes(260), 7);  // added, but text
  EXPECT_EQ(tokenizer.TextBytesOfAll().size(), 261u);
  EXPECT_THROW(tokenizer.TextBytes(261), Error);
}

TEST(BpeTokenizer, EmptyTextIsNoTokens) {
  const BpeTokenizer tokenizer(SmallParts());
  EXPECT_THAT(tokenizer.Encode(""), IsEmpty());
  EXPECT_EQ(tokenizer.Decode({}), "");
}

TEST(BpeTokenizer, RandomBytesRoundTrip) {
  const BpeTokenizer tokenizer = TrainedTokenizer();
  std::mt19937 random(1);
  for (size_t size = 0; size < 300; ++size) {
    std::string text;
    for (size_t i = 0; i < size; ++i) text.push_back(static_cast<char>(random()));
    EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(text)), text);
  }
}

TEST(BpeTokenizer, EveryPairOfBytesRoundTrips) {
  const BpeTokenizer tokenizer = TrainedTokenizer();
  for (int pair = 0; pair < 65536; ++pair) {
    const std::string text = {static_cast<char>(pair >> 8), static_cast<char>(pair)};
    ASSERT_EQ(tokenizer.Decode(tokenizer.Encode(text)), text) << pair;
  }
}

TEST(BpeTokenizer, TextCutAtAnyByteRoundTrips) {
  const BpeTokenizer tokenizer = TrainedTokenizer();
  const std::string text("\0\x7F\u0080\u07FF\u0800\uD7FF\uE000\uFFFF\U00010000\U0010FFFF \n", 26);
  for (size_t begin = 0; begin <= text.size(); ++begin) {
    for (size_t end = begin; end <= text.size(); ++end) {
      const std::string part = text.substr(begin, end - begin);
      EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(part)), part) << begin << " " << end;
    }
  }
}

TEST(BpeTokenizer, RandomTextOfMixedValidityRoundTrips) {
  const BpeTokenizer tokenizer = TrainedTokenizer();
  const std::vector<std::string> parts = {"The",      " dragon", "'s",
                                          "Κάδμος",   "日",      "\U0001F600",
                                          "\xF0\x9F", "\xFF",    std::string(1, '\0'),
                                          " ",        "\r\n"};
  std::mt19937 random(2);
  std::string text;
  for (int i = 0; i < 20000; ++i) text += parts[random() % parts.size()];
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(text)), text);
}

TEST(BpeTokenizer, LongRunOfOneLetterIsNotQuadratic) {
  const std::string run(1 << 18, 'a');
  const BpeTokenizer tokenizer =
      TrainBpe({.vocab_size = 270}, std::vector<std::string_view>{run, "ab ab"});
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(run + "b")), run + "b");
}

TEST(BpeTokenizer, TextNeverGivesAddedTokens) {
  const BpeTokenizer tokenizer(SmallParts());
  const std::string text = "<|endoftext|><think> <|endoftext|>";
  EXPECT_THAT(tokenizer.Encode(text), Each(Lt(259)));
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(text)), text);
}

TEST(BpeTokenizer, AddedTokensHaveNamesIdsAndBytes) {
  const BpeTokenizer tokenizer(SmallParts());
  EXPECT_EQ(tokenizer.vocab_size(), 261);
  EXPECT_EQ(tokenizer.SpecialId("<|endoftext|>"), 259);
  EXPECT_EQ(tokenizer.SpecialId("<think>"), 260);
  EXPECT_EQ(tokenizer.SpecialId("ab"), std::nullopt);
  EXPECT_EQ(tokenizer.end_of_text(), 259);
  EXPECT_EQ(tokenizer.TokenBytes(257), "abc");
  EXPECT_EQ(tokenizer.Decode(std::vector<int32_t>{256, 259, 'c'}), "ab<|endoftext|>c");
}

TEST(BpeTokenizer, WithoutANameForItThereIsNoEndOfText) {
  BpeParts parts = SmallParts();
  parts.tokens[259] = "<s>";
  EXPECT_EQ(BpeTokenizer(parts).end_of_text(), std::nullopt);
  parts.tokens[260] = "</s>";
  EXPECT_EQ(BpeTokenizer(parts).end_of_text(), 260);
}

TEST(BpeTokenizer, SurvivesBeingMoved) {
  BpeTokenizer first(SmallParts());
  BpeTokenizer second = std::move(first);
  EXPECT_THAT(second.Encode("ab<think>"), ElementsAre(256, '<', 't', 'h', 'i', 'n', 'k', '>'));
  EXPECT_EQ(second.SpecialId("<think>"), 260);
}

TEST(BpeTokenizer, IdOutsideTheVocabularyIsNamed) {
  const BpeTokenizer tokenizer(SmallParts());
  for (const int32_t id : {-1, 261}) {
    try {
      tokenizer.Decode(std::vector<int32_t>{'a', id});
      FAIL() << id;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kData);
      EXPECT_THAT(error.message(), HasSubstr(StrCat("token id ", id, " is outside")));
    }
  }
}

TEST(BpeTokenizer, HashChangesWithEveryPart) {
  const std::string hash = BpeTokenizer(SmallParts()).content_hash();
  EXPECT_EQ(hash.size(), 32u);
  EXPECT_EQ(BpeTokenizer(SmallParts()).content_hash(), hash);
  const std::vector<std::function<void(BpeParts&)>> changes = {
      [](BpeParts& parts) { parts.patterns = {std::string(kGpt2Pattern)}; },
      [](BpeParts& parts) { std::swap(parts.tokens[0], parts.tokens[1]); },
      [](BpeParts& parts) { parts.tokens[260] = "<thought>"; },
      [](BpeParts& parts) { std::swap(parts.merges[0], parts.merges[1]); },
      [](BpeParts& parts) { parts.added_tokens[1].special = true; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    BpeParts parts = SmallParts();
    changes[i](parts);
    EXPECT_NE(BpeTokenizer(parts).content_hash(), hash) << i;
  }
}

TEST(BpeTokenizer, RefusesAVocabularyThatIsNotOne) {
  BpeParts parts = SmallParts();
  parts.tokens['x'] = "xx";
  EXPECT_THAT(MessageOf(parts), HasSubstr("the byte 120 (spelled \"x\") is not in the vocabulary"));

  parts = SmallParts();
  parts.tokens[257] = "ab";
  EXPECT_THAT(MessageOf(parts), HasSubstr("the tokens 256 and 257 are both \"ab\""));

  parts = SmallParts();
  parts.tokens[257] = "";
  EXPECT_THAT(MessageOf(parts), HasSubstr("token 257 is empty"));

  parts = SmallParts();
  parts.merges.push_back({'x', 'y'});
  EXPECT_THAT(MessageOf(parts), HasSubstr("merge 3 gives \"xy\", which is not in the vocabulary"));

  parts = SmallParts();
  parts.merges.push_back({'a', 'b'});
  EXPECT_THAT(MessageOf(parts), HasSubstr("merge 3 of the tokens 97 and 98 is listed before"));

  parts = SmallParts();
  parts.merges.push_back({'a', 261});
  EXPECT_THAT(MessageOf(parts), HasSubstr("token id 261 is outside"));
}

TEST(BpeTokenizer, RefusesBadNamesOfAddedTokens) {
  BpeParts parts = SmallParts();
  parts.tokens[260] = "<|endoftext|>";
  EXPECT_THAT(MessageOf(parts), HasSubstr("two added tokens are named \"<|endoftext|>\""));
  parts.tokens[260] = "ab";
  EXPECT_THAT(MessageOf(parts), HasSubstr("the added token \"ab\" is spelled like the token 256"));
  parts.tokens[260] = "";
  EXPECT_THAT(MessageOf(parts), HasSubstr("empty or not UTF-8"));
  parts.tokens[260] = "\xFF";
  EXPECT_THAT(MessageOf(parts), HasSubstr("empty or not UTF-8"));
}

}  // namespace
}  // namespace cadmus
