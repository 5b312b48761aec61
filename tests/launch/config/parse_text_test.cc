// SPDX-License-Identifier: Apache-2.0
#include "launch/config/parse_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/base/philox.h"
#include "tests/launch/config/config_error.h"
#include "tests/launch/config/example_config.pb.h"

namespace cadmus {
namespace {

using example::ExampleConfig;
using ::testing::StartsWith;

class Random {
 public:
  explicit Random(uint64_t seed) : key_(DeriveKey(seed, 0, 0)) {}
  int Below(int bound) { return static_cast<int>(Philox(key_, {counter_++, 0, 0, 0})[0] % bound); }

 private:
  PhiloxKey key_;
  uint32_t counter_ = 0;
};

std::string ErrorIn(const std::string& text) {
  ExampleConfig config;
  return ConfigErrorOf([&] { ParseText("run.textproto", text, config); });
}

TEST(ParseText, EmptyTextChangesNothing) {
  ExampleConfig config;
  ParseText("run.textproto", "", config);
  ParseText("run.textproto", "# only a comment", config);
  EXPECT_EQ(config.ByteSizeLong(), 0u);
}

TEST(ParseText, ReplacesScalarsMergesMessagesAppendsToLists) {
  ExampleConfig config;
  ParseText("a", "steps: 1 seed: 2 optimizer { lr: 1 beta1: 0.5 } tags: 'x'", config);
  ParseText("b", "steps: 3 optimizer { lr: 2 } tags: ['y', 'z']", config);
  EXPECT_EQ(config.ShortDebugString(),
            "steps: 3 seed: 2 optimizer { lr: 2 beta1: 0.5 } tags: \"x\" tags: \"y\" tags: \"z\"");
}

TEST(ParseText, UnknownFieldNamesPlaceTypeAndNearestField) {
  EXPECT_EQ(ErrorIn("steps: 3\n  stepz: 4"),
            "run.textproto:2:3: cadmus.example.ExampleConfig has no field \"stepz\"; did you mean "
            "\"steps\"?");
  EXPECT_EQ(ErrorIn("optimizer {\n  lrr: 1\n}"),
            "run.textproto:2:3: cadmus.example.OptimizerConfig has no field \"lrr\"; did you mean "
            "\"lr\"?");
}

TEST(ParseText, UnknownFieldUnlikeAnyListsTheFields) {
  EXPECT_EQ(
      ErrorIn("optimizer < momentum: 1 >"),
      "run.textproto:1:13: cadmus.example.OptimizerConfig has no field \"momentum\"; its fields "
      "are lr, beta1, schedule");
}

TEST(ParseText, UnknownFieldInAListOfMessagesIsFound) {
  EXPECT_EQ(
      ErrorIn("precisions: [F32, 1] sources: [{path: 'a'}, {pth: 'b'}]"),
      "run.textproto:1:46: cadmus.example.Source has no field \"pth\"; did you mean \"path\"?");
  EXPECT_EQ(ErrorIn("sources { path: 'a' weight: 1 } sources { wight: 2 }"),
            "run.textproto:1:43: cadmus.example.Source has no field \"wight\"; did you mean "
            "\"weight\"?");
}

TEST(ParseText, IncludeInsideAMessageIsExplained) {
  EXPECT_EQ(ErrorIn("optimizer {\n  include: 'x'\n}"),
            "run.textproto:2:3: cadmus.example.OptimizerConfig has no field \"include\"; write "
            "include: \"file\" at the top level, on a line of its own");
}

struct WrongType {
  std::string text;
  std::string place;
  std::string field;
  std::string expected_and_got;
};

TEST(ParseText, WrongTypeNamesPlaceFieldAndExpectedType) {
  const std::string run = "ExampleConfig";
  const std::string optimizer = "OptimizerConfig";
  const std::vector<WrongType> cases = {
      {"\nsteps: abc", "2:8", "\"steps\" of ExampleConfig", "an integer (int32), got abc"},
      {"steps: 1e6", "1:8", "\"steps\" of ExampleConfig", "an integer (int32), got 1e6"},
      {"steps: 99999999999", "1:8", "\"steps\" of ExampleConfig",
       "an integer (int32), got 99999999999"},
      {"steps: -99999999999", "1:9", "\"steps\" of ExampleConfig",
       "an integer (int32), got -99999999999"},
      {"steps:", "1:7", "\"steps\" of ExampleConfig",
       "an integer (int32), got the end of the text"},
      {"steps {", "1:7", "\"steps\" of ExampleConfig", "an integer (int32), got {"},
      {"max_tokens: 'x'", "1:13", "\"max_tokens\" of ExampleConfig", "an integer (int64), got 'x'"},
      {"seed: -1", "1:7", "\"seed\" of ExampleConfig", "an integer from 0 (uint64), got -1"},
      {"optimizer { lr: abc }", "1:17", "\"lr\" of OptimizerConfig", "a number, got abc"},
      {"optimizer { schedule: [1, 'b'] }", "1:27", "\"schedule\" of OptimizerConfig",
       "a number, got 'b'"},
      {"sizes: [1, a]", "1:12", "\"sizes\" of ExampleConfig", "an integer (int32), got a"},
      {"name: foo", "1:7", "\"name\" of ExampleConfig", "a string in quotes, got foo"},
      {"overlap: yes\nsteps: 1", "1:10", "\"overlap\" of ExampleConfig", "true or false, got yes"},
      {"overlap: 3", "1:10", "\"overlap\" of ExampleConfig", "true or false, got 3"},
      {"precision: F16\n\n\nsteps: 1", "1:12", "\"precision\" of ExampleConfig",
       "one of F32, BF16, F64, got F16; did you mean \"BF16\"?"},
      {"precisions: [F32, Q4]", "1:19", "\"precisions\" of ExampleConfig",
       "one of F32, BF16, F64, got Q4"},
      {"precision: 7", "1:12", "\"precision\" of ExampleConfig", "one of F32, BF16, F64, got 7"},
      {"precision: 'F32'", "1:12", "\"precision\" of ExampleConfig",
       "one of F32, BF16, F64, got 'F32'; did you mean \"F32\"?"},
      {"optimizer: 3", "1:12", "\"optimizer\" of ExampleConfig",
       "fields of cadmus.example.OptimizerConfig in { }, got 3"},
      {"optimizer 3", "1:11", "\"optimizer\" of ExampleConfig",
       "fields of cadmus.example.OptimizerConfig in { }, got 3"},
  };
  for (const WrongType& c : cases) {
    std::string field = c.field;
    field.replace(field.find(" of ") + 4, 0, "cadmus.example.");
    EXPECT_EQ(ErrorIn(c.text),
              "run.textproto:" + c.place + ": field " + field + " expects " + c.expected_and_got);
  }
}

TEST(ParseText, ValuesBeforeTheMistakeAreNotBlamed) {
  EXPECT_EQ(
      ErrorIn("precision: 2 precisions: [F32, 1] overlap: t name: 'a' \"b\" steps: x"),
      "run.textproto:1:67: field \"steps\" of cadmus.example.ExampleConfig expects an integer "
      "(int32), got x");
}

TEST(ParseText, FieldThatStandsTwiceIsRefused) {
  EXPECT_EQ(ErrorIn("steps: 1\nsteps: 2"),
            "run.textproto:2:1: Non-repeated field \"steps\" is specified multiple times.");
  EXPECT_EQ(ErrorIn("optimizer { lr: 1 }\noptimizer { lr: 2 }"),
            "run.textproto:2:1: Non-repeated field \"optimizer\" is specified multiple times.");
  EXPECT_EQ(
      ErrorIn("max_tokens: 1\n early { }"),
      "run.textproto:2:2: Field \"early\" is specified along with field \"max_tokens\", another "
      "member of oneof \"stop\".");
}

TEST(ParseText, SyntaxErrorsNameTheirPlace) {
  EXPECT_EQ(ErrorIn("optimizer {\n  lr: 1\n"), "run.textproto:3:1: Expected identifier, got: ");
  EXPECT_EQ(ErrorIn("steps: 3 }"), "run.textproto:1:10: Expected identifier, got: }");
  EXPECT_EQ(ErrorIn("name: \"a"), "run.textproto:1:9: Unexpected end of string.");
  EXPECT_EQ(ErrorIn("sizes: [1, 2"), "run.textproto:1:13: Expected \",\", found \"\".");
  EXPECT_EQ(ErrorIn("steps 3"), "run.textproto:1:7: Expected \":\", found \"3\".");
  EXPECT_EQ(ErrorIn("@"), "run.textproto:1:1: Expected identifier, got: @");
}

TEST(ParseText, CorruptTextIsReadOrRefusedInWords) {
  const std::string text =
      "steps: -3 name: 'a' overlap: t precision: F64 optimizer { lr: 1 schedule: [1, -2.5] }\n"
      "sources: [{path: 'x'}, < weight: 2 >] precisions: [F32, 2] early: { lr: 1 }  # end";
  const std::string characters = "{}<>[]:,-'\"#\n\t ax19._\\";
  Random random(9);
  int num_refused = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    std::string corrupt = text;
    const int num_changes = 1 + random.Below(3);
    for (int i = 0; i < num_changes; ++i) {
      const char c = characters[random.Below(static_cast<int>(characters.size()))];
      corrupt[random.Below(static_cast<int>(corrupt.size()))] = c;
    }
    if (random.Below(4) == 0) corrupt.resize(random.Below(static_cast<int>(corrupt.size())));
    ExampleConfig config;
    try {
      ParseText("run.textproto", corrupt, config);
    } catch (const Error& error) {
      ++num_refused;
      ASSERT_EQ(error.kind(), Kind::kConfig);
      ASSERT_THAT(error.message(), StartsWith("run.textproto:")) << corrupt;
    }
  }
  EXPECT_GT(num_refused, 2000);
}

TEST(ParseText, MissingRequiredFieldsAreLeftToTheCaller) {
  example::StrictConfig config;
  ParseText("run.textproto", "source { path: 'a' }", config);
  EXPECT_FALSE(config.has_steps());
}

}  // namespace
}  // namespace cadmus
