// SPDX-License-Identifier: Apache-2.0
// CallWatch: follows the calls that a group has issued to the GPU until they are done: for the
// record, and so that a peer that is lost, or an error that NCCL reports, ends the group in bounded
// time. CallWatcher: the thread of a rank that looks at the watches of all its groups.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "collectives/recorder/recorder.h"

namespace cadmus {

// What a watch asks of the group's calls, each in one of kMaxCalls slots, and does to the group.
class WatchedCalls {
 public:
  enum class Phase { kWaiting, kRunning, kDone };
  virtual Phase PhaseOf(int slot) = 0;   // kRunning: the stream has reached it
  virtual std::string AsyncError() = 0;  // in words; empty: none
  // Ends all calls under way and makes the streams that they are in fail with `failure`.
  virtual void Abort(std::exception_ptr failure) noexcept = 0;

 protected:
  ~WatchedCalls() = default;
};

class CallWatch {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr int kMaxCalls = 32;

  struct Members {
    int rank = 0;
    std::vector<int> world_ranks;
  };

  // `calls` and `recorder` outlive it.
  CallWatch(Members members, std::chrono::milliseconds limit, Recorder& recorder,
            WatchedCalls& calls);

  // A slot for a call that is about to be issued; `info` is copied, `peer` is the one rank that it
  // waits for, or -1 for all. Blocks while all slots are taken, at most `wait_limit`; throws the
  // group's failure.
  int Take(const CallInfo& info, int peer, std::chrono::milliseconds wait_limit);
  // The call in the slot is on its way, or has failed to be.
  void Issued(int slot);
  void NotIssued(int slot) noexcept;

  // Looks at the calls, oldest first. A running one expires when the limit has passed since it was
  // first seen so, and since the call before it ended.
  void Check(Clock::time_point now);
  bool IsBusy() const;
  // Blocks until no call is under way, at most `limit`; false if one still is.
  bool AwaitIdle(std::chrono::milliseconds limit) const;

  void Fail(std::exception_ptr failure);  // also from outside, once
  void ThrowIfFailed() const;

 private:
  struct Call {
    enum class State { kFree, kTaken, kIssued, kRunning };
    State state = State::kFree;
    int64_t record = 0;
    int peer = -1;
    CallInfo info;
    std::array<char, 96> site;  // of info
    Clock::time_point running_since;
  };

  // All require the lock.
  void EndOldest();
  std::exception_ptr Expired(const Call& call, Clock::time_point now);
  void FailAll(std::unique_lock<std::mutex>& lock, std::exception_ptr failure);

  const Members members_;
  const std::chrono::milliseconds limit_;
  Recorder& recorder_;
  WatchedCalls& calls_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Call> ring_{kMaxCalls};
  uint64_t first_ = 0, end_ = 0;  // of the calls under way, counted from the first ever
  std::vector<int> missing_ranks_;
  std::exception_ptr failure_;
};

class CallWatcher {
 public:
  // Looks at `watch` as long as it lives.
  class Registration {
   public:
    Registration(CallWatcher& watcher, CallWatch& watch) : watcher_(watcher), watch_(watch) {
      watcher_.Add(watch_);
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() { watcher_.Remove(watch_); }

   private:
    CallWatcher& watcher_;
    CallWatch& watch_;
  };

  explicit CallWatcher(std::string rank_label);
  CallWatcher(const CallWatcher&) = delete;
  CallWatcher& operator=(const CallWatcher&) = delete;
  ~CallWatcher();

  void Wake();  // a call has been issued

 private:
  void Add(CallWatch& watch);
  void Remove(CallWatch& watch);  // returns once the thread has left it
  void Loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<CallWatch*> watches_;
  bool is_woken_ = false;
  bool is_closed_ = false;
  std::thread thread_;
};

}  // namespace cadmus
