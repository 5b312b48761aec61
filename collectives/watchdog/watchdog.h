// SPDX-License-Identifier: Apache-2.0
// Watchdog: the time limit of one wait for peers. Whoever waits asks it; a peer that has given no
// sign of progress for the limit turns the wait into an Error that says who waits for whom.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "collectives/recorder/recorder.h"

namespace cadmus {

class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;

  // For waits for `num_peers` ranks, each of which may be silent for `limit`.
  void Reset(int num_peers, std::chrono::milliseconds limit);
  // A new wait begins: every peer has the whole limit.
  void Begin(Clock::time_point now);
  // `peer` has sent or taken a message.
  void Progress(int peer, Clock::time_point now) {
    last_progress_[static_cast<size_t>(peer)] = now;
  }

  // When a wait for `peer` expires unless it makes progress. A peer that stops is thus found within
  // the limit of its last message in this wait, and within two limits whenever it stopped.
  Clock::time_point Deadline(int peer) const {
    return last_progress_[static_cast<size_t>(peer)] + limit_;
  }
  std::chrono::milliseconds limit() const { return limit_; }

 private:
  std::chrono::milliseconds limit_{0};
  std::vector<Clock::time_point> last_progress_;
};

// A wait that has expired.
struct ExpiredWait {
  CallInfo call = {};
  int rank = 0;  // of the group, as are the missing
  std::span<const int> missing_ranks = {};
  std::span<const int> members = {};  // rank in the world of each rank of the group
  Watchdog::Clock::duration waited{0};
  std::chrono::milliseconds limit{0};
};

// `group dp_replicate (4 ranks), all-reduce #42 'gradients bucket 3' (4.0 MiB of F32): rank 1 has
// waited 20.0 s for ranks 2, 3; …`
std::string Describe(const ExpiredWait& wait);

}  // namespace cadmus
