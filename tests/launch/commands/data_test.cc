// SPDX-License-Identifier: Apache-2.0
// `cadmus data`: what people and programs read of it, and training on what it makes.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class DataCommands : public RunFixture {
 protected:
  // A second data set, of JSON lines.
  void BuildOther() const {
    std::ofstream lines(path("other.jsonl"));
    for (int i = 0; i < 400; ++i) {
      lines << R"({"body": "The fox number )" << i << R"( is quick and brown.\n"})" << '\n';
    }
    lines.close();
    const CommandResult result =
        Cadmus({"data", "build", path("other.jsonl"), "--text-field", "body", "--threads", "2",
                "--tokenizer", path("tokenizer.json"), "--out", path("other")});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("read 400 documents"), HasSubstr("MB of text a second"),
                                  Not(HasSubstr("\x1b"))))
        << "no bar without a terminal";
  }
  nlohmann::json Json(std::vector<std::string> arguments) const {
    arguments.push_back("--json");
    const CommandResult result = Cadmus(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, IsEmpty());
    return nlohmann::json::parse(result.out);
  }
};

TEST_F(DataCommands, StatsAndShowSayWhatIsInside) {
  BuildOther();
  const nlohmann::json stats = Json({"data", "stats", path("tokens"), path("other")});
  ASSERT_EQ(stats["sources"].size(), 2u);
  const nlohmann::json& other = stats["sources"][1];
  EXPECT_EQ(other["documents"], 400);
  EXPECT_EQ(other["end_of_document_tokens"], 400);
  EXPECT_EQ(other["vocab_size"], 300);
  EXPECT_NEAR(stats["sources"][0]["share"].get<double>() + other["share"].get<double>(), 1, 1e-12);
  EXPECT_THAT(Cadmus({"data", "stats", path("other")}).err,
              AllOf(HasSubstr("400 documents"), HasSubstr("median"), HasSubstr("100.0 %")));

  const nlohmann::json document = Json(
      {"data", "show", path("other"), "--document", "7", "--tokenizer", path("tokenizer.json")});
  EXPECT_EQ(document["text"], "The fox number 7 is quick and brown.\n<|endoftext|>");

  const nlohmann::json window =
      Json({"data", "show", path("other"), "--window", "1", "--sequence-length", "64",
            "--tokenizer", path("tokenizer.json")});
  EXPECT_EQ(window["tokens"].size(), 64u);
  EXPECT_EQ(window["first_token"], 64);
  for (size_t i = 0; i + 1 < 64; ++i) {
    const bool ends = window["documents"][i] != window["documents"][i + 1];
    EXPECT_EQ(window["labels"][i], ends ? nlohmann::json(-1) : window["tokens"][i + 1]);
    EXPECT_EQ(window["positions"][i + 1] == 0, ends);
  }
  const CommandResult shown =
      Cadmus({"data", "show", path("other"), "--window", "1", "--sequence-length", "64",
              "--tokenizer", path("tokenizer.json")});
  EXPECT_THAT(shown.err,
              AllOf(HasSubstr("== window 1 of"), HasSubstr("-- document 1 of the window"),
                    HasSubstr("no label"), HasSubstr("quick and brown")));
}

TEST_F(DataCommands, ShowNamesWhatThereIs) {
  CommandResult result = Cadmus({"data", "show", path("tokens"), "--document", "100000"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("there is no document 100000"));
  result = Cadmus({"data", "show", path("tokens"), "--window", "1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--sequence-length"));
  result = Cadmus({"data", "show", path("tokens")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--document, or --window"));
}

TEST_F(DataCommands, VerifyNamesEveryFaultAndEndsWithThree) {
  EXPECT_EQ(Json({"data", "verify", path("tokens"), "--tokenizer", path("tokenizer.json")})["good"],
            true);
  EXPECT_THAT(Cadmus({"data", "verify", path("tokens")}).err, HasSubstr("good"));
  FlipByte(path("tokens.bin"));
  MakeTokenizer(WriteText("other-text", 2), 290, path("other.json"));
  const CommandResult result =
      Cadmus({"data", "verify", path("tokens"), "--tokenizer", path("other.json"), "--json"});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("tokens.bin: damaged"), HasSubstr("encoded by tokenizer"),
                                HasSubstr("290")));
  const nlohmann::json report = nlohmann::json::parse(result.out);
  EXPECT_EQ(report["good"], false);
  EXPECT_GE(report["faults"].size(), 2u);
}

TEST_F(DataCommands, ABlendTrainsAndKeepsItsWeights) {
  BuildOther();
  const auto blend = [&](const std::string& weight) {
    return std::vector<std::string>{"data.source=[{path: \"" + path("tokens") + "\" weight: " +
                                        weight + "}, {path: \"" + path("other") + "\"}]",
                                    "data.validation_fraction=0.1"};
  };
  const std::string no_path = "data.path=\"\"";
  CommandResult result = Train(blend("3"));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("data.path and data.source are both set"));
  result = Train(With(blend("-3"), {no_path}));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the weight of source 0 is -3"));

  result = Train(With(blend("3"), {no_path}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(ReadMetrics(run_folder()).size(), 12u);
  result = Train(With(blend("2"), {no_path, "train.steps=14"}));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("source[0].weight"));
}

TEST_F(DataCommands, SourcesOfDifferentTokenizersAreRefused) {
  MakeTokenizer(WriteText("other-text", 2), 290, path("other.json"));
  MakeDataset(path("other-text"), path("other.json"), path("other"));
  const CommandResult result = RunCommand(With(
      {CADMUS_BINARY, "train", path("tiny.textproto"), "--check"},
      {"--set", "data.path=\"\"", "--set", "data.tokenizer=\"\"", "--set",
       "data.source=[{path: \"" + path("tokens") + "\"}, {path: \"" + path("other") + "\"}]"}));
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("encoded by different tokenizers"));
}

// Token files of llm.c, whose tokens the tiny model's vocabulary must hold.
TEST_F(DataCommands, TokenFilesTrainIfTheModelHasTheirVocabulary) {
  std::vector<int32_t> header(256, 0);
  header[0] = 20240520;
  header[1] = 1;
  header[2] = 1000;
  std::vector<uint16_t> tokens(1000);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<uint16_t>(i % 90 == 0 ? 50256 : i);
  }
  std::filesystem::create_directory(path("web"));
  std::ofstream shard(path("web/fineweb_train_000001.bin"), std::ios::binary);
  shard.write(reinterpret_cast<const char*>(header.data()), 1024);
  shard.write(reinterpret_cast<const char*>(tokens.data()), 2000);
  shard.close();
  const std::vector<std::string> on_web = {"data.path=" + path("web"), "data.tokenizer=\"\"",
                                           "train.steps=2", "device.memory_gib=0.5"};
  CommandResult result = Train(on_web);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  result = Train(With(on_web, {"model.llama.vocab_size=300"}));
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("has a vocabulary of 50257, the model one of 300"));
  result = Train({"data.path=" + path("web")});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("separated by token 50256"));
}

}  // namespace
}  // namespace cadmus
