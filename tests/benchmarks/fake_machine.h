// SPDX-License-Identifier: Apache-2.0
// A machine with a made-up clock: calls take the time that a test says, one after another, and the
// host's own work takes none.
#pragma once

#include <algorithm>
#include <array>

#include "benchmarks/timing/protocol.h"

namespace cadmus::timing {

class FakeMachine final : public Machine {
 public:
  // A call that is enqueued now.
  void Enqueue(double seconds) {
    if (busy_until_ <= now_) ++times_idle_;
    busy_until_ = std::max(busy_until_, now_) + seconds;
  }
  // How often a call found the queue empty.
  int times_idle() const { return times_idle_; }
  // One is taken in each block.
  int readings() const { return readings_; }
  // When the queue will have done all: calls see the time of the machine, not that of the host.
  double busy_until() const { return std::max(busy_until_, now_); }

  double Seconds() override { return now_; }
  void Mark(int mark) override { marks_.at(static_cast<size_t>(mark)) = busy_until(); }
  void Await(int mark) override { now_ = std::max(now_, marks_.at(static_cast<size_t>(mark))); }
  std::optional<Reading> Read() override {
    ++readings_;
    return Reading{.watts = 500, .sm_mhz = 1755, .celsius = 40, .throttle_reasons = "none"};
  }

 private:
  double now_ = 100;
  double busy_until_ = 0;
  std::array<double, 2> marks_ = {};
  int times_idle_ = 0;
  int readings_ = 0;
};

}  // namespace cadmus::timing
