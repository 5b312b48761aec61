// SPDX-License-Identifier: Apache-2.0
// The quickstart on the device follows the CPU's loss curve: both train here, the same steps.
#include <gtest/gtest.h>

#include "launch/config/run_config.pb.h"
#include "tests/launch/gpu/device_training.h"
#include "tests/launch/run/training_fixture.h"
#include "tests/support/test_device.h"

namespace cadmus {
namespace {

void ExpectSameCurve(PrecisionConfig::Storage storage, double bound) {
  const Stretch steps = {.end = kTestDevice == DeviceKind::kCpu ? 6 : 20};
  const TemporaryFolder folder;
  const auto data = UnevenDocuments(folder.path(), 131);
  RunConfig config = QuickstartRun();
  config.mutable_precision()->set_storage(storage);
  const Trained on_cpu = Train(config, DeviceKind::kCpu, data, steps);
  const Trained on_device = Train(config, kTestDevice, data, steps);
  ASSERT_EQ(on_device.losses.size(), on_cpu.losses.size());
  for (size_t step = 0; step < on_cpu.losses.size(); ++step) {
    EXPECT_NEAR(on_device.losses[step], on_cpu.losses[step], bound * on_cpu.losses[step])
        << "step " << step;
  }
  EXPECT_LT(on_cpu.losses.back(), on_cpu.losses.front()) << "a curve that does not fall";
}

TEST(LossCurve, IsThatOfTheCpuInF32) { ExpectSameCurve(PrecisionConfig::F32, 1e-3); }

TEST(LossCurve, IsThatOfTheCpuInBf16) { ExpectSameCurve(PrecisionConfig::BF16, 1e-2); }

}  // namespace
}  // namespace cadmus
