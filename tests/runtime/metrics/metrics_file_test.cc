// SPDX-License-Identifier: Apache-2.0
#include "runtime/metrics/metrics_file.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

StepMetrics MetricsOf(int64_t step) {
  return {.step = step,
          .total_steps = 10,
          .loss = 10.0 / (3 + static_cast<double>(step)),
          .gradient_norm = 0.1,
          .learning_rate = 3e-4,
          .tokens = 512,
          .seconds = 0.5,
          .memory_bytes = 4096};
}

std::string LinesOf(int64_t first, int64_t last) {
  std::string lines;
  for (int64_t step = first; step <= last; ++step) lines += MetricsLine(MetricsOf(step)) + "\n";
  return lines;
}

class MetricsFileTest : public ::testing::Test {
 protected:
  std::string Text() const { return ReadFile(path_, Kind::kData); }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "metrics.jsonl";
};

TEST(MetricsLine, HasTheStatedKeysInOrder) {
  StepMetrics metrics = MetricsOf(1);
  metrics.mfu = 0.25;
  EXPECT_EQ(MetricsLine(metrics),
            R"({"step":1,"loss":2.5,"gnorm":0.1,"lr":3e-04,"tokens":512,"tok_s":1024,)"
            R"("seconds":0.5,"mfu":0.25,"mem_bytes":4096})");
}

TEST(MetricsLine, OfAGpuSaysWhatLiesBesideTheSlab) {
  StepMetrics metrics = MetricsOf(1);
  EXPECT_FALSE(nlohmann::json::parse(MetricsLine(metrics)).contains("context_bytes"));
  metrics.context_bytes = 724'000'000;
  EXPECT_EQ(nlohmann::json::parse(MetricsLine(metrics)).at("context_bytes"), 724'000'000);
}

TEST(MetricsLine, LeavesOutMfuWhereNoPeakIsStated) {
  EXPECT_FALSE(nlohmann::json::parse(MetricsLine(MetricsOf(1))).contains("mfu"));
}

TEST(MetricsLine, NumbersReadBackToTheSameBits) {
  for (const double value : {1.0 / 3, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1e21, -2.0, 0.0}) {
    StepMetrics metrics = MetricsOf(1);
    metrics.loss = value;
    const auto read = nlohmann::json::parse(MetricsLine(metrics)).at("loss").get<double>();
    EXPECT_EQ(std::bit_cast<uint64_t>(read), std::bit_cast<uint64_t>(value)) << value;
    metrics.loss = std::nextafter(value, std::numeric_limits<double>::infinity());
    if (std::isfinite(metrics.loss)) {
      EXPECT_NE(nlohmann::json::parse(MetricsLine(metrics)).at("loss").get<double>(), value);
    }
  }
}

TEST(MetricsLine, WhatIsNotFiniteIsNull) {
  StepMetrics metrics = MetricsOf(1);
  metrics.loss = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(nlohmann::json::parse(MetricsLine(metrics)).at("loss").is_null());
}

TEST_F(MetricsFileTest, EveryLineIsThereAtOnce) {
  MetricsFile file(path_, 0);
  EXPECT_EQ(Text(), "");
  file.Append(MetricsOf(1));
  EXPECT_EQ(Text(), LinesOf(1, 1));
  file.Append(MetricsOf(2));
  EXPECT_EQ(Text(), LinesOf(1, 2));
}

TEST_F(MetricsFileTest, ResumingDropsWhatTheRunWillWriteAgain) {
  WriteFile(path_, LinesOf(1, 7));
  MetricsFile file(path_, 5);
  EXPECT_EQ(Text(), LinesOf(1, 5));
  file.Append(MetricsOf(6));
  EXPECT_EQ(Text(), LinesOf(1, 6));
}

TEST_F(MetricsFileTest, ResumingDropsATornLastLineAtEveryByte) {
  const std::string whole = LinesOf(1, 3);
  const size_t two_lines = LinesOf(1, 2).size();
  for (size_t size = two_lines; size < whole.size(); ++size) {
    WriteFile(path_, whole.substr(0, size));
    MetricsFile(path_, 9).Append(MetricsOf(3));
    ASSERT_EQ(Text(), whole) << size;
  }
}

TEST_F(MetricsFileTest, ALineOfZerosAfterALossOfPowerIsTorn) {
  WriteFile(path_, LinesOf(1, 2) + std::string(40, '\0') + "\n");
  MetricsFile file(path_, 9);
  EXPECT_EQ(Text(), LinesOf(1, 2));
}

TEST_F(MetricsFileTest, ANewRunStartsAnEmptyFile) {
  WriteFile(path_, LinesOf(1, 3));
  MetricsFile file(path_, 0);
  EXPECT_EQ(Text(), "");
}

TEST_F(MetricsFileTest, AFileThatIsWholeStaysTheSameFile) {
  WriteFile(path_, LinesOf(1, 3));
  const auto before = std::filesystem::last_write_time(path_);
  MetricsFile file(path_, 3);
  EXPECT_EQ(std::filesystem::last_write_time(path_), before);
}

TEST_F(MetricsFileTest, TheEvaluationOfTheLastStepIsFoundAgain) {
  const EvaluationMetrics evaluation =
      Summarize(std::vector<DocumentLoss>{{.loss = 3, .tokens = 2}});
  {
    MetricsFile file(path_, 0);
    file.Append(MetricsOf(1));
    file.Append(1, evaluation, 0.5);
    file.Append(MetricsOf(2));
  }
  EXPECT_EQ(Text(), LinesOf(1, 1) + EvaluationLine(1, evaluation, 0.5) + "\n" + LinesOf(2, 2));
  EXPECT_FALSE(MetricsFile(path_, 2).has_evaluation());
  EXPECT_TRUE(MetricsFile(path_, 1).has_evaluation());
  EXPECT_EQ(Text(), LinesOf(1, 1) + EvaluationLine(1, evaluation, 0.5) + "\n");
  EXPECT_FALSE(MetricsFile(path_, 0).has_evaluation());
}

TEST_F(MetricsFileTest, AFolderThatIsMissingIsNamed) {
  EXPECT_THAT(MessageOf(Kind::kData, [&] { MetricsFile(folder_ / "no/metrics.jsonl", 0); }),
              HasSubstr("no/metrics.jsonl"));
}

}  // namespace
}  // namespace cadmus
