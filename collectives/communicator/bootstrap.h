// SPDX-License-Identifier: Apache-2.0
// Bootstrap: how this process (or thread) found its peers: its place in the world, the world's
// communicator, the record of its calls, and a way to stop the peers when it cannot go on.
#pragma once

#include <memory>
#include <string>

#include "collectives/communicator/communicator.h"
#include "collectives/recorder/recorder.h"

namespace cadmus {

// Outlives its communicators.
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
  // Collective, once per device.
  std::unique_ptr<Communicator> Connect(Device& device) { return Connect(device, {}); }
  virtual std::unique_ptr<Communicator> Connect(Device& device,
                                                const CommunicatorOptions& options) = 0;

  // The last calls of this rank, over all groups.
  const Recorder& recorder() const { return recorder_; }

  // Ends the peers: they must not wait for this rank. The process exit code should become
  // `exit_code`.
  virtual void Abort(int exit_code) noexcept = 0;

 protected:
  Bootstrap(int rank, int size, int local_rank, int local_size)
      : rank_(rank), size_(size), local_rank_(local_rank), local_size_(local_size) {}

  Recorder& mutable_recorder() { return recorder_; }

 private:
  int rank_, size_, local_rank_, local_size_;
  Recorder recorder_;
};

}  // namespace cadmus
