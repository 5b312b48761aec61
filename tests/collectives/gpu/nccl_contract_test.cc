// SPDX-License-Identifier: Apache-2.0
// The communicator contract over NCCL, with one rank.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "collectives/local/local_world.h"
#include "tests/collectives/gpu/nccl_contract.h"

namespace cadmus {
namespace {

class NcclOneRank : public ::testing::TestWithParam<std::tuple<StreamMode, ContractCase>> {};

TEST_P(NcclOneRank, Holds) {
  LocalWorld world(1);
  RunOverNccl(world.bootstrap(0), std::get<0>(GetParam()), std::get<1>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Contract, NcclOneRank, NcclCases(), [](const auto& test) {
  return StrCat(std::get<0>(test.param).name, std::get<1>(test.param).name);
});

TEST(NcclCommunicator, RegistersWhatItAllocatesOnce) {
  LocalWorld host(1);
  const auto nccl = StartNcclOrSkip(host.bootstrap(0));
  if (nccl == nullptr) return;
  const auto device = OpenDevice({.kind = DeviceKind::kCuda, .memory_bytes = int64_t{16} << 20});
  const auto world = nccl->Connect(*device, ContractOptions());
  const auto stream = device->NewStream(StreamKind::kCompute, "test");
  for (int i = 0; i < 3; ++i) {
    const Tensor buffer =
        world->Allocate(DType::kF32, {1 << 20}, MemoryCategory::kCommunication, *stream);
    device->FillZero(buffer, *stream);
    world->AllReduce({.buffer = buffer, .site = "registered"}, *stream);
    stream->Synchronize(std::chrono::seconds(60));
  }
}

TEST(NcclCommunicator, RefusesToRevokeByName) {
  LocalWorld host(1);
  const auto nccl = StartNcclOrSkip(host.bootstrap(0));
  if (nccl == nullptr) return;
  const auto device = OpenDevice({.kind = DeviceKind::kCuda, .memory_bytes = int64_t{16} << 20});
  const auto world = nccl->Connect(*device, ContractOptions());
  try {
    world->Revoke("a test");
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kCommunication);
    EXPECT_THAT(error.message(), ::testing::HasSubstr("neither revoked nor rebuilt"));
  }
}

}  // namespace
}  // namespace cadmus
