// SPDX-License-Identifier: Apache-2.0
// A run on the device that stops, saves and goes on from its checkpoint ends with the bits of one
// that never stopped.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "launch/config/run_config.pb.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "tests/launch/gpu/device_training.h"
#include "tests/launch/run/training_fixture.h"
#include "tests/support/test_device.h"

namespace cadmus {
namespace {

// The files of tensors, by name.
std::map<std::string, std::string> TensorFiles(const std::filesystem::path& checkpoint) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoint)) {
    if (entry.path().extension() != ".safetensors") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return files;
}

void ExpectBitEqualResume(PrecisionConfig::Storage storage) {
  constexpr int kStop = 2, kEnd = 4;
  const TemporaryFolder folder;
  const auto data = UnevenDocuments(folder.path(), 131);
  const auto whole_run = folder.path() / "whole", parts_run = folder.path() / "parts";
  RunConfig config = QuickstartRun();
  config.mutable_precision()->set_storage(storage);
  const Trained whole = Train(config, kTestDevice, data, {.end = kEnd}, whole_run);
  const Trained stopped = Train(config, kTestDevice, data, {.end = kStop}, parts_run);
  const Trained resumed =
      Train(config, kTestDevice, data, {.first = kStop, .end = kEnd}, parts_run);

  std::vector<double> losses = stopped.losses, norms = stopped.gradient_norms;
  losses.insert(losses.end(), resumed.losses.begin(), resumed.losses.end());
  norms.insert(norms.end(), resumed.gradient_norms.begin(), resumed.gradient_norms.end());
  EXPECT_EQ(losses, whole.losses);
  EXPECT_EQ(norms, whole.gradient_norms);
  const auto tensors = TensorFiles(whole_run / CheckpointName(kEnd));
  EXPECT_FALSE(tensors.empty());
  EXPECT_TRUE(TensorFiles(parts_run / CheckpointName(kEnd)) == tensors)
      << "other weights or moments";
}

TEST(ResumeOnDevice, IsBitEqualInF32) { ExpectBitEqualResume(PrecisionConfig::F32); }

TEST(ResumeOnDevice, IsBitEqualInBf16) { ExpectBitEqualResume(PrecisionConfig::BF16); }

}  // namespace
}  // namespace cadmus
