// SPDX-License-Identifier: Apache-2.0
// Saving and loading ShardedStates in tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "collectives/local/local_world.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/checkpoint/save_checkpoint.h"
#include "tests/runtime/checkpoint/sharded_state.h"

namespace cadmus {

struct SaveArgs {
  std::filesystem::path folder;
  int64_t completed_steps = 100;
  int num_ranks = 1;
  std::span<const TestTensor> tensors;
  const Cut& cut = RowCut();
  // Changes the entries of a rank before they are saved. May be absent.
  std::function<void(int rank, std::vector<StateEntry>&)> change;
};

inline CheckpointInfo InfoOf(int64_t completed_steps) {
  return {.run_name = "test",
          .completed_steps = completed_steps,
          .data_cursor = completed_steps * 8,
          .seed = ~uint64_t{0} - 1,
          .tokenizer_hash = "0123456789abcdef0123456789abcdef",
          .config_text = "model { layers: 2 }\n",
          .layout = "2 ranks: dp_replicate 2"};
}

// Saves from `num_ranks` local ranks; throws what all of them throw. Each rank must end with the
// device memory in use with which it began.
inline void SaveSharded(const SaveArgs& args) {
  RunLocalRanks(args.num_ranks, [&](Bootstrap& bootstrap) {
    const auto device = OpenTestDevice();
    const auto stream = device->NewStream(StreamKind::kCompute, "compute");
    const auto world = bootstrap.Connect(*device);
    ShardedState state(args.tensors, args.cut, bootstrap.rank(), bootstrap.size(), *stream);
    if (args.change) args.change(bootstrap.rank(), state.entries());
    const int64_t in_use = device->allocator().stats().current_total_bytes;
    const CheckpointInfo info = InfoOf(args.completed_steps);
    SaveCheckpoint({.folder = args.folder,
                    .info = info,
                    .entries = state.entries(),
                    .world = *world,
                    .stream = *stream});
    CADMUS_CHECK(device->allocator().stats().current_total_bytes == in_use, "memory was kept");
  });
}

// How many elements come back wrong to the `num_ranks` ranks of another layout.
inline int64_t NumWrongAfterLoad(const std::filesystem::path& checkpoint,
                                 std::span<const TestTensor> tensors, const Cut& cut,
                                 int num_ranks) {
  int64_t wrong = 0;
  for (int rank = 0; rank < num_ranks; ++rank) {
    const auto device = OpenTestDevice();
    const auto stream = device->NewStream(StreamKind::kCompute, "compute");
    ShardedState state(tensors, cut, rank, num_ranks, *stream);
    state.Clear();
    LoadCheckpoint(checkpoint, state.entries(), *stream);
    wrong += state.NumWrong();
  }
  return wrong;
}

inline int64_t NumWrongAfterLoad(const std::filesystem::path& checkpoint,
                                 std::span<const TestTensor> tensors) {
  return NumWrongAfterLoad(checkpoint, tensors, RowCut(), 1);
}

}  // namespace cadmus
