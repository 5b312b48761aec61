// SPDX-License-Identifier: Apache-2.0
// `cadmus plan` and its check of schedules on real files: what it prints where, and which code it
// ends with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/base/str_cat.h"
#include "tests/launch/commands/process.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class PlanVerb : public testing::Test {
 protected:
  PlanVerb() {
    std::ofstream(config_) << R"(name: "tiny"
model {
  llama {
    vocab_size: 300
    hidden_size: 32
    intermediate_size: 48
    num_hidden_layers: 2
    num_attention_heads: 4
    num_key_value_heads: 2
    max_position_embeddings: 32
  }
}
data { sequence_length: 32 }
train { steps: 12 global_batch_size: 4 }
optimizer { lr: 1e-2 }
device { memory_gib: 0.125 }
)";
  }

  // `cadmus plan CONFIG arguments…`
  CommandResult Plan(const std::vector<std::string>& arguments = {}) const {
    std::vector<std::string> command = {CADMUS_BINARY, "plan", config_};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunCommand(command);
  }

  void ExpectRefused(const CommandResult& result, const std::vector<std::string>& texts) const {
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    for (const std::string& text : texts) EXPECT_THAT(result.err, HasSubstr(text));
  }

  TemporaryFolder folder_;
  std::string config_ = folder_ / "tiny.textproto";
};

TEST_F(PlanVerb, PrintsForPeopleOnStderrAndWritesNothing) {
  const CommandResult result = Plan({"--world-size", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith("layout      2 ranks: pp 1, dp_replicate 2"));
  EXPECT_THAT(result.err, HasSubstr("128 tokens; each rank runs 2 micro-batches of 1\n"));
  EXPECT_THAT(result.err, HasSubstr("peak memory per rank"));
  EXPECT_THAT(result.err, HasSubstr("dp_replicate  all-reduce"));
  EXPECT_THAT(result.err, HasSubstr("fits: "));
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path(), config_);
  }
}

TEST_F(PlanVerb, JsonGoesToStdoutAlone) {
  const CommandResult result = Plan({"--json", "--set", "parallel.dp_replicate=4"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("world_size"), 4);
  EXPECT_EQ(json.at("pipeline_ranks").size(), 1u);
}

TEST_F(PlanVerb, WhatDoesNotFitEndsWithTheCodeOfOutOfMemory) {
  const CommandResult result = Plan({"--json", "--set", "device.memory_gib=0.0001"});
  EXPECT_EQ(result.exit_code, 8);
  EXPECT_EQ(nlohmann::json::parse(result.out).at("fits"), false);
  EXPECT_THAT(result.err, HasSubstr("device.memory_gib gives 104.9KiB; give more"));
}

TEST_F(PlanVerb, LayoutThatDoesNotDivideTheWorldIsRefused) {
  ExpectRefused(Plan({"--world-size", "4", "--set", "parallel.dp_replicate=3"}),
                {"dp_replicate 3", "4 ranks", "nearest valid layout"});
  ExpectRefused(Plan({"--world-size", "3"}), {"train.global_batch_size = 4", "not a multiple"});
}

TEST_F(PlanVerb, MissingVocabularyIsExplained) {
  EXPECT_EQ(Plan({"--set", StrCat("data.path=", folder_ / "none")}).exit_code, 0);
  std::ofstream(config_) << R"(name: "tiny" model { llama { hidden_size: 32 } })";
  ExpectRefused(Plan(), {"model.llama.vocab_size is not set", "needs no data", "data.path"});
}

TEST_F(PlanVerb, WrongUsageIsExplained) {
  for (const char* ranks : {"0", "-1", "many", "99999999999"}) {
    ExpectRefused(Plan({"--world-size", ranks}), {"--world-size", ranks, "--help"});
  }
  ExpectRefused(RunCommand({CADMUS_BINARY, "plan"}), {"FILE", "--help"});
  ExpectRefused(RunCommand({CADMUS_BINARY, "plan", folder_ / "none.textproto"}),
                {"none.textproto"});
}

class VerifyScheduleFlag : public testing::Test {
 protected:
  // `cadmus plan --verify-schedule FILE arguments…` on a schedule of two ranks.
  CommandResult Verify(const std::string& first, const std::string& second,
                       const std::vector<std::string>& arguments = {}) const {
    std::ofstream(file_) << "micro_batches: 2\nrank { stages: 0 actions: \"" << first
                         << "\" }\nrank { stages: 1 actions: \"" << second << "\" }\n";
    std::vector<std::string> command = {CADMUS_BINARY, "plan", "--verify-schedule", file_};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunCommand(command);
  }

  TemporaryFolder folder_;
  std::string file_ = folder_ / "mine.textproto";
  std::string svg_ = folder_ / "mine.svg";
};

TEST_F(VerifyScheduleFlag, GoodScheduleIsOkWithBubblePeaksAndPicture) {
  const CommandResult result = Verify("F0 F1 B0 B1", "F0 B0 F1 B1", {"--svg", svg_});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith(file_ + ": ok\n"));
  EXPECT_THAT(result.err, HasSubstr("bubble 33.3%"));
  EXPECT_THAT(result.err, HasSubstr("act. input  act. weight"));
  EXPECT_THAT(result.err, HasSubstr("rank 1 | .  F0 B0"));
  std::string svg;
  std::getline(std::ifstream(svg_), svg, '\0');
  EXPECT_THAT(svg, HasSubstr("<svg"));
}

TEST_F(VerifyScheduleFlag, ProblemsAreListedAndNothingIsDrawn) {
  const CommandResult result = Verify("F0 B0 F1", "F0 B0 F1 B1", {"--svg", svg_});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("is not a training step:\n  "));
  EXPECT_FALSE(std::filesystem::exists(svg_));
}

TEST_F(VerifyScheduleFlag, WhatIsNoScheduleIsRefusedWithItsPlace) {
  const CommandResult result = Verify("F0 X1", "F0");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("X1"));
  EXPECT_THAT(result.err, HasSubstr(file_));
}

TEST_F(VerifyScheduleFlag, WrongUsageIsExplained) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--verify-schedule"},
                                             {"--verify-schedule", file_, "config.textproto"},
                                             {"--verify-schedule", file_, "--json"},
                                             {"config.textproto", "--svg", svg_}}) {
    std::vector<std::string> command = {CADMUS_BINARY, "plan"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const CommandResult result = RunCommand(command);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(arguments);
    EXPECT_THAT(result.err, HasSubstr("--help")) << testing::PrintToString(arguments);
  }
  const CommandResult missing =
      RunCommand({CADMUS_BINARY, "plan", "--verify-schedule", folder_ / "none.textproto"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.err, HasSubstr("none.textproto"));
}

}  // namespace
}  // namespace cadmus
