// SPDX-License-Identifier: Apache-2.0
// ParallelGroups: the groups of ranks that a training step works with, by axis. They are made and
// warmed before the model takes memory, and passed on explicitly.
#pragma once

#include <memory>

#include "collectives/communicator/communicator.h"
#include "runtime/mesh/mesh.h"

namespace cadmus {

struct ParallelGroups {
  struct Needs {
    // Neighbouring tp ranks that hold the same key/value heads: 1 where each has its own.
    int num_kv_replicas = 1;
    // The pp indices of the stages with the embedding and with the head, where these are two ranks
    // that hold one tied table; else -1.
    int first_table_holder = -1, last_table_holder = -1;
  };

  // Collective over `world`: every rank makes its groups in the same order.
  ParallelGroups(const Mesh& mesh, Communicator& world, const Needs& needs);

  std::unique_ptr<Communicator> tp;
  std::unique_ptr<Communicator> kv_replicas;  // null where each tp rank has its own heads
  // The same ranks twice: between two of them activations and gradients travel in orders of their
  // own.
  std::unique_ptr<Communicator> pp, pp_gradients;
  std::unique_ptr<Communicator> dp_shard;
  std::unique_ptr<Communicator> dp_replicate;
  std::unique_ptr<Communicator> table_holders;  // null where this rank is neither of two
  // This rank's place among those that read different samples.
  int dp_index = 0, dp_count = 1;
};

}  // namespace cadmus
