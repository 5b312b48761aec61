// SPDX-License-Identifier: Apache-2.0
// SimCommunicator: any rank of a group of any size, alone: calls are checked and noted in the
// device's trace, and take the memory that they would take; nothing is moved and nothing waits.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "collectives/communicator/bootstrap.h"
#include "collectives/communicator/communicator.h"

namespace cadmus {

class SimCommunicator final : public Communicator {
 public:
  // `meeting`: the one over which the ranks of an NCCL group meet, which takes memory too.
  SimCommunicator(std::string name, int rank, int size, Device& device,
                  const CommunicatorOptions& options = {},
                  std::unique_ptr<Communicator> meeting = nullptr)
      : Communicator(std::move(name), rank, size, device, options), meeting_(std::move(meeting)) {}

  using Communicator::MakeGroup;
  std::unique_ptr<Communicator> MakeGroup(std::span<const int> members, std::string name,
                                          const CommunicatorOptions& options) override;
  // Both throw kCommunication: there are no peers.
  void Revoke(const std::string& reason) override;
  std::unique_ptr<Communicator> Rebuild(int64_t epoch, std::span<const int> members) override;

 protected:
  void Issue(std::span<const CollectiveCall>, Stream&) override {}

 private:
  const std::unique_ptr<Communicator> meeting_;
};

// What the groups of a world stand for: those of local and mpi, or NCCL's.
enum class SimGroups { kInRankOrder, kNccl };

// One rank of a world that exists on paper.
class SimBootstrap final : public Bootstrap {
 public:
  SimBootstrap(int rank, int size, SimGroups groups = SimGroups::kInRankOrder)
      : Bootstrap(rank, size, /*local_rank=*/0, /*local_size=*/1), groups_(groups) {}

  using Bootstrap::Connect;
  std::unique_ptr<Communicator> Connect(Device& device,
                                        const CommunicatorOptions& options) override;
  void Abort(int) noexcept override {}

 private:
  SimGroups groups_;
};

}  // namespace cadmus
