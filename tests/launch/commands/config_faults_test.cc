// SPDX-License-Identifier: Apache-2.0
// A wrong command line or config ends with code 2 and a message that names the mistake and the fix,
// before anything is written.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

class ConfigFaults : public RunFixture {
 protected:
  void ExpectRefused(const CommandResult& result, const std::vector<std::string>& texts) const {
    EXPECT_EQ(result.exit_code, 2) << result.err;
    for (const std::string& text : texts) EXPECT_THAT(result.err, HasSubstr(text));
    EXPECT_FALSE(std::filesystem::exists(folder() / "runs"));
  }
  // Appends a line to the config; the file then has an unknown number of lines, of which it is the
  // last.
  void AppendToConfig(const std::string& line) const {
    std::ofstream(path("tiny.textproto"), std::ios::app) << line << '\n';
  }
};

TEST_F(ConfigFaults, GoodConfigPassesTheCheckAndWritesNothing) {
  const CommandResult result = RunCommand(With(TrainCommand(), {"--check"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("ok: "));
  EXPECT_FALSE(std::filesystem::exists(folder() / "runs"));
}

TEST_F(ConfigFaults, UnknownFieldIsNamedWithTheNearestOne) {
  AppendToConfig("optimizr { lr: 1 }");
  ExpectRefused(Train(), {"tiny.textproto:", "optimizr", "did you mean", "optimizer"});
}

TEST_F(ConfigFaults, WrongTypeIsNamedWithItsPlace) {
  AppendToConfig("parallel { tp: \"two\" }");
  ExpectRefused(Train(), {"tiny.textproto:19:", "tp", "two"});
}

TEST_F(ConfigFaults, MissingIncludeIsNamed) {
  AppendToConfig("include: \"base.textproto\"");
  ExpectRefused(Train(), {"base.textproto"});
}

TEST_F(ConfigFaults, MissingConfigFileIsNamed) {
  ExpectRefused(Cadmus({"train", path("none.textproto")}), {"none.textproto"});
}

TEST_F(ConfigFaults, OverrideOfAnUnknownFieldNamesTheNearestOne) {
  ExpectRefused(Train({"optimizer.lrr=1"}), {"optimizer.lrr", "did you mean", "lr"});
}

TEST_F(ConfigFaults, OverrideOfTheWrongTypeIsNamed) {
  ExpectRefused(Train({"train.steps=soon"}), {"train.steps", "soon"});
}

TEST_F(ConfigFaults, OverrideWithoutAValueIsNamed) {
  ExpectRefused(Train({"train.steps"}), {"train.steps"});
}

TEST_F(ConfigFaults, GlobalBatchThatDoesNotDivideNamesTheNearestThatDo) {
  ExpectRefused(Train({"train.global_batch_size=7", "train.micro_batch_size=4"}),
                {"train.global_batch_size = 7", "not a multiple", "4 or 8"});
}

TEST_F(ConfigFaults, LayoutThatTheWorldDoesNotFillIsNamed) {
  ExpectRefused(Train({"parallel.dp_replicate=3"}), {"3", "1"});
}

// In a build without CUDA, and in one with it where no GPU is to be seen.
TEST_F(ConfigFaults, GpuThatIsNotThereIsNamedWithTheFix) {
  std::vector<std::string> command = {"/usr/bin/env", "CUDA_VISIBLE_DEVICES="};
  for (const std::string& word : TrainCommand({"device.kind=CUDA"})) command.push_back(word);
  ExpectRefused(RunCommand(command),
                {"device.kind = CUDA, but ", "no ", "set device.kind = CPU, or install"});
}

TEST_F(ConfigFaults, AxisOfALaterVersionIsNamed) {
  ExpectRefused(Train({"parallel.cp_ring=2"}, 2),
                {"parallel.cp_ring = 2", "not supported yet", "dp_replicate 2"});
}

TEST_F(ConfigFaults, SequenceLongerThanTheModelNamesBothFields) {
  ExpectRefused(Train({"data.sequence_length=33"}),
                {"data.sequence_length = 33", "longer than", "max_position_embeddings = 32"});
}

TEST_F(ConfigFaults, HeadsThatDoNotDivideAreNamed) {
  ExpectRefused(Train({"model.llama.num_key_value_heads=3"}),
                {"num_key_value_heads = 3", "num_attention_heads = 4"});
}

TEST_F(ConfigFaults, WrongUsageIsExplained) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {},
           {"trian", "x"},
           {"train"},
           {"train", path("tiny.textproto"), "--chek"},
           {"generate", "runs/tiny"},
           {"generate", "runs/tiny", "--prompt", "a", "--max-tokens", "many"},
           {"data"},
           {"data", "tokenizer", "train", path("text"), "--out", path("t.json")},
           {"ckpt", "verify"}}) {
    const CommandResult result = Cadmus(arguments);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(arguments);
    EXPECT_THAT(result.err, HasSubstr("--help")) << testing::PrintToString(arguments);
    EXPECT_EQ(result.out, "") << testing::PrintToString(arguments);
  }
}

TEST_F(ConfigFaults, HelpAndVersionSucceed) {
  EXPECT_THAT(Cadmus({"--help"}).out, HasSubstr("generate"));
  const CommandResult version = Cadmus({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, testing::StartsWith("cadmus "));
}

}  // namespace
}  // namespace cadmus
