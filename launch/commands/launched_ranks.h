// SPDX-License-Identifier: Apache-2.0
// LaunchedRanks: the ranks that a process runs, and what they share: one rank under a launcher, or
// with --ranks-as-threads all of them as threads.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "collectives/communicator/bootstrap.h"
#include "kernels/open_device.h"

namespace cadmus {

class RunConfig;

class LaunchedRanks {
 public:
  // `ranks_as_threads` 0: the ranks are the processes that the launcher has started. Throws kConfig
  // for ranks as threads of more than one process, and where a launcher's ranks do not find each
  // other (launch/bench/launcher.h).
  explicit LaunchedRanks(int ranks_as_threads);

  // Calls `rank_main` on each rank of this process; what rank 0, or the process's one, returns.
  int Run(const std::function<int(Bootstrap&)>& rank_main);

  // The device that a config asks for, and the time limit of its waits.
  std::unique_ptr<Device> OpenRankDevice(const RunConfig& config);
  std::unique_ptr<Communicator> Connect(const RunConfig& config, Bootstrap& rank, Device& device);

  // Shows the calls of the ranks that run.
  void LogCalls();

 private:
  // A rank whose calls are shown on demand during the life of the entry.
  class Entry;

  std::shared_ptr<cpu::ThreadPool> Pool(const RunConfig& config);
  int RunOne(Bootstrap& rank, const std::function<int(Bootstrap&)>& rank_main);

  int ranks_as_threads_;
  std::unique_ptr<Bootstrap> launched_;
  std::mutex mutex_;
  std::set<const Bootstrap*> running_;
  std::shared_ptr<cpu::ThreadPool> pool_;  // shared_ptr: every device of the process holds it
};

}  // namespace cadmus
