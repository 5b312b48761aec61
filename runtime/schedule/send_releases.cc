// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/send_releases.h"

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// [rank]: how many actions of it are known to be over.
using Clock = std::vector<int>;

struct Message {
  Clock sender;    // as the send was issued
  int action = 0;  // the send, in the sender's list
};

class Execution {
 public:
  Execution(const Schedule& schedule, int watched)
      : schedule_(schedule),
        places_(PlacesOfStages(schedule)),
        watched_(watched),
        clocks_(schedule.actions.size(), Clock(schedule.actions.size())),
        next_(schedule.actions.size()),
        releases_(schedule.actions[static_cast<size_t>(watched)].size()) {}

  std::vector<std::vector<int>> Run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t rank = 0; rank < next_.size(); ++rank) {
        while (next_[rank] < static_cast<int>(schedule_.actions[rank].size()) && Step(rank))
          moved = true;
      }
    }
    for (size_t rank = 0; rank < next_.size(); ++rank) {
      CADMUS_CHECK(next_[rank] == static_cast<int>(schedule_.actions[rank].size()),
                   StrCat("the schedule stops at action ", next_[rank], " of rank ", rank));
    }
    for (const Outstanding& send : outstanding_) releases_.back().push_back(send.action);
    return std::move(releases_);
  }

 private:
  struct Outstanding {
    int action = 0;
    int peer = 0;
    int received_by = -1;  // the action of `peer`, once it has run
  };
  // Source, destination, payload: messages of one kind arrive in order.
  using Wire = std::tuple<int, int, Payload>;

  // False: the next action of `rank` waits for a message.
  bool Step(size_t rank) {
    const int index = next_[rank];
    const Action& action = schedule_.actions[rank][static_cast<size_t>(index)];
    Clock& clock = clocks_[rank];
    const int self = static_cast<int>(rank);
    if (action.kind == ActionKind::kReceive) {
      const int peer = PeerOf(schedule_, places_, self, action).rank;
      std::deque<Message>& wire = wires_[{peer, self, action.payload}];
      if (wire.empty()) return false;
      const Message& message = wire.front();
      for (size_t i = 0; i < clock.size(); ++i) clock[i] = std::max(clock[i], message.sender[i]);
      if (peer == watched_) {
        const auto send = std::find_if(
            outstanding_.begin(), outstanding_.end(),
            [&](const Outstanding& candidate) { return candidate.action == message.action; });
        send->received_by = index;
      }
      wire.pop_front();
    }
    clock[rank] = index + 1;
    if (action.kind == ActionKind::kSend) {
      const int peer = PeerOf(schedule_, places_, self, action).rank;
      wires_[{self, peer, action.payload}].push_back({.sender = clock, .action = index});
      if (self == watched_) outstanding_.push_back({.action = index, .peer = peer});
    }
    if (self == watched_) Release(clock, releases_[static_cast<size_t>(index)]);
    ++next_[rank];
    return true;
  }

  void Release(const Clock& clock, std::vector<int>& released) {
    std::erase_if(outstanding_, [&](const Outstanding& send) {
      const bool known =
          send.received_by >= 0 && clock[static_cast<size_t>(send.peer)] > send.received_by;
      if (known) released.push_back(send.action);
      return known;
    });
  }

  const Schedule& schedule_;
  std::vector<StagePlace> places_;
  int watched_;
  std::vector<Clock> clocks_;
  std::vector<int> next_;  // [rank]: index of the next action
  std::map<Wire, std::deque<Message>> wires_;
  std::vector<Outstanding> outstanding_;  // sends of the watched rank
  std::vector<std::vector<int>> releases_;
};

}  // namespace

std::vector<std::vector<int>> SendReleases(const Schedule& schedule, int rank) {
  return Execution(schedule, rank).Run();
}

}  // namespace cadmus
