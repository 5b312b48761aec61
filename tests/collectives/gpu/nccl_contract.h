// SPDX-License-Identifier: Apache-2.0
// A case of the communicator contract over NCCL, among the ranks that `host` has brought together.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "collectives/nccl/nccl_bootstrap.h"
#include "kernels/open_device.h"
#include "tests/collectives/communicator/communicator_contract.h"

namespace cadmus {

// Null, with a skip that says why, where NCCL cannot run these ranks.
inline std::unique_ptr<Bootstrap> StartNcclOrSkip(Bootstrap& host) {
  const auto start = [&](std::unique_ptr<Bootstrap>& nccl) {
    const char* const shared = std::getenv("NCCL_MULTI_RANK_GPU_ENABLE");
    if (host.size() > 1 && std::string_view(shared == nullptr ? "" : shared) != "1") {
      GTEST_SKIP() << "ranks share a GPU only under NCCL >= 2.30 and NCCL_MULTI_RANK_GPU_ENABLE=1";
    }
    try {
      nccl = StartNccl(host);
    } catch (const Error& error) {
      if (error.kind() != Kind::kConfig) throw;
      GTEST_SKIP() << error.message();
    }
  };
  std::unique_ptr<Bootstrap> nccl;
  start(nccl);
  return nccl;
}

inline void RunOverNccl(Bootstrap& host, const StreamMode& mode,
                        const ContractCase& contract_case) {
  if (contract_case.promise != Promise::kResults) {
    GTEST_SKIP() << "NCCL neither sums in rank order nor names ranks that disagree";
  }
  const std::unique_ptr<Bootstrap> nccl = StartNcclOrSkip(host);
  if (nccl == nullptr) return;
  DeviceOptions options;
  options.kind = DeviceKind::kCuda;
  options.memory_bytes = int64_t{16} << 20;
  const auto device = OpenDevice(options);
  const auto world = nccl->Connect(*device, ContractOptions());
  const auto stream = device->NewStream(mode.kind, "test");
  contract_case.run(*world, *stream);
  stream->Synchronize(std::chrono::seconds(60));
}

inline auto NcclCases() {
  const auto modes = StreamModes(DeviceKind::kCuda);
  const auto cases = ContractCases();
  return ::testing::Combine(::testing::ValuesIn(modes.begin(), modes.end()),
                            ::testing::ValuesIn(cases.begin(), cases.end()));
}

}  // namespace cadmus
