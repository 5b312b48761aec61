// SPDX-License-Identifier: Apache-2.0
// Recorder: the last collective calls of one rank, all groups together, in a fixed ring that
// outlives groups and workers: what to read first after a hang. Recording allocates nothing.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collectives/recorder/collective_op.h"
#include "kernels/base/dtype.h"

namespace cadmus {

// What a call is, as its issuer knows it.
struct CallInfo {
  std::string_view group = {};
  CollectiveOp op = CollectiveOp::kBarrier;
  int64_t sequence = 0;  // among the group's calls, from 0; negative: not counted
  int64_t bytes = 0;     // the buffer of the operation
  DType dtype = DType::kNone;
  std::string_view site = {};  // what the call is for
};

// `all-reduce #42 'gradients bucket 3' (4.0 MiB of F32)`
std::string Describe(const CallInfo& info);
// `4.0 MiB`
std::string BytesInWords(int64_t bytes);
// `12.5 ms`, `20.0 s`
std::string InWords(std::chrono::steady_clock::duration duration);

class Recorder {
 public:
  enum class State : uint8_t { kIssued, kStarted, kFinished, kFailed };
  using Clock = std::chrono::steady_clock;

  // One call. Names are cut to what fits; peers to the first kMaxPeers.
  struct Record {
    static constexpr int kMaxPeers = 8;
    int64_t id = -1;
    std::array<char, 32> group = {};
    std::array<char, 48> site = {};
    CollectiveOp op = CollectiveOp::kBarrier;
    DType dtype = DType::kNone;
    State state = State::kIssued;
    int64_t sequence = 0;
    int64_t bytes = 0;
    Clock::time_point issued, started, ended;
    int num_missing = 0;  // ranks of the world that had not answered when the call failed
    std::array<int, kMaxPeers> missing = {};
  };

  explicit Recorder(int capacity = 1024);

  // Adds a call and returns its id, counted from 0. Any thread.
  int64_t Issue(const CallInfo& info);
  void Start(int64_t id);
  void Finish(int64_t id);
  void Fail(int64_t id, std::span<const int> missing_ranks);

  // Oldest first; at most `capacity`.
  std::vector<Record> Snapshot() const;
  // The same in words, one line a call, newest last.
  std::string Dump() const;

 private:
  // Null where the ring has gone round since.
  Record* Find(int64_t id);

  mutable std::mutex mutex_;
  std::vector<Record> ring_;
  int64_t num_issued_ = 0;
};

}  // namespace cadmus
