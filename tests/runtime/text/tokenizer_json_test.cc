// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runtime/text/train_bpe.h"

namespace cadmus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

class TokenizerJson : public testing::Test {
 protected:
  TokenizerJson() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) / StrCat("tokenizer_json.", test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    path_ = folder_ / "tokenizer.json";
    SaveTokenizerJson(Small(), path_);
    small_json_ = Json::parse(ReadFile(path_, Kind::kData));
  }
  ~TokenizerJson() override { std::filesystem::remove_all(folder_); }

  // 256 bytes, 4 merges ("he", "the", "no", "not"), <|endoftext|>, <pad>: 0 to 261.
  static BpeTokenizer Small() {
    return TrainBpe({.vocab_size = 262, .special_tokens = {"<|endoftext|>", "<pad>"}},
                    std::vector<std::string_view>{"the", "the", "the", "not", "not"});
  }
  BpeTokenizer Load(std::string_view text) const {
    ReplaceFile(path_, text, Kind::kData);
    return LoadTokenizerJson(path_);
  }
  std::string MessageOf(std::string_view text) const {
    try {
      Load(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kData);
      EXPECT_THAT(error.message(), testing::StartsWith(path_.string() + ": "));
      return error.message();
    }
    return "accepted";
  }
  // What loading says after the value at `field` is replaced.
  std::string MessageWith(const std::string& field, const Json& value) const {
    Json json = small_json_;
    json[Json::json_pointer(field)] = value;
    return MessageOf(json.dump());
  }
  std::string MessageWithout(const std::string& object, const std::string& field) const {
    Json json = small_json_;
    json[Json::json_pointer(object)].erase(field);
    return MessageOf(json.dump());
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
  Json small_json_;
};

TEST_F(TokenizerJson, SavedAndLoadedIsEqual) {
  const std::string text = "the note \xFF <pad> Κάδμος";
  const BpeTokenizer saved = Small();
  SaveTokenizerJson(saved, path_);
  const BpeTokenizer loaded = LoadTokenizerJson(path_);
  EXPECT_EQ(loaded.content_hash(), saved.content_hash());
  EXPECT_EQ(loaded.Encode(text), saved.Encode(text));
  EXPECT_EQ(loaded.SpecialId("<pad>"), 261);
  EXPECT_EQ(loaded.end_of_text(), 260);
}

TEST_F(TokenizerJson, SavingTwiceGivesTheSameBytes) {
  const std::string first = ReadFile(path_, Kind::kData);
  SaveTokenizerJson(LoadTokenizerJson(path_), path_);
  EXPECT_EQ(ReadFile(path_, Kind::kData), first);
}

TEST_F(TokenizerJson, AgreesWithTheHuggingFaceLibrary) {
  const std::filesystem::path folder = CADMUS_GOLDEN_FOLDER;
  const BpeTokenizer tokenizer = LoadTokenizerJson(folder / "tokenizer.json");
  SaveTokenizerJson(tokenizer, path_);
  EXPECT_EQ(LoadTokenizerJson(path_).content_hash(), tokenizer.content_hash());
  std::istringstream lines(ReadFile(folder / "ids.txt", Kind::kData));
  int num_texts = 0;
  for (std::string line; std::getline(lines, line); ++num_texts) {
    const size_t colon = line.find(':');
    std::string text;
    for (size_t i = 0; i < colon; i += 2) {
      uint8_t byte = 0;
      std::from_chars(&line[i], &line[i + 2], byte, 16);
      text.push_back(static_cast<char>(byte));
    }
    std::istringstream numbers(line.substr(colon + 1));
    const std::vector<int32_t> ids(std::istream_iterator<int32_t>(numbers), {});
    EXPECT_EQ(tokenizer.Encode(text), ids) << text;
    EXPECT_EQ(tokenizer.Decode(ids), text);
  }
  EXPECT_EQ(num_texts, 15);
}

