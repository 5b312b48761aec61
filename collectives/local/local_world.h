// SPDX-License-Identifier: Apache-2.0
// LocalWorld: ranks that are threads of one process. They pass messages by reading each other's
// memory, on the host or on the one GPU that their cuda devices share; groups can be revoked and
// rebuilt.
//
//   RunLocalRanks(4, [](Bootstrap& bootstrap) { … });
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collectives/communicator/bootstrap.h"

namespace cadmus {

struct Mailboxes;

class LocalWorld {
 public:
  explicit LocalWorld(int num_ranks);
  LocalWorld(const LocalWorld&) = delete;
  LocalWorld& operator=(const LocalWorld&) = delete;
  ~LocalWorld();  // after all communicators

  int size() const { return static_cast<int>(bootstraps_.size()); }
  // The place of one rank, to be used by its thread.
  Bootstrap& bootstrap(int rank) { return *bootstraps_[static_cast<size_t>(rank)]; }

  // Makes all present and later calls of all groups fail with `reason`. Any thread.
  void Stop(const std::string& reason);

 private:
  class LocalBootstrap;

  std::unique_ptr<Mailboxes> mailboxes_;
  std::vector<std::unique_ptr<Bootstrap>> bootstraps_;
};

// Runs `body` on one thread per rank, labelled "rank 2", and joins them. If one throws, the others'
// communication is stopped, and its exception, the first, is rethrown.
void RunLocalRanks(int num_ranks, const std::function<void(Bootstrap&)>& body);

}  // namespace cadmus
