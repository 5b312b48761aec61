// SPDX-License-Identifier: Apache-2.0
// Data that cannot be what the config says ends with code 3, before any step, with the file and the
// fix named.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "kernels/base/file.h"
#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

class DataFaults : public RunFixture {
 protected:
  // The check finds it, and so does training.
  void ExpectRefused(const std::vector<std::string>& overrides,
                     const std::vector<std::string>& texts) const {
    for (const std::vector<std::string>& flags : {std::vector<std::string>{"--check"}, {}}) {
      const CommandResult result = RunCommand(With(TrainCommand(overrides), flags));
      EXPECT_EQ(result.exit_code, 3) << result.err;
      for (const std::string& text : texts) EXPECT_THAT(result.err, HasSubstr(text));
      EXPECT_FALSE(std::filesystem::exists(run_folder())) << result.err;
    }
  }
};

TEST_F(DataFaults, MissingFileIsNamed) {
  std::filesystem::remove(path("tokens.bin"));
  ExpectRefused({}, {"tokens.bin", "check the path"});
}

TEST_F(DataFaults, TruncatedTokensAreNamed) {
  std::filesystem::resize_file(path("tokens.bin"), 100);
  ExpectRefused({}, {"tokens.bin", "cadmus data build"});
}

TEST_F(DataFaults, TruncatedIndexIsNamed) {
  std::filesystem::resize_file(path("tokens.idx"),
                               std::filesystem::file_size(path("tokens.idx")) - 5);
  ExpectRefused({}, {"tokens.idx", "cadmus data build"});
}

TEST_F(DataFaults, ForeignIndexIsNamed) {
  std::ofstream(path("tokens.idx")) << "This is a letter, not an index of documents and tokens.";
  ExpectRefused({}, {"tokens.idx", "cadmus data build"});
}

TEST_F(DataFaults, EmptyFilesAreNamed) {
  std::filesystem::resize_file(path("tokens.bin"), 0);
  std::filesystem::resize_file(path("tokens.idx"), 0);
  ExpectRefused({}, {"tokens.", "cadmus data build"});
}

TEST_F(DataFaults, DataSetShorterThanOneSampleIsNamed) {
  std::filesystem::create_directory(path("short"));
  std::ofstream(path("short/a.txt")) << "the fox";
  MakeDataset(path("short"), path("tokenizer.json"), path("short-tokens"));
  ExpectRefused({"data.path=" + path("short-tokens")},
                {"short-tokens", "fewer", "sequence_length"});
}

TEST_F(DataFaults, BuildingFromAnEmptyFolderIsRefused) {
  std::filesystem::create_directory(path("nothing"));
  const CommandResult result = Cadmus({"data", "build", path("nothing"), "--tokenizer",
                                       path("tokenizer.json"), "--out", path("none")});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("nothing"));
  EXPECT_FALSE(std::filesystem::exists(path("none.idx")));
}

TEST_F(DataFaults, BrokenJsonLineIsNamed) {
  std::ofstream(path("books.jsonl")) << "{\"text\": \"the fox\"}\n{\"text\": \"the do\n";
  const auto build = [&](const std::string& field) {
    return Cadmus({"data", "build", path("text"), path("books.jsonl"), "--text-field", field,
                   "--tokenizer", path("tokenizer.json"), "--out", path("tokens")});
  };
  const std::string old_tokens = ReadFile(path("tokens.bin"), Kind::kData);
  CommandResult result = build("text");
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("books.jsonl:2: broken JSON"));
  result = build("body");
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err,
              HasSubstr("books.jsonl:1: no field \"body\"; name the field of the text"));
  EXPECT_EQ(ReadFile(path("tokens.bin"), Kind::kData), old_tokens) << "the old set stays";
}

TEST_F(DataFaults, TokenizerOfAnotherDataSetIsNamed) {
  MakeTokenizer(WriteText("other-text", 2), 290, path("other.json"));
  ExpectRefused({"data.tokenizer=" + path("other.json")}, {"tokens.meta.json", "tokenizer", "290"});
}

TEST_F(DataFaults, TokenizerThatIsNoneIsNamed) {
  std::ofstream(path("other.json")) << "{\"model\": 3}";
  ExpectRefused({"data.tokenizer=" + path("other.json")}, {"other.json"});
}

TEST_F(DataFaults, VocabularyLargerThanTheModelsNamesBoth) {
  ExpectRefused({"model.llama.vocab_size=299"}, {"vocabulary of 300", "299", "vocab_size"});
}

TEST_F(DataFaults, TokenOutsideTheVocabularyIsFoundWhereItIsRead) {
  std::filesystem::remove(path("tokens.meta.json"));
  const CommandResult result = Train({"model.llama.vocab_size=260"});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("outside the vocabulary of 260"));
}

}  // namespace
}  // namespace cadmus
