// SPDX-License-Identifier: Apache-2.0
// The communicator contract over local ranks, on the CPU or, linked so, on one GPU.
#include <gtest/gtest.h>

#include <tuple>

#include "collectives/local/local_world.h"
#include "kernels/open_device.h"
#include "tests/collectives/communicator/communicator_contract.h"
#include "tests/support/test_device.h"

namespace cadmus {
namespace {

class LocalContract : public ::testing::TestWithParam<std::tuple<int, StreamMode, ContractCase>> {};

TEST_P(LocalContract, Holds) {
  const auto [num_ranks, mode, contract_case] = GetParam();
  const auto pool = MakeThreadPool(1);
  RunLocalRanks(num_ranks, [&](Bootstrap& bootstrap) {
    DeviceOptions options;
    options.kind = kTestDevice;
    options.memory_bytes = int64_t{16} << 20;
    options.pool = pool;
    options.cpu_streams = mode.streams;
    const auto device = OpenDevice(options);
    const auto world = bootstrap.Connect(*device, ContractOptions());
    const auto stream = device->NewStream(mode.kind, "test");
    contract_case.run(*world, *stream);
    stream->Synchronize(std::chrono::seconds(60));
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, LocalContract,
                         ::testing::Combine(::testing::Range(1, 5),
                                            ::testing::ValuesIn(StreamModes(kTestDevice).begin(),
                                                                StreamModes(kTestDevice).end()),
                                            ::testing::ValuesIn(ContractCases().begin(),
                                                                ContractCases().end())),
                         [](const auto& test) {
                           return StrCat(std::get<0>(test.param), std::get<1>(test.param).name,
                                         std::get<2>(test.param).name);
                         });

INSTANTIATE_TEST_SUITE_P(
    Sends, LocalContract,
    ::testing::Combine(::testing::Values(2, 4), ::testing::Values(kStreamModes[0]),
                       ::testing::ValuesIn(SendContractCases().begin(), SendContractCases().end())),
    [](const auto& test) {
      return StrCat(std::get<0>(test.param), std::get<1>(test.param).name,
                    std::get<2>(test.param).name);
    });

}  // namespace
}  // namespace cadmus
