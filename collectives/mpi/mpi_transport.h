// SPDX-License-Identifier: Apache-2.0
// MpiTransport: the Transport over MPI point-to-point messages among all ranks. What a GPU holds is
// staged in pinned host memory. All but the constructor and Wake runs on the thread that
// initialised MPI.
#pragma once

#include <mpi.h>

#include <atomic>
#include <memory>
#include <vector>

#include "collectives/ordered/transport.h"

namespace cadmus {

class MpiTransport final : public Transport {
 public:
  void Reserve(int num_messages) override;
  void Send(const Envelope& envelope, const void* data) override;
  void Receive(const Envelope& envelope, void* data) override;
  void Progress(Clock::time_point deadline, std::vector<int>& done) override;
  void Wake() noexcept override { woken_ = true; }
  void Cancel(int first, int last) noexcept override;
  int64_t max_tag() const override;
  void Revoke(int64_t context, std::span<const int> ranks, const std::string& reason) override;
  std::optional<std::string> RevokedBecause(int64_t) const override { return std::nullopt; }
  void RequireRevoke() const override;

 private:
  struct Posted {
    Envelope envelope;
    void* received_into = nullptr;  // null: sent
    std::shared_ptr<void> staged;   // shared_ptr: as MemoryAccess gives it
  };

  static void Finish(const Posted& posted, const MPI_Status& status);

  bool Test(std::vector<int>& done);
  void DropCompleted();

  std::atomic<bool> woken_ = false;
  // One entry per message under way, in step.
  std::vector<MPI_Request> requests_;
  std::vector<Posted> posted_;
  std::vector<int> completed_;
  std::vector<MPI_Status> statuses_;
  std::vector<std::shared_ptr<void>> left_to_mpi_;  // shared_ptr: see Posted
};

}  // namespace cadmus
