// SPDX-License-Identifier: Apache-2.0
// CollectiveOp: the operations of a group of ranks and their names in messages and traces.
#pragma once

#include <cstdint>
#include <string_view>

namespace cadmus {

enum class CollectiveOp : uint8_t {
  kAllReduce,
  kReduceScatter,
  kAllGather,
  kAllToAll,
  kAllToAllUneven,
  kBroadcast,
  kBarrier,
  kSend,
  kReceive,
  kGroup,      // sends and receives that run together
  kMakeGroup,  // members agree on a new group
};

constexpr std::string_view Name(CollectiveOp op) {
  switch (op) {
    case CollectiveOp::kAllReduce:
      return "all-reduce";
    case CollectiveOp::kReduceScatter:
      return "reduce-scatter";
    case CollectiveOp::kAllGather:
      return "all-gather";
    case CollectiveOp::kAllToAll:
      return "all-to-all";
    case CollectiveOp::kAllToAllUneven:
      return "uneven all-to-all";
    case CollectiveOp::kBroadcast:
      return "broadcast";
    case CollectiveOp::kBarrier:
      return "barrier";
    case CollectiveOp::kSend:
      return "send";
    case CollectiveOp::kReceive:
      return "receive";
    case CollectiveOp::kGroup:
      return "sends and receives";
    case CollectiveOp::kMakeGroup:
      return "making of a group";
  }
  return "unknown operation";
}

}  // namespace cadmus
