// SPDX-License-Identifier: Apache-2.0
// MpiTransport: the Transport over MPI point-to-point messages among all ranks. All but the
// constructor and Wake runs on the thread that initialised MPI.
#pragma once

#include <mpi.h>

#include <atomic>
#include <vector>

#include "collectives/ordered/transport.h"

namespace cadmus {

class MpiTransport final : public Transport {
 public:
  void Reserve(int num_messages) override;
  void Send(int peer, int64_t tag, const void* data, int64_t bytes, int message) override;
  void Receive(int peer, int64_t tag, void* data, int64_t bytes, int message) override;
  void Progress(Clock::time_point deadline, std::vector<int>& done) override;
  void Wake() noexcept override { woken_ = true; }
  void Cancel(int first, int last) noexcept override;
  int64_t max_tag() const override;
  void Revoke(int64_t context, std::span<const int> ranks, const std::string& reason) override;
  std::optional<std::string> RevokedBecause(int64_t) const override { return std::nullopt; }
  void RequireRevoke() const override;

 private:
  struct Posted {
    int message = 0;
    int peer = 0;
    int64_t receive_bytes = -1;  // -1: sent
  };

  bool Test(std::vector<int>& done);
  void DropCompleted();

  std::atomic<bool> woken_ = false;
  // One entry per message under way, in step.
  std::vector<MPI_Request> requests_;
  std::vector<Posted> posted_;
  std::vector<int> completed_;
  std::vector<MPI_Status> statuses_;
};

}  // namespace cadmus