TEST_F(TokenizerJson, ReadsTheOlderForm) {
  Json json = small_json_;
  Json& model = json["model"];
  model.erase("type");
  model["merges"] = {"#version: 0.2", "h e", "t he", "n o", "no t"};
  model["continuing_subword_prefix"] = "";
  model["unk_token"] = "<|endoftext|>";
  model["vocab"]["<|endoftext|>"] = 260;
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  json["post_processor"] = {{"type", "ByteLevel"}, {"trim_offsets", false}};
  const BpeTokenizer tokenizer = Load(json.dump());
  EXPECT_THAT(tokenizer.parts().patterns, ElementsAre(kGpt2Pattern));
  EXPECT_EQ(tokenizer.merges().size(), 4u);
  EXPECT_EQ(tokenizer.end_of_text(), 260);
  EXPECT_THAT(tokenizer.Encode("thenot"), ElementsAre(257, 259));
}

TEST_F(TokenizerJson, MissingFileIsNamed) {
  const std::filesystem::path missing = folder_ / "missing.json";
  try {
    LoadTokenizerJson(missing);
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kData);
    EXPECT_THAT(error.message(), HasSubstr(missing.string()));
  }
}

TEST_F(TokenizerJson, TextThatIsNotJsonIsNamed) {
  const std::string whole = small_json_.dump();
  for (const std::string& text :
       {std::string(), std::string("{"), whole.substr(0, whole.size() / 2), whole + "x",
        std::string("\xFF"), "{\"version\": \"\xC3\"}" + whole, std::string(5000, '[')}) {
    EXPECT_THAT(MessageOf(text), HasSubstr("not valid JSON")) << text.substr(0, 40);
  }
  EXPECT_THAT(MessageOf("[]"), HasSubstr("[] is not supported; this version takes an object"));
}

TEST_F(TokenizerJson, MissingFieldsAreNamed) {
  for (const std::string field : {"version", "added_tokens", "pre_tokenizer", "decoder", "model"}) {
    EXPECT_THAT(MessageWithout("", field), HasSubstr(field + ": this field is missing"));
  }
  for (const std::string field : {"vocab", "merges"}) {
    EXPECT_THAT(MessageWithout("/model", field),
                HasSubstr("model." + field + ": this field is missing"));
  }
  EXPECT_THAT(MessageWithout("/added_tokens/0", "id"),
              HasSubstr("added_tokens[0].id: this field is missing"));
  EXPECT_THAT(MessageWithout("/pre_tokenizer/pretokenizers/0", "pattern"),
              HasSubstr("pre_tokenizer.pretokenizers[0].pattern: this field is missing"));
}

TEST_F(TokenizerJson, UnknownAndRepeatedFieldsAreNamed) {
  EXPECT_THAT(MessageWith("/extra", 1), HasSubstr("extra: unknown field"));
  EXPECT_THAT(MessageWith("/model/extra", 1), HasSubstr("model.extra: unknown field"));
  std::string text = small_json_.dump();
  text.insert(1, "\"version\":\"1.0\",");
  EXPECT_THAT(MessageOf(text), HasSubstr("version: this field is there twice"));
}

TEST_F(TokenizerJson, OtherModelsAreRefusedByName) {
  for (const std::string type : {"Unigram", "WordPiece", "WordLevel"}) {
    EXPECT_THAT(MessageWith("/model", {{"type", type}, {"vocab", Json::array()}}),
                HasSubstr("model.type: \"" + type + "\" is not supported; this version takes BPE"));
  }
}

