// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/tiktoken.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runtime/text/tokenizer_json.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = at; i < at + 3; ++i) {
      group = group << 8 | (i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0);
    }
    for (int shift = 18; shift >= 0; shift -= 6) text.push_back(kDigits[group >> shift & 63]);
  }
  if (bytes.size() % 3 == 1) text.replace(text.size() - 2, 2, "==");
  if (bytes.size() % 3 == 2) text.back() = '=';
  return text;
}

// The 256 bytes, "he", "the", "th", and groups of bytes, which no text has, up to `num_ranks`.
std::string Ranks(int num_ranks) {
  std::string text;
  int num_added = 0;
  const auto add = [&](std::string_view bytes) {
    text += StrCat(Base64(bytes), " ", num_added++, "\n");
  };
  for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
  for (const std::string_view token : {"he", "the", "th"}) add(token);
  int group = 0x800000;
  while (num_added < num_ranks) {
    add(std::string{static_cast<char>(group >> 16), static_cast<char>(group >> 8),
                    static_cast<char>(group)});
    ++group;
  }
  return text;
}

class Tiktoken : public testing::Test {
 protected:
  Tiktoken() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(testing::TempDir()) / StrCat("tiktoken.", test->name());
  }
  ~Tiktoken() override { std::filesystem::remove_all(path_); }

  BpeTokenizer Load(std::string_view content) const {
    ReplaceFile(path_, content, Kind::kData);
    return LoadTiktoken(path_);
  }
  std::string MessageOf(std::string_view content) const {
    try {
      Load(content);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kData);
      EXPECT_THAT(error.message(), StartsWith(path_.string() + ":"));
      return error.message();
    }
    return "accepted";
  }

  std::filesystem::path path_;
};

TEST_F(Tiktoken, MergesThePairWhoseTokenIsLowest) {
  const BpeTokenizer tokenizer = Load(Ranks(50256));
  // "he" comes first, so "th" is never made of the letters of "the"; all of a piece that is a token
  // is that token.
  EXPECT_THAT(tokenizer.Encode("the"), ElementsAre(257));
  EXPECT_THAT(tokenizer.Encode("thex"), ElementsAre(257, 'x'));
  EXPECT_THAT(tokenizer.Encode("thx"), ElementsAre(258, 'x'));
  EXPECT_EQ(tokenizer.SpecialId("<|endoftext|>"), 50256);
  EXPECT_EQ(tokenizer.vocab_size(), 50257);
  EXPECT_THAT(tokenizer.parts().patterns, ElementsAre(kGpt2Pattern));
  EXPECT_THAT(tokenizer.Encode("<|endoftext|>", {.parse_added_tokens = true}), ElementsAre(50256));
  EXPECT_GT(tokenizer.Encode("<|endoftext|>").size(), 1u);
}

TEST_F(Tiktoken, KnowsTheSpecialTokensOfEachEncoding) {
  const BpeTokenizer gpt4 = Load(Ranks(100256));
  EXPECT_EQ(gpt4.end_of_text(), 100257);
  EXPECT_EQ(gpt4.SpecialId("<|endofprompt|>"), 100276);
  EXPECT_EQ(gpt4.Decode(std::vector<int32_t>{100256, 'a'}), "a");  // no token has that id
  const BpeTokenizer llama3 = Load(Ranks(128000));
  EXPECT_EQ(llama3.vocab_size(), 128256);
  EXPECT_EQ(llama3.SpecialId("<|eot_id|>"), 128009);
  EXPECT_EQ(llama3.SpecialId("<|reserved_special_token_245|>"), 128255);
  EXPECT_THAT(llama3.Encode("a", {.add_special_tokens = true}), ElementsAre(128000, 'a'));
}

TEST_F(Tiktoken, BadLinesAreNamed) {
  EXPECT_THAT(MessageOf("IQ== 0\n"
                        "I! 1\n"),
              HasSubstr(":2: this is not a token in base64"));
  EXPECT_THAT(MessageOf("IQ==\n"), HasSubstr(":1: this is not a token in base64"));
  EXPECT_THAT(MessageOf("IQ== 0\n\nIg== 1\n"), HasSubstr(":2: this is not a token in base64"));
  EXPECT_THAT(MessageOf("= 0\n"), HasSubstr(":1: this is not a token in base64"));
  EXPECT_THAT(MessageOf("IQ== 0\nIg== x\n"), HasSubstr(":2: the rank is not a number"));
  EXPECT_THAT(MessageOf("IQ== 0\nIg== 1 2\n"), HasSubstr(":2: the rank is not a number"));
  EXPECT_THAT(MessageOf("IQ== 0\nIg== 99999999999999999999999\n"),
              HasSubstr(":2: the rank is not a number"));
  EXPECT_THAT(MessageOf("IQ== 0\nIg== 2\n"), HasSubstr(":2: the rank is 2, not 1"));
  EXPECT_THAT(MessageOf("IQ== 0\nIg== 0\n"), HasSubstr(":2: the rank is 0, not 1"));
  EXPECT_THAT(MessageOf("IQ== 0\nIQ== 1\n"), HasSubstr(":2: this token has the rank 0 already"));
}

TEST_F(Tiktoken, AnUnknownNumberOfRanksIsNamed) {
  EXPECT_THAT(MessageOf(Ranks(1000)), HasSubstr("1000 ranks are not those of a known encoding"));
  EXPECT_THAT(MessageOf(Ranks(1000)), HasSubstr("gpt2 (50256), cl100k_base (100256)"));
}

TEST_F(Tiktoken, IsNotSavedAsATokenizerJson) {
  const BpeTokenizer tokenizer = Load(Ranks(50256));
  EXPECT_THROW(SaveTokenizerJson(tokenizer, path_), Error);
}

}  // namespace
}  // namespace cadmus
