// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collectives/nccl/nccl_bootstrap.h"
#include "collectives/sim/sim_communicator.h"
#include "kernels/base/error.h"

namespace cadmus {
namespace {

TEST(NoNccl, SaysTheRemedy) {
  SimBootstrap host(0, 1);
  try {
    StartNccl(host);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("-DCADMUS_NCCL=ON"));
  }
  EXPECT_EQ(FindNccl().version, 0);
  EXPECT_THAT(FindNccl().problem, ::testing::HasSubstr("communication.transport = MPI"));
}

TEST(NoNccl, ItsVersionsAreReadAllTheSame) { EXPECT_EQ(NcclVersionInWords(22809), "NCCL 2.28.9"); }

}  // namespace
}  // namespace cadmus
