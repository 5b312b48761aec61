// SPDX-License-Identifier: Apache-2.0
// OrderedCommunicator: a group over any Transport, for cpu and cuda devices. A call takes its place
// in the rank's communication worker when it is issued, starts when its stream reaches it, and
// holds the stream until it ends; the worker goes on with later calls once a send is started. A
// failed group refuses later calls with the same error, with which its sends in flight end too.
#pragma once

#include <array>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "collectives/ordered/endpoint.h"
#include "collectives/ordered/memory_access.h"

namespace cadmus {

class OrderedCommunicator final : public Communicator {
 public:
  // The group of all ranks, warmed; collective. `endpoint` must outlive it and its groups.
  static std::unique_ptr<Communicator> Connect(Endpoint& endpoint, int rank, int size,
                                               Device& device, const CommunicatorOptions& options);
  ~OrderedCommunicator() override;  // waits for the calls issued so far

  using Communicator::MakeGroup;
  std::unique_ptr<Communicator> MakeGroup(std::span<const int> members, std::string name,
                                          const CommunicatorOptions& options) override;
  void Revoke(const std::string& reason) override;
  std::unique_ptr<Communicator> Rebuild(int64_t epoch, std::span<const int> members) override;

 protected:
  void Issue(std::span<const CollectiveCall> calls, Stream& stream) override;

 private:
  class PendingCall;
  class Turn;

  // What a group has from the one that it is made of.
  struct Origin {
    Endpoint& endpoint;
    const Membership& over;  // its messages go over the context of this
    Device& device;
    std::shared_ptr<MemoryAccess> access;
    std::chrono::milliseconds limit;  // of the making
  };

  OrderedCommunicator(const Origin& origin, Membership membership,
                      const CommunicatorOptions& options);

  // `members` (ranks of `origin.over`) make a group and warm it.
  static std::unique_ptr<Communicator> Make(const Origin& origin, std::span<const int> members,
                                            std::string name, const CommunicatorOptions& options);
  Origin OriginOver(const Membership& over);

  PendingCall& TakePending();
  void Release(PendingCall& pending) noexcept;
  void Execute(PendingCall& pending);
  void StartSend(PendingCall& pending);
  void Fail(std::exception_ptr failure);
  void FailWithSends(std::exception_ptr failure);  // on the worker
  void ThrowIfFailed();

  Endpoint& endpoint_;
  const Membership membership_;
  const std::shared_ptr<MemoryAccess> access_;  // shared_ptr: see MakeMemoryAccess
  int64_t num_collectives_ = 0;                 // issued: what all ranks count alike
  int64_t num_point_to_point_ = 0;
  bool has_sent_ = false;

  std::mutex mutex_;
  std::condition_variable released_;
  std::vector<std::unique_ptr<PendingCall>>
      pending_;  // all; made at once, so that calls allocate nothing
  std::vector<PendingCall*> free_;
  std::exception_ptr failure_;
};

}  // namespace cadmus