TEST_F(TokenizerJson, OptionsThatChangeIdsAreRefusedByName) {
  const std::vector<std::tuple<std::string, Json, std::string>> cases = {
      {"/version", "2.0", "version: \"2.0\" is not supported"},
      {"/normalizer", {{"type", "NFKC"}}, "normalizer: NFKC is not supported"},
      {"/normalizer",
       {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, {{"type", "Lowercase"}}}}},
       "normalizer.normalizers[1]: Lowercase is not supported"},
      {"/truncation", {{"max_length", 5}}, "truncation: {\"max_length\":5} is not supported"},
      {"/padding", {{"pad_id", 0}}, "padding: {\"pad_id\":0} is not supported"},
      {"/decoder", {{"type", "Metaspace"}}, "decoder: Metaspace is not supported"},
      {"/decoder", nullptr, "decoder: null is not supported"},
      {"/post_processor",
       {{"type", "BertProcessing"}},
       "post_processor: BertProcessing is not supported"},
      {"/pre_tokenizer", nullptr, "pre_tokenizer: null is not supported"},
      {"/pre_tokenizer", {{"type", "Whitespace"}}, "pre_tokenizer: Whitespace is not supported"},
      {"/pre_tokenizer",
       {{"type", "ByteLevel"}, {"add_prefix_space", true}},
       "pre_tokenizer.add_prefix_space: true is not supported"},
      {"/pre_tokenizer",
       {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}},
       "pre_tokenizer: ByteLevel is not supported; this version takes Split or Digits steps"},
      {"/pre_tokenizer/pretokenizers", Json::array(), "pre_tokenizer: Sequence is not supported"},
      {"/pre_tokenizer/pretokenizers/0/type", "Punctuation",
       "pre_tokenizer.pretokenizers[0]: Punctuation is not supported; this version takes Split"},
      {"/pre_tokenizer/pretokenizers/0/pattern",
       {{"String", " "}},
       "pre_tokenizer.pretokenizers[0].pattern.String: \" \" is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "(",
       "the pre-tokenizer pattern ( is not a regular expression"},
      {"/pre_tokenizer/pretokenizers/0/behavior", "Removed",
       "pre_tokenizer.pretokenizers[0].behavior: \"Removed\" is not supported"},
      {"/pre_tokenizer/pretokenizers/0/invert", true,
       "pre_tokenizer.pretokenizers[0].invert: true is not supported"},
      {"/pre_tokenizer/pretokenizers/1/type", "Metaspace",
       "pre_tokenizer.pretokenizers[1]: Metaspace is not supported"},
      {"/model/dropout", 0.1, "model.dropout: 0.1 is not supported; this version takes null"},
      {"/model/continuing_subword_prefix", "##",
       "model.continuing_subword_prefix: \"##\" is not supported"},
      {"/model/end_of_word_suffix", "</w>", "model.end_of_word_suffix: \"</w>\" is not supported"},
      {"/model/byte_fallback", true, "model.byte_fallback: true is not supported"},
  };
  for (const auto& [field, value, message] : cases) {
    EXPECT_THAT(MessageWith(field, value), HasSubstr(message)) << field;
  }
}

TEST_F(TokenizerJson, WrongTypesAreNamed) {
  EXPECT_THAT(MessageWith("/added_tokens", 3),
              HasSubstr("added_tokens: 3 is not supported; this version takes a list"));
  EXPECT_THAT(MessageWith("/model/vocab", "x"), HasSubstr("model.vocab: \"x\" is not supported"));
  EXPECT_THAT(MessageWith("/model/vocab/the", "x"),
              HasSubstr("model.vocab: \"x\" is not supported"));
  EXPECT_THAT(MessageWith("/model/vocab/the", -1), HasSubstr("model.vocab: -1 is not supported"));
  EXPECT_THAT(MessageWith("/model/vocab/the", 3000000000),
              HasSubstr("a token id from 0 to 2147483647"));
  EXPECT_THAT(
      MessageWith("/added_tokens/0/content", 1),
      HasSubstr("added_tokens[0].content: 1 is not supported; this version takes a string"));
}

TEST_F(TokenizerJson, DuplicateIdsAndGapsAreNamed) {
  EXPECT_THAT(MessageWith("/model/vocab/the", 256),
              HasSubstr("the tokens \"he\" and \"the\" both have the id 256"));
  EXPECT_THAT(MessageWith("/model/vocab/the", 262),
              HasSubstr("no token has the id 257 although 262 tokens are there"));
  EXPECT_THAT(MessageWith("/added_tokens/1/id", 260), HasSubstr("two tokens have the id 260"));
  EXPECT_THAT(MessageWith("/added_tokens/1/id", 5), HasSubstr("both have the id 5"));
  EXPECT_THAT(MessageWith("/added_tokens/1/content", "<|endoftext|>"),
              HasSubstr("\"<|endoftext|>\" has the id 261, but the id 260 elsewhere"));
  EXPECT_THAT(MessageWith("/model/vocab/<pad>", 262),
              HasSubstr("\"<pad>\" has the id 261, but the id 262 elsewhere"));
  std::string text = small_json_.dump();
  const size_t vocabulary = text.find("\"vocab\":{") + 9;
  text.insert(vocabulary, "\"the\":257,");
  EXPECT_THAT(MessageOf(text), HasSubstr("model.vocab: the token \"the\" is there twice"));
}

