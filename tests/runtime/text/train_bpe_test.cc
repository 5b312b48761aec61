// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/train_bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::pair<int32_t, int32_t>> MergesOf(const BpeTokenizer& tokenizer) {
  std::vector<std::pair<int32_t, int32_t>> merges;
  for (const auto& [left, right] : tokenizer.merges()) merges.emplace_back(left, right);
  return merges;
}

std::vector<std::string_view> Repeated(
    std::initializer_list<std::pair<std::string_view, int>> words) {
  std::vector<std::string_view> documents;
  for (const auto& [word, count] : words) documents.insert(documents.end(), count, word);
  return documents;
}

std::string MessageOf(Kind kind, const TrainBpeArgs& args) {
  try {
    TrainBpe(args, std::vector<std::string_view>{"text"});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    return error.message();
  }
  return "";
}

// Words drawn from random letters, so that counts tie often.
std::vector<std::string> RandomDocuments() {
  std::mt19937 random(3);
  std::vector<std::string> documents(13);
  for (std::string& document : documents) {
    for (int i = 0; i < 500; ++i) document.push_back("aabcde  \n\xFF"[random() % 10]);
  }
  return documents;
}

TEST(TrainBpe, MergesInTheOrderComputedByHand) {
  const auto documents = Repeated({{"hug", 10}, {"pug", 5}, {"pun", 12}, {"bun", 4}, {"hugs", 5}});
  const BpeTokenizer tokenizer = TrainBpe({.vocab_size = 256 + 7 + 1}, documents);
  EXPECT_THAT(MergesOf(tokenizer), ElementsAre(std::pair('u', 'g'),  // 256 "ug":   10 + 5 + 5 = 20
                                               std::pair('u', 'n'),  // 257 "un":   12 + 4 = 16
                                               std::pair('h', 256),  // 258 "hug":  10 + 5 = 15
                                               std::pair('p', 257),  // 259 "pun":  12
                                               std::pair('p', 256),  // 260 "pug":  5, and 'p' < 258
                                               std::pair(258, 's'),  // 261 "hugs": 5
                                               std::pair('b', 257)));  // 262 "bun": 4
  EXPECT_EQ(tokenizer.SpecialId("<|endoftext|>"), 263);
  EXPECT_EQ(tokenizer.vocab_size(), 264);
  EXPECT_THAT(tokenizer.Encode("hugs"), ElementsAre(261));
}

TEST(TrainBpe, OverlappingPairsOfARunCountEach) {
  // "aaaa" holds (a, a) three times, more than (x, y) twice; merged, it holds (aa, aa) once.
  const BpeTokenizer tokenizer =
      TrainBpe({.vocab_size = 259}, std::vector<std::string_view>{"aaaa", "xy", "xy"});
  EXPECT_THAT(MergesOf(tokenizer), ElementsAre(std::pair('a', 'a'), std::pair('x', 'y')));
}

TEST(TrainBpe, MatchesCountingAllPairsAnewForEachMerge) {
  const std::vector<std::string> documents = RandomDocuments();
  const BpeTokenizer tokenizer = TrainBpe(
      {.vocab_size = 340}, std::vector<std::string_view>(documents.begin(), documents.end()));

  std::vector<std::vector<int32_t>> pieces;
  for (const std::string& document : documents) {
    PreTokenizer(tokenizer.parts().patterns).ForEachPiece(document, [&](std::string_view piece) {
      pieces.emplace_back();
      for (const char c : piece) pieces.back().push_back(static_cast<uint8_t>(c));
    });
  }
  int32_t next = 256;
  for (const auto& [left, right] : tokenizer.merges()) {
    std::map<std::pair<int32_t, int32_t>, int> counts;
    for (const auto& piece : pieces) {
      for (size_t i = 0; i + 1 < piece.size(); ++i) ++counts[{piece[i], piece[i + 1]}];
    }
    auto best = counts.begin();
    for (auto pair = counts.begin(); pair != counts.end(); ++pair) {
      if (pair->second > best->second) best = pair;
    }
    ASSERT_EQ(best->first, std::pair(left, right)) << "merge " << next;
    for (auto& piece : pieces) {
      size_t size = 0;
      for (size_t i = 0; i < piece.size(); ++i) {
        const bool merges = i + 1 < piece.size() && piece[i] == left && piece[i + 1] == right;
        piece[size++] = merges ? next : piece[i];
        if (merges) ++i;
      }
      piece.resize(size);
    }
    ++next;
  }
  EXPECT_EQ(next, 339);
}

