// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/pipeline/stage_layout.h"

#include <numeric>

#include "kernels/base/error.h"
#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

void CheckList(int64_t num_blocks, int num_stages, std::span<const int32_t> blocks_per_stage) {
  if (static_cast<int>(blocks_per_stage.size()) != num_stages) {
    throw Error(Kind::kConfig, StrCat("parallel.blocks_per_stage has ", blocks_per_stage.size(),
                                      " entries for a pipeline of ", num_stages,
                                      " stages (pp times chunks); give one number per stage"));
  }
  const int64_t sum = std::accumulate(blocks_per_stage.begin(), blocks_per_stage.end(), int64_t{0});
  if (sum != num_blocks) {
    throw Error(Kind::kConfig, StrCat("parallel.blocks_per_stage sums to ", sum, ", the model has ",
                                      num_blocks, " blocks"));
  }
  for (size_t stage = 0; stage < blocks_per_stage.size(); ++stage) {
    const bool has_more = stage == 0 || stage + 1 == blocks_per_stage.size();
    if (blocks_per_stage[stage] > 0 || (blocks_per_stage[stage] == 0 && has_more)) continue;
    throw Error(Kind::kConfig,
                StrCat("parallel.blocks_per_stage gives stage ", stage, " ",
                       blocks_per_stage[stage], " blocks; only the first stage, which has the ",
                       "embedding, and the last, which has the head, may do without any"));
  }
}

}  // namespace

std::vector<StageRange> MakeStageLayout(int64_t num_blocks, int num_stages,
                                        std::span<const int32_t> blocks_per_stage) {
  if (!blocks_per_stage.empty()) {
    CheckList(num_blocks, num_stages, blocks_per_stage);
  } else if (num_blocks < num_stages) {
    throw Error(Kind::kConfig,
                StrCat(num_blocks, " blocks do not fill a pipeline of ", num_stages,
                       " stages (pp times chunks); take at most ", num_blocks, " stages"));
  }
  std::vector<StageRange> stages(static_cast<size_t>(num_stages));
  int64_t first = 0;
  for (int stage = 0; stage < num_stages; ++stage) {
    StageRange& range = stages[static_cast<size_t>(stage)];
    range.first_block = first;
    range.num_blocks = blocks_per_stage.empty()
                           ? num_blocks / num_stages + (stage < num_blocks % num_stages ? 1 : 0)
                           : blocks_per_stage[static_cast<size_t>(stage)];
    first += range.num_blocks;
  }
  stages.front().has_embedding = true;
  stages.back().has_head = true;
  return stages;
}

}  // namespace cadmus