TEST_F(TokenizerJson, VocabularyThatIsNotByteLevelIsNamed) {
  EXPECT_THAT(MessageWith("/model/vocab/▁the", 262),
              HasSubstr("the token \"▁the\" is not spelled in the byte-level alphabet"));
  EXPECT_THAT(MessageWithout("/model/vocab", "a"), HasSubstr("no token has the id 97"));
  Json json = small_json_;
  json["model"]["vocab"].erase("q");
  json["model"]["vocab"]["qq"] = 'q';
  EXPECT_THAT(MessageOf(json.dump()), HasSubstr("the byte 113 (spelled \"q\") is not in the"));
}

TEST_F(TokenizerJson, BadMergesAreNamed) {
  const std::vector<std::pair<Json, std::string>> cases = {
      {"t zz", "model.merges[1]: the token \"zz\" is not in model.vocab"},
      {Json::array({"zz", "t"}), "model.merges[1]: the token \"zz\" is not in model.vocab"},
      {"the", "model.merges[1]: \"the\" is not supported"},
      {"t h e", "model.merges[1]: \"t h e\" is not supported"},
      {Json::array({"t", "h", "e"}), "model.merges[1]: [\"t\",\"h\",\"e\"] is not supported"},
      {Json::array({"t", 1}), "model.merges[1]: 1 is not supported"},
      {7, "model.merges[1]: 7 is not supported"},
      {"h e", "merge 1 of the tokens 104 and 101 is listed before"},
      {"x y", "merge 1 gives \"xy\", which is not in the vocabulary"},
  };
  for (const auto& [merge, message] : cases) {
    EXPECT_THAT(MessageWith("/model/merges/1", merge), HasSubstr(message)) << merge;
  }
}

TEST_F(TokenizerJson, MergesThatCouldGoInCirclesAreNamed) {
  // A merge is longer than what it joins, so a circle needs an empty token or one without bytes.
  Json json = small_json_;
  json["model"]["vocab"][""] = 262;
  json["model"]["merges"].push_back(Json::array({"the", ""}));
  EXPECT_THAT(MessageOf(json.dump()), HasSubstr("token 262 is empty"));
  json = small_json_;
  json["model"]["vocab"]["<pad>"] = 261;
  json["model"]["vocab"]["<pad>the"] = 262;
  json["model"]["merges"].push_back(Json::array({"<pad>", "the"}));
  EXPECT_THAT(MessageOf(json.dump()), HasSubstr("merge 4 joins the added token \"<pad>\""));
}

TEST_F(TokenizerJson, TemplatesThatNameMissingTokensAreNamed) {
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json begin = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const auto message = [&](const Json& single, int id) {
    return MessageWith(
        "/post_processor",
        {{"type", "TemplateProcessing"},
         {"single", single},
         {"pair", Json::array()},
         {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {id}}, {"tokens", {"<s>"}}}}}}});
  };
  EXPECT_EQ(message({begin, text}, 260), "accepted");
  EXPECT_THAT(
      message({begin, text}, 500),
      HasSubstr("special_tokens.<s>.ids: the id 500 of \"<s>\" is missing in added_tokens"));
  EXPECT_THAT(message(Json::array({begin}), 260),
              HasSubstr("post_processor.single: the text itself is missing"));
  EXPECT_THAT(message({text, text}, 260), HasSubstr("post_processor.single[1]: "));
  Json other = begin;
  other["SpecialToken"]["id"] = "<t>";
  EXPECT_THAT(message({other, text}, 260), HasSubstr("the special token \"<t>\" is not in"));
}

TEST_F(TokenizerJson, SavingWhereNothingCanBeWrittenIsNamedAndKeepsTheOldFile) {
  try {
    SaveTokenizerJson(Small(), path_ / "below_a_file.json");
    FAIL() << "saved";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kData);
    EXPECT_THAT(error.message(), HasSubstr("below_a_file.json"));
  }
  EXPECT_EQ(LoadTokenizerJson(path_).vocab_size(), 262);
}

}  // namespace
}  // namespace cadmus
