// SPDX-License-Identifier: Apache-2.0
#include "launch/config/make_communicator_options.h"

#include <algorithm>
#include <cmath>

#include "launch/config/run_config.pb.h"

namespace cadmus {

CommunicatorOptions MakeCommunicatorOptions(const RunConfig& config, TransportKind transport,
                                            int world_size) {
  CommunicatorOptions options = {.limit = std::chrono::milliseconds(std::llround(
                                     config.communication().time_limit_seconds() * 1000))};
  // NCCL has room of its own for its sums.
  if (transport == TransportKind::kNccl) {
    options.workspace_bytes = std::max<int64_t>(4096, int64_t{8} * world_size);
  }
  return options;
}

TransportKind PlannedTransport(const RunConfig& config, int world_size) {
  const bool exchanges = config.device().kind() == DeviceConfig::CUDA && world_size > 1;
  return exchanges && config.communication().transport() != CommunicationConfig::MPI
             ? TransportKind::kNccl
             : TransportKind::kInRankOrder;
}

}  // namespace cadmus
