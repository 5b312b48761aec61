// SPDX-License-Identifier: Apache-2.0
// The plan of a trillion parameters on 131,072 ranks: seconds on a laptop, and little memory.
#include <gtest/gtest.h>

#include <ctime>

#include "launch/config/load_config.h"
#include "launch/config/run_config.pb.h"
#include "launch/plan/run_plan.h"

namespace cadmus {
namespace {

// The bar is the product's; a build without optimisation, as for sanitizers, is ten times as slow.
#ifdef __OPTIMIZE__
constexpr double kSecondsAllowed = 20;
#else
constexpr double kSecondsAllowed = 200;
#endif

TEST(PlanScale, TrillionParametersOn131072RanksArePlannedInSeconds) {
  RunConfig config;
  LoadConfig(CADMUS_SOURCE_DIR "/launch/recipes/llama-1t.textproto", {}, config);
  ASSERT_EQ(WorldSizeOf(config), 131072);
  const std::clock_t start = std::clock();
  const RunPlan plan = MakePlan(config, 131072);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds, kSecondsAllowed);
  RecordProperty("milliseconds", static_cast<int>(seconds * 1000));
  EXPECT_GE(plan.num_parameters, 1'000'000'000'000);
  EXPECT_LT(plan.num_parameters, 1'010'000'000'000);
  EXPECT_EQ(plan.num_micro_batches, 16);
  EXPECT_EQ(plan.pipeline_ranks.size(), 16u);
  EXPECT_TRUE(plan.fits());
}

}  // namespace
}  // namespace cadmus
