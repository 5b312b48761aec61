// SPDX-License-Identifier: Apache-2.0
// The communicator contract over MPI, on the CPU or, linked so, on a GPU; and what Open MPI cannot
// do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <tuple>
#include <vector>

#include "kernels/open_device.h"
#include "tests/collectives/communicator/communicator_contract.h"
#include "tests/support/mpi_world.h"
#include "tests/support/test_device.h"

namespace cadmus {
namespace {

std::unique_ptr<Device> OpenTestDevice(CpuStreams streams) {
  DeviceOptions options;
  options.kind = kTestDevice;
  options.memory_bytes = int64_t{16} << 20;
  options.pool = MakeThreadPool(1);
  options.cpu_streams = streams;
  return OpenDevice(options);
}

class MpiContract : public ::testing::TestWithParam<std::tuple<StreamMode, ContractCase>> {};

TEST_P(MpiContract, Holds) {
  const auto [mode, contract_case] = GetParam();
  const auto device = OpenTestDevice(mode.streams);
  const auto world = MpiWorld().Connect(*device, ContractOptions());
  const auto stream = device->NewStream(mode.kind, "test");
  contract_case.run(*world, *stream);
  stream->Synchronize(std::chrono::seconds(60));
}

INSTANTIATE_TEST_SUITE_P(Ranks, MpiContract,
                         ::testing::Combine(::testing::ValuesIn(StreamModes(kTestDevice).begin(),
                                                                StreamModes(kTestDevice).end()),
                                            ::testing::ValuesIn(ContractCases().begin(),
                                                                ContractCases().end())),
                         [](const auto& test) {
                           return StrCat(std::get<0>(test.param).name,
                                         std::get<1>(test.param).name);
                         });

INSTANTIATE_TEST_SUITE_P(Sends, MpiContract,
                         ::testing::Combine(::testing::Values(kStreamModes[0]),
                                            ::testing::ValuesIn(SendContractCases().begin(),
                                                                SendContractCases().end())),
                         [](const auto& test) { return std::get<1>(test.param).name; });

TEST(MpiBootstrap, KnowsItsPlaceOnTheHost) {
  // mpirun of the tests starts all ranks on this machine.
  EXPECT_EQ(MpiWorld().local_rank(), MpiWorld().rank());
  EXPECT_EQ(MpiWorld().local_size(), MpiWorld().size());
}

TEST(MpiBootstrap, RefusesToRevokeByName) {
  const auto device = OpenTestDevice(CpuStreams::kInline);
  const auto world = MpiWorld().Connect(*device, ContractOptions());
  std::vector<int> all(static_cast<size_t>(world->size()));
  std::iota(all.begin(), all.end(), 0);
  for (const auto& call : {std::function<void()>([&] { world->Revoke("a test"); }),
                           std::function<void()>([&] { world->Rebuild(1, all); })}) {
    try {
      call();
      ADD_FAILURE() << "not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kCommunication);
      EXPECT_THAT(error.what(), ::testing::HasSubstr("Open MPI 4.1 can neither revoke"));
    }
  }
}

TEST(MpiBootstrap, RecordsCallsOfAllGroups) {
  const auto device = OpenTestDevice(CpuStreams::kInline);
  const auto world = MpiWorld().Connect(*device, ContractOptions());
  const auto stream = device->NewStream(StreamKind::kCompute, "test");
  world->Barrier("recorded", *stream);
  EXPECT_THAT(MpiWorld().recorder().Dump(),
              ::testing::HasSubstr("world: barrier #0 'recorded': finished"));
}

}  // namespace
}  // namespace cadmus
