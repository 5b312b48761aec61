// SPDX-License-Identifier: Apache-2.0
// Linked by a GPU test binary whose main is that of mpirun's: skips all of its tests, by name,
// where there is no GPU.
#include <gtest/gtest.h>

#include "kernels/base/error.h"
#include "kernels/cuda/device.h"

namespace cadmus {
namespace {

class NeedsGpu final : public ::testing::Environment {
  void SetUp() override {
    try {
      cuda::OpenCudaDevice(1 << 20);
    } catch (const Error& error) {
      if (error.kind() != Kind::kConfig) throw;
      GTEST_SKIP() << error.message();
    }
  }
};

const ::testing::Environment* const kNeedsGpu = ::testing::AddGlobalTestEnvironment(new NeedsGpu);

}  // namespace
}  // namespace cadmus
