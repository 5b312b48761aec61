// SPDX-License-Identifier: Apache-2.0
// The communicator contract over NCCL, among the ranks of mpirun.
#include <gtest/gtest.h>

#include <tuple>

#include "tests/collectives/gpu/nccl_contract.h"
#include "tests/support/mpi_world.h"

namespace cadmus {
namespace {

class NcclRanks : public ::testing::TestWithParam<std::tuple<StreamMode, ContractCase>> {};

TEST_P(NcclRanks, Holds) {
  RunOverNccl(MpiWorld(), std::get<0>(GetParam()), std::get<1>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Contract, NcclRanks, NcclCases(), [](const auto& test) {
  return StrCat(std::get<0>(test.param).name, std::get<1>(test.param).name);
});

}  // namespace
}  // namespace cadmus
