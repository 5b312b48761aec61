// SPDX-License-Identifier: Apache-2.0
// StageLayout: which part of a model each pipeline stage holds: a run of transformer blocks, with
// the embedding before the first and the head after the last.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cadmus {

struct StageRange {
  int64_t first_block = 0, num_blocks = 0;
  bool has_embedding = false;
  bool has_head = false;
};

// The first of these rules that is broken, in words, with the nearest list that keeps them; empty:
// all hold. `blocks_per_stage` has num_stages entries that are not negative and sum to num_blocks,
// and every stage has at least one module; if it is empty, every stage has a block.
std::string StageLayoutProblem(int64_t num_blocks, int64_t num_stages,
                               std::span<const int32_t> blocks_per_stage);

// The stages in the order of the forward pass. `blocks_per_stage` gives the blocks of each; if it
// is empty they are spread evenly, the first stages taking one more: the last one has the head.
// Throws kConfig where StageLayoutProblem finds one.
std::vector<StageRange> MakeStageLayout(int64_t num_blocks, int num_stages,
                                        std::span<const int32_t> blocks_per_stage);

}  // namespace cadmus
