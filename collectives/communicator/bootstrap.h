// SPDX-License-Identifier: Apache-2.0
// Bootstrap: how this process (or thread) found its peers: its place in the world, the world's
// communicator, and a way to stop the peers when it cannot go on.
#pragma once

#include <memory>
#include <string>

#include "collectives/communicator/communicator.h"

namespace cadmus {

class Bootstrap {
 public:
  Bootstrap(const Bootstrap&) = delete;
  Bootstrap& operator=(const Bootstrap&) = delete;
  virtual ~Bootstrap() = default;

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return local_rank_; }  // among the ranks of this host
  int local_size() const { return local_size_; }

  // The group of all ranks for buffers of `device`, warmed: every pair has exchanged a message.
  // Collective.
  virtual std::unique_ptr<Communicator> Connect(Device& device) = 0;

  // Ends the peers: they must not wait for this rank. The process exit code should become
  // `exit_code`.
  virtual void Abort(int exit_code) noexcept = 0;

 protected:
  Bootstrap(int rank, int size, int local_rank, int local_size)
      : rank_(rank), size_(size), local_rank_(local_rank), local_size_(local_size) {}

 private:
  int rank_, size_, local_rank_, local_size_;
};

}  // namespace cadmus
