// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/timing/result_line.h"

#include <gmock/gmock.h>

#include <array>
#include <nlohmann/json.hpp>

#include "tests/benchmarks/fake_machine.h"

namespace cadmus::timing {
namespace {

TEST(TimingStatistics, TheMedianOfAnEvenNumberLiesBetweenTheTwoInTheMiddle) {
  const Summary odd = Summarise(std::array{3.0, 1.0, 2.0});
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.min, 1);
  EXPECT_EQ(odd.max, 3);
  EXPECT_EQ(odd.spread(), 1);
  EXPECT_EQ(Summarise(std::array{4.0, 1.0, 2.0, 3.0}).median, 2.5);
}

TEST(TimingResultLine, SaysAllThatWasMeasuredInOneLine) {
  FakeMachine machine;
  const Contestant a{"ours", [&](int64_t) { machine.Enqueue(1e-3); }};
  const Contestant b{"theirs", [&](int64_t) { machine.Enqueue(2e-3); }};
  const Measurement measurement = Measure(a, &b, Protocol{}, machine);
  const std::string text = ResultLine("a \"case\"", a.name, &b.name, measurement,
                                      {.numbers = {{"tflops", 3.5}}, .words = {{"kernel", "k"}}});
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto line = nlohmann::json::parse(text);
  EXPECT_EQ(line["case"], "a \"case\"");
  EXPECT_EQ(line["b"], "theirs");
  EXPECT_EQ(line["trusted"], true);
  EXPECT_NEAR(line["ratio"].get<double>(), 0.5, 1e-9);
  EXPECT_EQ(line["tflops"], 3.5);
  EXPECT_EQ(line["kernel"], "k");
  EXPECT_EQ(line["blocks"].size(), 16U);
  EXPECT_EQ(line["blocks"][1]["side"], "B");
  EXPECT_EQ(line["blocks"][1]["sm_mhz"], 1755);

  const auto alone = nlohmann::json::parse(
      ResultLine("alone", a.name, nullptr, Measure(a, nullptr, Protocol{}, machine), {}));
  EXPECT_TRUE(alone["b"].is_null());
  EXPECT_FALSE(alone.contains("ratio"));
  EXPECT_EQ(alone["control_blocks"].size(), 16U);
}

}  // namespace
}  // namespace cadmus::timing
