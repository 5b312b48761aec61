// SPDX-License-Identifier: Apache-2.0
#include "runtime/metrics/step_line.h"

#include <gmock/gmock.h>

#include <limits>

namespace cadmus {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr StepMetrics kMetrics = {.step = 120,
                                  .total_steps = 1000,
                                  .loss = 3.21454,
                                  .gradient_norm = 0.912,
                                  .learning_rate = 3e-4,
                                  .tokens = 1'764'000,
                                  .seconds = 4.28,
                                  .recent_seconds = 4.25,
                                  .mfu = 0.4312,
                                  .memory_bytes = 76'450'418'000};

TEST(StepLine, ReadsAsTheManualSays) {
  EXPECT_EQ(FormatStepLine(kMetrics),
            "step 120/1000 loss 3.2145 gnorm 0.91 lr 3.0e-4 tok/s 412k mfu 43.1% mem 71.2GiB "
            "eta 1h02m");
}

TEST(StepLine, SaysWhereNoPeakIsStated) {
  StepMetrics metrics = kMetrics;
  metrics.mfu.reset();
  EXPECT_THAT(FormatStepLine(metrics), HasSubstr(" mfu n/a mem "));
}

TEST(StepLine, LearningRatesAreShort) {
  const auto line = [](double learning_rate) {
    StepMetrics metrics = kMetrics;
    metrics.learning_rate = learning_rate;
    return FormatStepLine(metrics);
  };
  EXPECT_THAT(line(0), HasSubstr(" lr 0 tok"));
  EXPECT_THAT(line(0.1), HasSubstr(" lr 1.0e-1 tok"));
  EXPECT_THAT(line(1), HasSubstr(" lr 1.0e0 tok"));
  EXPECT_THAT(line(25), HasSubstr(" lr 2.5e1 tok"));
  EXPECT_THAT(line(1e-10), HasSubstr(" lr 1.0e-10 tok"));
}

TEST(StepLine, NumbersTakeTheLetterThatKeepsThemShort) {
  const auto line = [](int64_t tokens, int64_t bytes) {
    return FormatStepLine({.tokens = tokens, .seconds = 1, .memory_bytes = bytes});
  };
  EXPECT_THAT(line(0, 0), HasSubstr("tok/s 0 mfu n/a mem 0B"));
  EXPECT_THAT(line(999, 1023), HasSubstr("tok/s 999 mfu n/a mem 1023B"));
  EXPECT_THAT(line(1000, 1024), HasSubstr("tok/s 1.00k mfu n/a mem 1.0KiB"));
  EXPECT_THAT(line(41'234, 1'048'575), HasSubstr("tok/s 41.2k mfu n/a mem 1.0MiB"));
  EXPECT_THAT(line(999'999, 3 << 20), HasSubstr("tok/s 1.00M mfu n/a mem 3.0MiB"));
  EXPECT_THAT(line(12'345'678'901, int64_t{3} << 40), HasSubstr("tok/s 12.3G mfu n/a mem 3.0TiB"));
}

TEST(StepLine, TheEndIsEstimatedFromRecentSteps) {
  const auto line = [](int64_t steps_left, double seconds) {
    return FormatStepLine({.step = 10, .total_steps = 10 + steps_left, .seconds = seconds});
  };
  EXPECT_THAT(line(0, 9), EndsWith(" eta 0s"));
  EXPECT_THAT(line(10, 4.2), EndsWith(" eta 42s"));
  EXPECT_THAT(line(1, 59.6), EndsWith(" eta 1m00s"));
  EXPECT_THAT(line(100, 7.25), EndsWith(" eta 12m05s"));
  EXPECT_THAT(line(1, 86399), EndsWith(" eta 23h59m"));
  EXPECT_THAT(line(1, 3 * 86400 + 4 * 3600), EndsWith(" eta 3d04h"));
}

TEST(StepLine, WhatIsNotFiniteIsPrintedAsItIs) {
  StepMetrics metrics = kMetrics;
  metrics.loss = std::numeric_limits<double>::quiet_NaN();
  metrics.gradient_norm = std::numeric_limits<double>::infinity();
  metrics.recent_seconds = std::numeric_limits<double>::infinity();
  EXPECT_THAT(FormatStepLine(metrics), HasSubstr("loss nan gnorm inf"));
  EXPECT_THAT(FormatStepLine(metrics), EndsWith(" eta ?"));
}

}  // namespace
}  // namespace cadmus
