// SPDX-License-Identifier: Apache-2.0
// LaunchedRanks: the ranks that a process runs, and what they share: one rank under a launcher, or
// with --ranks-as-threads all of them as threads.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "collectives/communicator/bootstrap.h"
#include "kernels/open_device.h"
#include "launch/config/make_communicator_options.h"

namespace cadmus {

class RunConfig;

// A rank's device, and the group of all ranks for its buffers.
struct OpenedRank {
  std::unique_ptr<Device> device;
  std::unique_ptr<Communicator> world;
  TransportKind transport = TransportKind::kInRankOrder;
  std::string words;  // of a GPU: which it is, and over what groups exchange; else empty
};

class LaunchedRanks {
 public:
  // `ranks_as_threads` 0: the ranks are the processes that the launcher has started. Throws kConfig
  // for ranks as threads of more than one process, and where a launcher's ranks do not find each
  // other (launch/bench/launcher.h).
  explicit LaunchedRanks(int ranks_as_threads);

  // Calls `rank_main` on each rank of this process; what rank 0, or the process's one, returns.
  int Run(const std::function<int(Bootstrap&)>& rank_main);

  // What a config asks for, once in a rank's life; collective over all ranks. Throws kConfig where
  // the ranks do not fit the GPUs, or NCCL is asked for in vain (launch/run/gpu_ranks.h).
  OpenedRank Open(const RunConfig& config, Bootstrap& rank);

  // Shows the calls of the ranks that run.
  void LogCalls();

 private:
  // A rank whose calls are shown on demand during the life of the entry.
  class Entry;

  struct GpuPlace;

  std::shared_ptr<cpu::ThreadPool> Pool(const RunConfig& config);
  GpuPlace PlaceOnGpu(const RunConfig& config, Bootstrap& rank);
  int RunOne(Bootstrap& rank, const std::function<int(Bootstrap&)>& rank_main);

  int ranks_as_threads_;
  std::unique_ptr<Bootstrap> launched_;
  std::unique_ptr<Bootstrap> nccl_;  // over launched_; null: not in use
  std::mutex mutex_;
  std::set<const Bootstrap*> running_;
  std::shared_ptr<cpu::ThreadPool> pool_;  // shared_ptr: every device of the process holds it
};

}  // namespace cadmus
