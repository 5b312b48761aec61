// SPDX-License-Identifier: Apache-2.0
// Plans of cuDNN's attention for an H200 that is not here: the library makes them of a GPU's
// properties, compiles their kernels and says their workspace. The driver's place, which it loads
// them into, is taken by stand_in_driver.cc.
#include <dlfcn.h>
#include <gmock/gmock.h>

#include "kernels/base/error.h"
#include "kernels/cuda/cudnn_attention_graph.h"
#include "kernels/ops/cudnn_choice.h"

namespace cadmus::cuda {
namespace {

// What cuDNN says of an H200, in its own words.
constexpr const char* kH200 = R"({
  "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64],
  "regsPerBlock": 65536, "multiProcessorCount": 132, "warpSize": 32,
  "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
  "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "maxCtasPerSM": 32,
  "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "pciDeviceId": 0, "isTccDriver": 0,
  "supportCoopLaunch": 1, "totalGlobalMem": 150754820096, "smClockRateKHz": 1980000,
  "memClockRateKHz": 3201000, "l2CacheSize": 62914560, "cudaDeviceId": 0, "deviceVer": 900,
  "driverVer": 13000, "deviceName": "NVIDIA H200"})";

class CudnnPlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // By path: what asks for them by soname then finds them loaded.
    for (const char* path : {CADMUS_STAND_IN_DRIVER, CADMUS_CUDA_LIBRARIES "/libnvrtc.so.13",
                             CADMUS_CUDA_LIBRARIES "/libcudnn.so.9"}) {
      ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    try {
      LoadCudnn();
    } catch (const Error& error) {
      GTEST_SKIP() << error.message();
    }
  }

  // Each plan throws where the library asks for more than is stated.
  static void ExpectPlans(AttentionSpec spec) {
    spec.dtype = DType::kBF16;
    spec.scale = 0.1;
    ASSERT_EQ(CudnnAttentionRefusal(spec, 90), "");
    const CudnnTarget target = CudnnTarget::Properties(kH200);
    const CudnnAttentionForward forward = PlanCudnnForward(spec, target);
    EXPECT_LE(forward.plan.workspace_bytes(), CudnnForwardWorkspaceBytes(spec));
    const CudnnAttentionBackward backward = PlanCudnnBackward(spec, target);
    const int64_t stated = CudnnBackwardWorkspaceBytes(spec) - LayOutCudnnBackward(spec).library_at;
    EXPECT_LE(backward.plan.workspace_bytes(), stated);
    // Nor is it stated far too high: plans of memory are held against what is used.
    EXPECT_GE(backward.plan.workspace_bytes(), stated - (int64_t{64} << 10));
  }
};

TEST_F(CudnnPlanTest, HasTheStatedWorkspaceForALayerOfALlama) {
  ExpectPlans(
      {.batch = 1,
       .query_length = 8192,
       .key_length = 8192,
       .num_heads = 32,
       .num_kv_heads = 8,
       .head_dim = 128,
       .token_strides = {.q = 6144, .k = 6144, .v = 6144, .dq = 6144, .dk = 6144, .dv = 6144}});
}

TEST_F(CudnnPlanTest, HasTheStatedWorkspaceWhereBitsNeedNotRepeat) {
  ExpectPlans({.batch = 2,
               .query_length = 4096,
               .key_length = 4096,
               .num_heads = 16,
               .num_kv_heads = 16,
               .head_dim = 64,
               .reproducibility = Reproducibility::kFast});
}

TEST_F(CudnnPlanTest, HasTheStatedWorkspaceForOddLengthsWithoutAMask) {
  ExpectPlans({.batch = 3,
               .query_length = 1001,
               .key_length = 777,
               .num_heads = 6,
               .num_kv_heads = 2,
               .head_dim = 72,
               .mask = AttentionMask::kFull});
}

TEST_F(CudnnPlanTest, HasTheStatedWorkspaceForAWindowAndLargeHeads) {
  ExpectPlans({.batch = 1,
               .query_length = 333,
               .key_length = 333,
               .num_heads = 4,
               .num_kv_heads = 1,
               .head_dim = 256,
               .window = 100});
}

}  // namespace
}  // namespace cadmus::cuda
