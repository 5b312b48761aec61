// SPDX-License-Identifier: Apache-2.0
#include "launch/config/apply_override.h"

#include <gtest/gtest.h>

#include "launch/config/parse_text.h"
#include "tests/launch/config/config_error.h"
#include "tests/launch/config/example_config.pb.h"

namespace cadmus {
namespace {

using example::ExampleConfig;

ExampleConfig With(std::string_view override, const std::string& before = "") {
  ExampleConfig config;
  ParseText("before", before, config);
  ApplyOverride(override, config);
  return config;
}

std::string ErrorOf(std::string_view override) {
  return ConfigErrorOf([&] { With(override); });
}

TEST(ApplyOverride, SetsFieldsOfEveryKind) {
  EXPECT_EQ(With("steps=-7", "steps: 1").ShortDebugString(), "steps: -7");
  EXPECT_EQ(With("seed=18446744073709551615").seed(), 18446744073709551615u);
  EXPECT_EQ(With("optimizer.lr=3e-4", "optimizer { beta1: 0.5 }").ShortDebugString(),
            "optimizer { lr: 0.0003 beta1: 0.5 }");
  EXPECT_EQ(With("overlap=false").ShortDebugString(), "overlap: false");
  EXPECT_EQ(With("precision=F64").ShortDebugString(), "precision: F64");
}

TEST(ApplyOverride, StringsNeedNoQuotes) {
  EXPECT_EQ(With("name=my run=1, \\n").name(), "my run=1, \\n");
  EXPECT_EQ(With("name=\"a\\tb\"").name(), "a\tb");
  EXPECT_EQ(With("name='it'").name(), "it");
  EXPECT_EQ(With("name=", "name: 'x'").name(), "");
  EXPECT_TRUE(With("name=").has_name());
}

TEST(ApplyOverride, OneValueAppendsToAListAndBracketsReplaceIt) {
  EXPECT_EQ(With("sizes=3", "sizes: [1, 2]").ShortDebugString(), "sizes: 1 sizes: 2 sizes: 3");
  EXPECT_EQ(With("sizes=[4, 5]", "sizes: [1, 2]").ShortDebugString(), "sizes: 4 sizes: 5");
  EXPECT_EQ(With("sizes=[]", "sizes: [1, 2]").sizes_size(), 0);
  EXPECT_EQ(With("tags=[a b, 'c, d', e]", "tags: 'x'").ShortDebugString(),
            "tags: \"a b\" tags: \"c, d\" tags: \"e\"");
  EXPECT_EQ(With("precisions=[F32,BF16]").precisions_size(), 2);
  EXPECT_EQ(With("sources=[{path: 'a', weight: 2}, {path: 'b'}]").ShortDebugString(),
            "sources { path: \"a\" weight: 2 } sources { path: \"b\" }");
}

TEST(ApplyOverride, BracesMergeIntoAMessage) {
  EXPECT_EQ(With("optimizer={lr: 2}", "optimizer { lr: 1 beta1: 0.5 }").ShortDebugString(),
            "optimizer { lr: 2 beta1: 0.5 }");
  EXPECT_EQ(With("sources={path: 'b'}", "sources { path: 'a' }").sources_size(), 2);
  EXPECT_EQ(With("early.lr=2", "max_tokens: 3").ShortDebugString(), "early { lr: 2 }");
}

TEST(ApplyOverride, UnknownFieldsNameTheOverride) {
  EXPECT_EQ(
      ErrorOf("optimizer.lrr=1"),
      "--set optimizer.lrr=1: cadmus.example.OptimizerConfig has no field \"lrr\"; did you mean "
      "\"lr\"?");
  EXPECT_EQ(
      ErrorOf("optimiser.lr=1"),
      "--set optimiser.lr=1: cadmus.example.ExampleConfig has no field \"optimiser\"; did you "
      "mean \"optimizer\"?");
  EXPECT_EQ(
      ErrorOf("optimizer={lrr: 1}"),
      "--set optimizer={lrr: 1}:1:2: cadmus.example.OptimizerConfig has no field \"lrr\"; did "
      "you mean \"lr\"?");
}

TEST(ApplyOverride, WrongTypesNameTheOverrideAndTheExpectedType) {
  EXPECT_EQ(ErrorOf("steps=1.5"),
            "--set steps=1.5: field \"steps\" of cadmus.example.ExampleConfig expects an integer "
            "(int32), got 1.5");
  EXPECT_EQ(ErrorOf("steps=3 seed: 4"),
            "--set steps=3 seed: 4: field \"steps\" of cadmus.example.ExampleConfig expects an "
            "integer (int32), got 3 seed: 4");
  EXPECT_EQ(ErrorOf("steps="),
            "--set steps=: field \"steps\" of cadmus.example.ExampleConfig expects an integer "
            "(int32), got nothing");
  EXPECT_EQ(
      ErrorOf("precision=bf16"),
      "--set precision=bf16: field \"precision\" of cadmus.example.ExampleConfig expects one of "
      "F32, BF16, F64, got bf16; did you mean \"BF16\"?");
  EXPECT_EQ(
      ErrorOf("optimizer=3"),
      "--set optimizer=3: field \"optimizer\" of cadmus.example.ExampleConfig expects fields of "
      "cadmus.example.OptimizerConfig in { }, got 3");
  EXPECT_EQ(ErrorOf("steps=[1]"),
            "--set steps=[1]: field \"steps\" of cadmus.example.ExampleConfig expects an integer "
            "(int32), got [1]");
}

TEST(ApplyOverride, PathsThatLeadNowhereAreRefused) {
  EXPECT_EQ(ErrorOf("steps"), "--set steps: write it as name=value");
  EXPECT_EQ(ErrorOf("=3"), "--set =3: write it as name=value");
  EXPECT_EQ(ErrorOf("steps.x=3"),
            "--set steps.x=3: \"steps\" of cadmus.example.ExampleConfig has no fields of its own");
  EXPECT_EQ(ErrorOf("sources.path=a"),
            "--set sources.path=a: \"sources\" is a list; set it whole: sources=[…]");
  EXPECT_EQ(ErrorOf("sizes=[1, 2"), "--set sizes=[1, 2: the list lacks its closing ]");
  EXPECT_EQ(
      ErrorOf("sizes=[1,,2]"),
      "--set sizes=[1,,2]: field \"sizes\" of cadmus.example.ExampleConfig expects an integer "
      "(int32), got nothing");
}

}  // namespace
}  // namespace cadmus
