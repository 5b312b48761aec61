// SPDX-License-Identifier: Apache-2.0
#include "launch/config/load_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "kernels/base/file.h"
#include "launch/config/config_to_text.h"
#include "tests/launch/config/config_error.h"
#include "tests/launch/config/example_config.pb.h"

namespace cadmus {
namespace {

using example::ExampleConfig;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class LoadConfigTest : public ::testing::Test {
 protected:
  LoadConfigTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                StrCat("cadmus_load_config_", getpid())) {
    std::filesystem::create_directories(folder_ / "sub");
  }
  ~LoadConfigTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Write(const std::string& name, const std::string& text) const {
    ReplaceFile(folder_ / name, text, Kind::kConfig);
    return folder_ / name;
  }

  ExampleConfig Load(const std::string& name,
                     const std::vector<std::string>& overrides = {}) const {
    ExampleConfig config;
    LoadConfig(folder_ / name, overrides, config);
    return config;
  }

  std::string ErrorOf(const std::string& name,
                      const std::vector<std::string>& overrides = {}) const {
    return ConfigErrorOf([&] { Load(name, overrides); });
  }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  const std::filesystem::path folder_;
};

TEST_F(LoadConfigTest, ReplacesWhatTheMessageHeldBefore) {
  Write("run", "seed: 5");
  ExampleConfig config;
  config.set_steps(3);
  LoadConfig(folder_ / "run", {}, config);
  EXPECT_EQ(config.ShortDebugString(), "seed: 5");
}

TEST_F(LoadConfigTest, EmptyFileGivesTheDefaults) {
  Write("run", "");
  EXPECT_EQ(Load("run").steps(), 100);
}

TEST_F(LoadConfigTest, IncludesTakeEffectWhereTheyStand) {
  Write("base", "steps: 1\nseed: 1\noptimizer { lr: 1 beta1: 0.5 }\ntags: 'base'\n");
  Write("run",
        "steps: 2\ninclude: \"base\"  # defaults\nseed: 3\noptimizer { lr: 3 }\ntags: 'run'");
  EXPECT_EQ(Load("run").ShortDebugString(),
            "steps: 1 seed: 3 optimizer { lr: 3 beta1: 0.5 } tags: \"base\" tags: \"run\"");
}

TEST_F(LoadConfigTest, NestedIncludesAreRelativeToTheIncludingFile) {
  Write("sub/c", "steps: 7");
  Write("sub/b", "include: 'c'\nseed: 8");
  Write("a", "include: 'sub/b'\nname: 'a'\ninclude: 'sub/c'\n");
  EXPECT_EQ(Load("a").ShortDebugString(), "steps: 7 seed: 8 name: \"a\"");
}

TEST_F(LoadConfigTest, OverridesComeLastAndInOrder) {
  Write("run", "steps: 2\noptimizer { lr: 1 }");
  EXPECT_EQ(Load("run", {"optimizer.lr=2", "steps=4", "optimizer.lr=3"}).ShortDebugString(),
            "steps: 4 optimizer { lr: 3 }");
}

TEST_F(LoadConfigTest, MissingFileIsNamed) {
  EXPECT_THAT(ErrorOf("absent"), HasSubstr(Path("absent")));
}

TEST_F(LoadConfigTest, MissingIncludedFileIsNamedWithItsIncluder) {
  Write("run", "steps: 1\n\n  include: 'sub/absent'");
  EXPECT_THAT(ErrorOf("run"), StartsWith(StrCat(Path("run"), ":3:3: there is no file ",
                                                Path("sub/absent"), " to include")));
}

TEST_F(LoadConfigTest, IncludeCyclesAreRefused) {
  Write("a", "include: 'sub/b'");
  Write("sub/b", "steps: 1\ninclude: '../a'");
  const std::string a = std::filesystem::weakly_canonical(folder_ / "a").string();
  const std::string b = std::filesystem::weakly_canonical(folder_ / "sub/b").string();
  EXPECT_EQ(ErrorOf("a"), StrCat((folder_ / "sub/b").string(), ":2:1: include cycle: ", a, " -> ",
                                 b, " -> ", a, "; take one of the includes out"));
  Write("self", "include: 'self'");
  EXPECT_THAT(ErrorOf("self"), HasSubstr(":1:1: include cycle"));
}

TEST_F(LoadConfigTest, IncludeMustStandAlone) {
  Write("base", "");
  const std::string message = "write an include on a line of its own";
  Write("run", "steps: 1 include: 'base'");
  EXPECT_EQ(ErrorOf("run"), StrCat(Path("run"), ":1:10: ", message));
  Write("run", "include: 'base' steps: 1");
  EXPECT_EQ(ErrorOf("run"), StrCat(Path("run"), ":1:1: ", message));
  Write("run", "include:\n  'base'");
  EXPECT_EQ(ErrorOf("run"), StrCat(Path("run"), ":1:1: ", message));
  Write("run", "include: base");
  EXPECT_THAT(ErrorOf("run"),
              HasSubstr(":1:1: cadmus.example.ExampleConfig has no field \"include\""));
}

TEST_F(LoadConfigTest, IncludeInCommentsAndStringsIsText) {
  Write("run", "# include: 'absent'\nname: \"include: 'absent'\"\n");
  EXPECT_EQ(Load("run").name(), "include: 'absent'");
}

TEST_F(LoadConfigTest, PlacesInErrorsCountTheLinesOfTheFile) {
  Write("base", "\n\nstepz: 1");
  Write("run", "steps: 1\ninclude: 'base'\n");
  EXPECT_EQ(ErrorOf("run"),
            StrCat(Path("base"),
                   ":3:1: cadmus.example.ExampleConfig has no field \"stepz\"; did you mean "
                   "\"steps\"?"));
  Write("base", "");
  Write("run", "steps: 1\ninclude: 'base'\ninclude: 'base'\n\n  seed: x");
  EXPECT_EQ(ErrorOf("run"),
            StrCat(Path("run"),
                   ":5:9: field \"seed\" of cadmus.example.ExampleConfig expects an "
                   "integer from 0 (uint64), got x"));
}

TEST_F(LoadConfigTest, WrongOverridesAreNamed) {
  Write("run", "");
  EXPECT_THAT(
      ErrorOf("run", {"steps=1", "sead=2"}),
      StartsWith("--set sead=2: cadmus.example.ExampleConfig has no field \"sead\"; did you"));
}

TEST_F(LoadConfigTest, RequiredFieldsMustBeSetSomewhere) {
  Write("run", "source { path: 'a' }");
  example::StrictConfig config;
  EXPECT_EQ(ConfigErrorOf([&] { LoadConfig(folder_ / "run", {}, config); }),
            StrCat(Path("run"), ": set the required fields of cadmus.example.StrictConfig: steps"));
  const std::vector<std::string> overrides = {"steps=2"};
  LoadConfig(folder_ / "run", overrides, config);
  EXPECT_EQ(config.steps(), 2);
}

TEST_F(LoadConfigTest, ConfigToTextSpellsOutDefaultsAndKeepsAbsence) {
  Write("run", "optimizer { }\nsources { path: 'é' }");
  EXPECT_EQ(ConfigToText(Load("run")),
            "steps: 100\n"
            "name: \"run\"\n"
            "overlap: true\n"
            "precision: BF16\n"
            "optimizer {\n"
            "  lr: 0.001\n"
            "  beta1: 0.9\n"
            "}\n"
            "sources {\n"
            "  path: \"é\"\n"
            "  weight: 1\n"
            "}\n");
}

TEST_F(LoadConfigTest, ConfigToTextReloadsToTheSameValues) {
  Write("run",
        "steps: -3 seed: 18446744073709551615 name: 'a\\n\"\\377' overlap: false precision: F64\n"
        "optimizer { lr: 0.1 beta1: 0.1 schedule: [1e-300, 0.3333333333333333, inf, -0.0] }\n"
        "sources { path: 'x' } sources { } tags: 'include: \"y\"' precisions: [F32, F64]\n"
        "key: '\\000\\001\\377' max_tokens: -9223372036854775808 sizes: [1, 2]");
  const ExampleConfig config = Load("run");
  const std::string text = ConfigToText(config);
  Write("stored", text);
  const ExampleConfig reloaded = Load("stored");
  EXPECT_EQ(ConfigToText(reloaded), text);
  EXPECT_EQ(reloaded.optimizer().SerializeAsString(), config.optimizer().SerializeAsString());
  EXPECT_EQ(reloaded.name(), config.name());
  EXPECT_EQ(reloaded.key(), config.key());
  EXPECT_EQ(reloaded.max_tokens(), config.max_tokens());
  EXPECT_EQ(reloaded.sources(1).weight(), 1);
  EXPECT_TRUE(reloaded.sources(1).has_weight());
}

}  // namespace
}  // namespace cadmus
