// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/pipeline/stage_layout.h"

#include <numeric>

#include "kernels/base/error.h"
#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

constexpr char kList[] = "parallel.blocks_per_stage";

// "3, 3, 2"
template <class T>
std::string Join(std::span<const T> counts) {
  std::string text;
  for (T count : counts) text += StrCat(text.empty() ? "" : ", ", count);
  return text;
}

// As even as can be, the first stages taking one more. Of stages that are one or two more than the
// blocks, the first or both ends have none; of more, nothing.
std::vector<int64_t> EvenBlocks(int64_t num_blocks, int64_t num_stages) {
  const int64_t num_empty = std::max<int64_t>(0, num_stages - num_blocks);
  if (num_empty > 2 || num_stages < 1) return {};
  std::vector<int64_t> blocks(static_cast<size_t>(num_stages), num_blocks / num_stages);
  for (int64_t stage = 0; stage < num_blocks % num_stages; ++stage)
    ++blocks[static_cast<size_t>(stage)];
  if (num_empty == 0) return blocks;
  blocks.assign(blocks.size(), 1);
  blocks.front() = 0;
  if (num_empty == 2) blocks.back() = 0;
  return blocks;
}

std::string ListProblem(int64_t num_blocks, int64_t num_stages,
                        std::span<const int32_t> blocks_per_stage) {
  const std::string list = StrCat(kList, " = ", Join(blocks_per_stage));
  if (static_cast<int64_t>(blocks_per_stage.size()) != num_stages) {
    return StrCat(list, " has ", blocks_per_stage.size(), " entries for a pipeline of ", num_stages,
                  " stages (pp times chunks)");
  }
  const int64_t sum = std::accumulate(blocks_per_stage.begin(), blocks_per_stage.end(), int64_t{0});
  if (sum != num_blocks)
    return StrCat(list, " sums to ", sum, ", the model has ", num_blocks, " blocks");
  for (size_t stage = 0; stage < blocks_per_stage.size(); ++stage) {
    const bool has_more = stage == 0 || stage + 1 == blocks_per_stage.size();
    if (blocks_per_stage[stage] > 0 || (blocks_per_stage[stage] == 0 && has_more)) continue;
    return StrCat(list, " gives stage ", stage, " ", blocks_per_stage[stage],
                  " blocks; only the first stage, which has the embedding, and the last, which has "
                  "the head, may do without any");
  }
  return "";
}

}  // namespace

std::string StageLayoutProblem(int64_t num_blocks, int64_t num_stages,
                               std::span<const int32_t> blocks_per_stage) {
  const std::vector<int64_t> even = EvenBlocks(num_blocks, num_stages);
  if (!blocks_per_stage.empty()) {
    const std::string problem = ListProblem(num_blocks, num_stages, blocks_per_stage);
    if (problem.empty()) return "";
    return StrCat(problem, "; ",
                  even.empty() ? StrCat("take at most ", num_blocks + 2, " stages")
                               : "nearest: " + Join<int64_t>(even));
  }
  if (num_blocks >= num_stages) return "";
  const std::string problem = StrCat(num_blocks, " blocks do not fill a pipeline of ", num_stages,
                                     " stages (pp times chunks); take at most ", num_blocks);
  return even.empty() ? problem : StrCat(problem, ", or ", kList, " = ", Join<int64_t>(even));
}

std::vector<StageRange> MakeStageLayout(int64_t num_blocks, int num_stages,
                                        std::span<const int32_t> blocks_per_stage) {
  if (std::string problem = StageLayoutProblem(num_blocks, num_stages, blocks_per_stage);
      !problem.empty()) {
    throw Error(Kind::kConfig, std::move(problem));
  }
  std::vector<int64_t> blocks(blocks_per_stage.begin(), blocks_per_stage.end());
  if (blocks.empty()) blocks = EvenBlocks(num_blocks, num_stages);
  std::vector<StageRange> stages;
  int64_t first = 0;
  for (int64_t count : blocks) {
    stages.push_back({.first_block = first, .num_blocks = count});
    first += count;
  }
  stages.front().has_embedding = true;
  stages.back().has_head = true;
  return stages;
}

}  // namespace cadmus
