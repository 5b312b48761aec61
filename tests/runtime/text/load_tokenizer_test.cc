// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/load_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace cadmus {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::filesystem::path kGolden = CADMUS_GOLDEN_FOLDER;

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    uint8_t byte = 0;
    std::from_chars(&hex[i], &hex[i] + 2, byte, 16);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

// Calls `check` with each line of ids.txt.
int ForEachGoldenLine(const std::filesystem::path& folder,
                      const std::function<void(const std::string& how, const std::string& text,
                                               const std::vector<int32_t>& ids)>& check) {
  std::istringstream lines(ReadFile(folder / "ids.txt", Kind::kData));
  int num_lines = 0;
  for (std::string line; std::getline(lines, line); ++num_lines) {
    std::istringstream words(line);
    std::string how, hex;
    words >> how >> hex;
    check(how, FromHex(hex), std::vector<int32_t>(std::istream_iterator<int32_t>(words), {}));
  }
  return num_lines;
}

EncodeOptions OptionsOf(const std::string& how) {
  return {.parse_added_tokens = how == "parse_added_tokens",
          .add_special_tokens = how == "add_special_tokens"};
}

class LoadTokenizerFile : public testing::Test {
 protected:
  LoadTokenizerFile() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(testing::TempDir()) / StrCat("load_tokenizer.", test->name());
    std::filesystem::remove_all(path_);
  }
  ~LoadTokenizerFile() override { std::filesystem::remove_all(path_); }

  std::string MessageOf(std::string_view content) const {
    ReplaceFile(path_, content, Kind::kData);
    try {
      LoadTokenizer(path_);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kData);
      EXPECT_THAT(error.message(), StartsWith(path_.string() + ":"));
      return error.message();
    }
    return "accepted";
  }

  std::filesystem::path path_;
};

class HuggingFaceVariant : public testing::TestWithParam<const char*> {};

TEST_P(HuggingFaceVariant, GivesTheIdsOfTheirLibraryAndTheBytesBack) {
  const std::filesystem::path folder = kGolden / GetParam();
  const auto tokenizer = LoadTokenizer(folder);
  const bool normalizes = std::string(GetParam()) == "qwen";
  const int num_lines = ForEachGoldenLine(
      folder, [&](const std::string& how, const std::string& text, const auto& ids) {
        EXPECT_EQ(tokenizer->Encode(text, OptionsOf(how)), ids) << how << ": " << text;
        if (how == "plain" && !normalizes) {
          EXPECT_EQ(tokenizer->Decode(ids), text);
        }
      });
  EXPECT_EQ(num_lines, 69);
}

INSTANTIATE_TEST_SUITE_P(LoadTokenizer, HuggingFaceVariant,
                         testing::Values("qwen", "llama3", "deepseek"),
                         [](const auto& test) { return std::string(test.param); });

class SentencePieceModel : public testing::TestWithParam<const char*> {};

TEST_P(SentencePieceModel, GivesTheIdsOfTheLibrary) {
  const std::filesystem::path folder = kGolden / "sentencepiece" / GetParam();
  const auto tokenizer = LoadTokenizer(folder / "tokenizer.model");
  const int num_lines = ForEachGoldenLine(
      folder, [&](const std::string& how, const std::string& text, const auto& ids) {
        EXPECT_EQ(tokenizer->Encode(text, OptionsOf(how)), ids) << how << ": " << text;
      });
  EXPECT_EQ(num_lines, 36);
  EXPECT_EQ(tokenizer->SpecialId("<s>"), 1);
  EXPECT_EQ(tokenizer->SpecialId("the"), std::nullopt);
  EXPECT_EQ(tokenizer->end_of_text(), 2);
  EXPECT_EQ(tokenizer->content_hash().size(), 32u);
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode("the letters of the dragon")),
            "the letters of the dragon");
}

TEST_P(SentencePieceModel, CountsTheBytesOfTextAndNoneOfSpecialTokens) {
  const auto tokenizer = LoadTokenizer(kGolden / "sentencepiece" / GetParam());
  const std::string text = "the letters of the dragon";
  int32_t bytes = 0;
  for (int32_t id : tokenizer->Encode(text)) bytes += tokenizer->TextBytes(id);
  EXPECT_EQ(bytes, static_cast<int32_t>(text.size()) + 1);  // a blank stands before each word
  EXPECT_EQ(tokenizer->TextBytes(1), 0);
  EXPECT_EQ(tokenizer->TextBytes(2), 0);
  EXPECT_THROW(tokenizer->TextBytes(tokenizer->vocab_size()), Error);
}

TEST_P(SentencePieceModel, RefusesWhatItCannotDo) {
  const auto tokenizer = LoadTokenizer(kGolden / "sentencepiece" / GetParam());
  EXPECT_THROW(tokenizer->Encode("a", {.parse_added_tokens = true}), Error);
  EXPECT_THROW(tokenizer->Decode(std::vector<int32_t>{tokenizer->vocab_size()}), Error);
  EXPECT_THROW(tokenizer->Decode(std::vector<int32_t>{-1}), Error);
}

INSTANTIATE_TEST_SUITE_P(LoadTokenizer, SentencePieceModel, testing::Values("bpe", "unigram"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(LoadTokenizerFile, WhatIsNoTokenizerIsNamed) {
  for (const std::string& text :
       {std::string(), std::string("\n\n"), std::string("hello"), std::string("<html>"),
        std::string("\x7F"
                    "ELF"),
        std::string(100, '\0')}) {
    EXPECT_THAT(MessageOf(text), HasSubstr("neither a tokenizer.json (JSON) nor a SentencePiece"));
  }
  EXPECT_THAT(MessageOf("{\"version\": "), HasSubstr("not valid JSON"));
  EXPECT_THAT(MessageOf("IQ== 0\nIg= 1\n"), HasSubstr(":2: this is not a token in base64"));
}

TEST_F(LoadTokenizerFile, FoldersAndMissingFilesAreNamed) {
  EXPECT_THROW(LoadTokenizer(path_), Error);
  std::filesystem::create_directories(path_);
  try {
    LoadTokenizer(path_);
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("no tokenizer.json and no tokenizer.model"));
  }
}

TEST_F(LoadTokenizerFile, ABrokenSentencePieceModelIsNamed) {
  const std::string model =
      ReadFile(kGolden / "sentencepiece" / "bpe" / "tokenizer.model", Kind::kData);
  EXPECT_THAT(MessageOf(model.substr(0, model.size() / 2)), HasSubstr("not a SentencePiece model"));
  EXPECT_THAT(MessageOf(std::string("\x0A\x03\x0A\xFF", 4) + std::string(5000, '\xFF')),
              HasSubstr("not a SentencePiece model"));
}

TEST_F(LoadTokenizerFile, JunkOf100MegabytesIsRefusedAtOnce) {
  std::string junk(100'000'000, 'x');
  EXPECT_THAT(MessageOf(junk), HasSubstr("neither a tokenizer.json"));
  junk[0] = '{';
  EXPECT_THAT(MessageOf(junk), HasSubstr("not valid JSON"));
  ReplaceFile(path_, "{}", Kind::kData);
  std::filesystem::resize_file(path_, uintmax_t{10} << 30);  // sparse
  try {
    LoadTokenizer(path_);
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("10737418240 bytes are too many for a tokenizer"));
  }
}

}  // namespace
}  // namespace cadmus
