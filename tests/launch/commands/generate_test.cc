// SPDX-License-Identifier: Apache-2.0
// `cadmus generate` on a run that was trained for a few steps: reproducible text, and refusals.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class Generate : public RunFixture {
 protected:
  Generate() {
    const CommandResult trained = Train({"train.steps=4"});
    EXPECT_EQ(trained.exit_code, 0) << trained.err;
  }
  CommandResult Continue(const std::string& prompt, const std::vector<std::string>& flags) const {
    return Cadmus(With({"generate", run_folder().string(), "--prompt", prompt}, flags));
  }
};

TEST_F(Generate, GreedyTextRepeats) {
  const CommandResult first = Continue("the quick", {"--max-tokens", "12"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, StartsWith("the quick"));
  EXPECT_GT(first.out.size(), std::string("the quick\n").size());
  EXPECT_EQ(Continue("the quick", {"--max-tokens", "12"}).out, first.out);
  // The same weights by the name of the checkpoint.
  EXPECT_EQ(
      Cadmus({"generate", checkpoint(4).string(), "--prompt", "the quick", "--max-tokens", "12"})
          .out,
      first.out);
}

TEST_F(Generate, SampledTextDependsOnTheSeedAlone) {
  const auto sample = [&](const std::string& seed) {
    const CommandResult result =
        Continue("the", {"--max-tokens", "20", "--temperature", "1.5", "--seed", seed});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  const std::string text = sample("3");
  EXPECT_EQ(sample("3"), text);
  EXPECT_NE(sample("4"), text);
}

TEST_F(Generate, StopsWhereTheModelEnds) {
  const CommandResult result = Continue("the", {"--max-tokens", "1000"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(Generate, TakesAnotherDeviceAndNothingElse) {
  const std::string text = Continue("the quick", {"--max-tokens", "12"}).out;
  const CommandResult other = Continue(
      "the quick",
      {"--max-tokens", "12", "--set", "device.memory_gib=0.5", "--set", "device.kind=CPU"});
  EXPECT_EQ(other.exit_code, 0) << other.err;
  EXPECT_EQ(other.out, text);
  const CommandResult refused = Continue("the", {"--set", "model.llama.dropout=0"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("only device.… can be given"));
}

// What was trained on a GPU names the remedy where there is none.
TEST_F(Generate, WithoutTheGpuItSaysTheRemedy) {
  const CommandResult refused =
      RunCommand({"/usr/bin/env", "CUDA_VISIBLE_DEVICES=", CADMUS_BINARY, "generate",
                  run_folder().string(), "--prompt", "the", "--set", "device.kind=CUDA"});
  EXPECT_EQ(refused.exit_code, 2) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("set device.kind = CPU"));
}

// As Llama's tokenizer puts its begin of text before every prompt.
TEST_F(Generate, ContinuesTheTokenThatTheTokenizerPutsFirst) {
  std::ifstream in(path("tokenizer.json"));
  nlohmann::json tokenizer = nlohmann::json::parse(in);
  const nlohmann::json first = tokenizer.at("added_tokens").at(0);
  const nlohmann::json name = first.at("content");
  tokenizer["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", name}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", nlohmann::json::array()},
      {"special_tokens", {{name, {{"id", name}, {"ids", {first.at("id")}}, {"tokens", {name}}}}}}};
  std::ofstream(path("first.json")) << tokenizer;
  MakeDataset(path("text"), path("first.json"), path("first"));
  ASSERT_EQ(Train({"train.steps=4", "name=first", "data.path=" + path("first"),
                   "data.tokenizer=" + path("first.json")})
                .exit_code,
            0);
  const CommandResult result =
      Cadmus({"generate", path("runs/first"), "--prompt", "", "--max-tokens", "8"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Continue("", {}).exit_code, 2);  // nothing to continue
}

TEST_F(Generate, WrongRequestsAreRefused) {
  std::string long_prompt;
  for (int i = 0; i < 40; ++i) long_prompt += "x y ";
  const CommandResult too_long = Continue(long_prompt, {});
  EXPECT_EQ(too_long.exit_code, 2);
  EXPECT_THAT(too_long.err, HasSubstr("shorten it"));
  EXPECT_EQ(Continue("the", {"--max-tokens", "0"}).exit_code, 2);
  EXPECT_EQ(Continue("the", {"--temperature", "-1"}).exit_code, 2);
  EXPECT_EQ(Continue("the", {"--top-p", "0"}).exit_code, 2);
  EXPECT_EQ(Continue("the", {"--top-p", "1.5"}).exit_code, 2);
}

TEST_F(Generate, RunWithoutACheckpointIsNamed) {
  fs::remove_all(checkpoint(4));
  const CommandResult result = Continue("the", {});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.err, HasSubstr("train first"));
  EXPECT_EQ(Cadmus({"generate", path("none"), "--prompt", "the"}).exit_code, 4);
}

TEST_F(Generate, DamagedWeightsAreNotUsed) {
  for (const auto& entry : fs::directory_iterator(checkpoint(4))) {
    if (entry.path().extension() == ".safetensors") FlipByte(entry.path());
  }
  const CommandResult result = Continue("the", {});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(result.out, "");
}

TEST_F(Generate, ForeignTokenizerIsRefused) {
  MakeTokenizer(WriteText("other-text", 2), 290, path("other.json"));
  fs::copy_file(path("other.json"), run_folder() / "tokenizer.json",
                fs::copy_options::overwrite_existing);
  const CommandResult result = Continue("the", {});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("not the tokenizer"));
  fs::remove(run_folder() / "tokenizer.json");
  const CommandResult missing = Continue("the", {});
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.err, HasSubstr("tokenizer.json"));
}

}  // namespace
}  // namespace cadmus
