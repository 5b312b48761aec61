// SPDX-License-Identifier: Apache-2.0
// SendsInFlight: the sends of a rank that have been started and not yet been taken. They go on
// whenever the communication worker looks at the transport: inside later calls, or in the
// background while no call can run. Each has its group's time limit.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <span>
#include <vector>

#include "collectives/communicator/collective_call.h"
#include "collectives/ordered/call_header.h"
#include "collectives/ordered/communication_worker.h"
#include "collectives/ordered/transport.h"

namespace cadmus {

// Used on the worker's thread, but for Wake.
class SendsInFlight final : public CommunicationWorker::Background {
 public:
  // Is told that its send is over: with null once the peer has taken it; otherwise with the error,
  // and the ranks of the world that have not answered.
  class Sender {
   public:
    virtual void OnSendEnd(std::exception_ptr failure,
                           std::span<const int> missing_world_ranks) noexcept = 0;

   protected:
    ~Sender() = default;
  };

  SendsInFlight(Transport& transport, CommunicationWorker& worker)
      : transport_(transport), worker_(worker) {}

  // Whose a send is, and what it is held to. All outlive it.
  struct Origin {
    const Membership& group;
    Sender& sender;
    std::chrono::milliseconds limit;
    MemoryAccess* access = nullptr;  // of the buffer
  };

  // Starts `call`, a send, whose buffer must outlive it. `info` describes it. Throws kCommunication
  // if the group is revoked or the transport fails; it is then not in flight.
  void Start(const CollectiveCall& call, const CallInfo& info, const Origin& origin);

  // Ends those of the group of `context` with `failure`: behind a message that is lost, a peer
  // would take a later one for it.
  void Fail(int64_t context, std::exception_ptr failure);

  // Room for `num_round_messages` besides as many sends as may ever be under way: how many are
  // depends on timing, their room must not.
  void Reserve(int num_round_messages);
  // Room for `num_sends` at once.
  void ReserveSends(int num_sends);

  // Transport::Progress for messages from 0 up, the caller's. Starts sends that have been reached,
  // and ends those that are complete, overdue or revoked. May return before the deadline with
  // nothing done.
  void Progress(Transport::Clock::time_point deadline, std::vector<int>& done);

  bool IsBusy() const override { return num_open_ > 0; }
  void Progress() noexcept override;
  void Wake() noexcept override { transport_.Wake(); }

 private:
  using Clock = Transport::Clock;

  struct Send {
    Sender* sender = nullptr;  // null: free
    const Membership* group = nullptr;
    CallInfo info;
    int peer = 0;
    std::chrono::milliseconds limit{0};
    Clock::time_point began, deadline;
    bool has_grace = false;  // its deadline has been put off, as only other messages were reported
    int messages_left = 0;
    CallHeader header;
  };

  // Messages of sends are numbered downwards from -1.
  static int MessageOf(size_t index) { return -1 - static_cast<int>(index); }
  static size_t IndexOf(int message) { return static_cast<size_t>(-1 - message); }

  size_t TakeFree();
  void PostMessages(const CollectiveCall& call, size_t index, MemoryAccess* access);
  void Complete(size_t index, Clock::time_point now);
  void End(size_t index, std::exception_ptr failure, std::span<const int> missing);
  // Those of its group too, it last.
  void EndGroupOf(size_t index, std::exception_ptr failure, std::span<const int> missing);
  void FailAll(const std::exception_ptr& failure);
  void EndRevoked();
  void EndOverdue(Clock::time_point now, bool is_quiet);
  Clock::time_point FirstDeadline() const;

  Transport& transport_;
  CommunicationWorker& worker_;
  std::deque<Send> sends_;  // stay where they are: headers under way are read there
  int num_open_ = 0;
  int messages_per_send_ = 2;  // of the longest so far
  std::vector<int> reports_;
  std::vector<int> none_done_;
};

}  // namespace cadmus
