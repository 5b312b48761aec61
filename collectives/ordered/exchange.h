// SPDX-License-Identifier: Apache-2.0
// Exchange: rounds of messages between this rank and the others of a group, with a limit on every
// wait. Each call announces itself to the peers that it talks to, so that ranks that issue
// different calls are named at once, and no byte of another call ever reaches a buffer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "collectives/ordered/call_header.h"
#include "collectives/ordered/sends_in_flight.h"
#include "collectives/ordered/transport.h"
#include "collectives/watchdog/watchdog.h"

namespace cadmus {

class Exchange {
 public:
  Exchange(Transport& transport, SendsInFlight& sends) : transport_(transport), sends_(sends) {}

  // The call that the following rounds belong to. The group must outlive it.
  // `access` is of the memory that its messages come from and go to.
  void BeginCall(const Membership& group, const CallInfo& info, std::chrono::milliseconds limit,
                 MemoryAccess* access = nullptr);

  // Add to the next round; `peer` is a rank of the group. With a header, the call is announced to
  // `peer` or expected from it; every call begins so with each peer that it talks to.
  void Send(int peer, const void* data, int64_t bytes, const CallHeader* header = nullptr);
  void Receive(int peer, void* data, int64_t bytes, const CallHeader* header = nullptr);

  // Does what was added since the last round. Throws kCommunication if a peer is in another call,
  // does not answer within the limit, or the group is revoked; then call Abandon.
  void RunRound();

  // Forgets the round after a failure.
  void Abandon() noexcept;
  // Ranks of the world that had not answered when the last failed round ended.
  std::span<const int> missing_world_ranks() const { return missing_world_ranks_; }

  // Storage for the caller's own lists of buffers, kept from call to call.
  std::vector<const void*>& scratch_pointers() { return scratch_pointers_; }

 private:
  enum class Direction : uint8_t { kSend, kReceive };
  struct Side {
    Direction direction = Direction::kSend;
    int peer = 0;
    char* data = nullptr;  // read only when sending
    int64_t bytes = 0;
    bool has_header = false;
    bool header_arrived = false;
    CallHeader header;  // to send, or expected
    CallHeader received;
    int messages_left = 0;
    int next_from_peer = -1;  // the side whose announcement is awaited after this one's
  };

  void Add(const Side& side, const CallHeader* header);
  void Post(int index);
  void PostExpectedHeader(int index);
  void PostPayload(int index);
  void Complete(int index, Transport::Clock::time_point now);
  void CheckHeader(const Side& side) const;
  int64_t HeaderTag() const;
  int64_t PayloadTag() const;
  [[noreturn]] void ThrowExpired(Transport::Clock::time_point begin,
                                 Transport::Clock::time_point now);

  Transport& transport_;
  SendsInFlight& sends_;
  const Membership* group_ = nullptr;
  CallInfo info_;
  MemoryAccess* access_ = nullptr;
  Watchdog watchdog_;
  std::vector<Side> sides_;          // kept for their storage, as are the other vectors
  std::vector<int> last_from_peer_;  // the last side that expects an announcement, or -1
  std::vector<int> done_;
  std::vector<int> missing_ranks_;
  std::vector<int> missing_world_ranks_;
  std::vector<const void*> scratch_pointers_;
  int num_open_ = 0;
  int num_messages_ = 0;  // of the round
};

}  // namespace cadmus
