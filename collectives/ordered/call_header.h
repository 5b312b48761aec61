// SPDX-License-Identifier: Apache-2.0
// What tells one call from another on the wire: its group, its announcement and its tags.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "collectives/ordered/transport.h"
#include "collectives/recorder/recorder.h"

namespace cadmus {

// This rank's place in a group.
struct Membership {
  std::string name;
  int64_t context = 0;  // tells the group's messages from those of other groups of the same ranks
  std::vector<int> world_ranks;  // of each rank of the group
  int rank = 0;

  int size() const { return static_cast<int>(world_ranks.size()); }
};

// What a rank tells a peer of the call that it is in.
struct CallHeader {
  CollectiveOp op = CollectiveOp::kBarrier;
  DType dtype = DType::kNone;
  int32_t root = -1;
  int64_t sequence = -1;  // -1: not of all ranks, so not compared
  int64_t bytes = 0;
  uint64_t hash = 0;  // of what else must agree
  std::array<char, 32> site = {};
};
CallHeader MakeHeader(const CallInfo& info);

// Messages of one lane of a group arrive in order. A send may outlast the rank's later collectives
// of the same group, so point to point has lanes of its own.
enum class Lane : uint8_t { kCollectiveHeader, kCollectivePayload, kSendHeader, kSendPayload };
inline constexpr int64_t kNumLanes = 4;

// Throws kInternal where `transport` has no such tag.
void RequireTags(const Membership& group, const Transport& transport);
inline int64_t TagOf(const Membership& group, Lane lane) {
  return kNumLanes * group.context + static_cast<int64_t>(lane);
}
inline bool IsPointToPoint(CollectiveOp op) {
  return op == CollectiveOp::kSend || op == CollectiveOp::kReceive || op == CollectiveOp::kGroup;
}

// Throws kCommunication, in the name of the call `info`, if `group` has been revoked.
void ThrowIfRevoked(const Transport& transport, const Membership& group, const CallInfo& info);

// After a stop of this very process all deadlines may have passed while the answers lie ready.
inline constexpr std::chrono::milliseconds kShortestWait(10);

}  // namespace cadmus