TEST(TrainBpe, ResultDoesNotDependOnThreadsOrDocumentOrder) {
  std::vector<std::string> documents = RandomDocuments();
  const auto hash = [&](int num_threads) {
    return TrainBpe({.vocab_size = 350, .num_threads = num_threads},
                    std::vector<std::string_view>(documents.begin(), documents.end()))
        .content_hash();
  };
  const std::string one = hash(1);
  EXPECT_EQ(hash(2), one);
  EXPECT_EQ(hash(3), one);
  EXPECT_EQ(hash(64), one);
  std::reverse(documents.begin(), documents.end());
  EXPECT_EQ(hash(2), one);
}

TEST(TrainBpe, EncodingItsOwnTextUsesWhatItLearned) {
  const std::string_view text = "sow the teeth of the dragon, sow the teeth";
  const BpeTokenizer tokenizer =
      TrainBpe({.vocab_size = 270}, std::vector<std::string_view>{text, text});
  EXPECT_LT(tokenizer.Encode(text).size(), text.size() / 2);
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(text)), text);
}

TEST(TrainBpe, StopsEarlyAndSaysSoWhenNoPairOccursTwice) {
  testing::internal::CaptureStderr();
  const BpeTokenizer tokenizer =
      TrainBpe({.vocab_size = 1000}, std::vector<std::string_view>{"abc", "abc", "xyz"});
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("the text yields only 259 tokens, not 1000"));
  EXPECT_EQ(tokenizer.vocab_size(), 259);  // 256 bytes, "ab", "abc", <|endoftext|>
  EXPECT_EQ(tokenizer.end_of_text(), 258);
}

TEST(TrainBpe, NoTextGivesBytesAndSpecialTokensOnly) {
  const BpeTokenizer tokenizer = TrainBpe({.vocab_size = 257}, std::vector<std::string_view>{});
  EXPECT_EQ(tokenizer.vocab_size(), 257);
  EXPECT_THAT(tokenizer.merges(), IsEmpty());
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode("any\xFF")), "any\xFF");
}

TEST(TrainBpe, NeverLearnsTheSpellingOfASpecialToken) {
  const BpeTokenizer tokenizer = TrainBpe({.vocab_size = 262, .special_tokens = {"end", "</s>"}},
                                          Repeated({{"end", 9}, {"ended", 5}}));
  for (int32_t id = 0; id < 260; ++id) EXPECT_NE(tokenizer.TokenBytes(id), "end");
  EXPECT_EQ(tokenizer.SpecialId("end"), 260);
  EXPECT_EQ(tokenizer.SpecialId("</s>"), 261);
}

TEST(TrainBpe, RefusesAVocabularyTooSmallForTheBytes) {
  EXPECT_THAT(MessageOf(Kind::kConfig, {.vocab_size = 256}), HasSubstr("use at least 257"));
  EXPECT_THAT(MessageOf(Kind::kConfig, {.vocab_size = -5}), HasSubstr("vocab_size = -5"));
}

TEST(TrainBpe, RefusesBadSpecialTokens) {
  const auto message = [](std::vector<std::string> names) {
    return MessageOf(Kind::kConfig, {.vocab_size = 300, .special_tokens = std::move(names)});
  };
  EXPECT_THAT(message({"<s>", "<s>"}), HasSubstr("\"<s>\" is given twice"));
  EXPECT_THAT(message({"a"}), HasSubstr("\"a\" is spelled like a byte"));
  EXPECT_THAT(message({""}), HasSubstr("is empty or not UTF-8"));
  EXPECT_THAT(message({"\xC3"}), HasSubstr("is empty or not UTF-8"));
}

TEST(TrainBpe, RefusesABadPattern) {
  EXPECT_THAT(MessageOf(Kind::kData, {.vocab_size = 300, .pattern = "("}),
              HasSubstr("the pre-tokenizer pattern ("));
}

TEST(TrainBpe, ErrorsOfTheDocumentSourceReachTheCaller) {
  int calls = 0;
  const auto source = [&]() -> std::optional<std::string> {
    if (++calls == 5) throw Error(Kind::kData, "corpus.txt: gone");
    return "text";
  };
  EXPECT_THROW(TrainBpe({.vocab_size = 300, .num_threads = 3}, source), Error);
  EXPECT_EQ(calls, 5);
}

TEST(TrainBpe, DocumentSourceIsNotAskedAgainAfterItsEnd) {
  int calls = 0;
  const auto source = [&]() -> std::optional<std::string> {
    if (++calls > 3) return std::nullopt;
    return "text text text";
  };
  TrainBpe({.vocab_size = 258, .num_threads = 3}, source);
  EXPECT_EQ(calls, 4);
}

}  // namespace
}  // namespace cadmus
