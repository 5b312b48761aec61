// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/attention_choice.h"

#include <algorithm>

#include "kernels/ops/check.h"

namespace cadmus {
namespace {

// A block of scores, its probabilities and its keys stay in a second-level cache of 256 KiB; a
// product of this size runs at three quarters of a large one's rate, while a causal mask wastes
// half of a block per 64 queries only.
constexpr int64_t kQueryBlock = 64;
constexpr int64_t kKeyBlock = 128;
// As many tasks run at once.
constexpr int64_t kMostSlots = 64;

// Lays arrays behind each other, each on its own cache lines.
class SlotLayout {
 public:
  int64_t Append(int64_t bytes) {
    const int64_t at = end_;
    end_ += (bytes + 63) / 64 * 64;
    return at;
  }
  int64_t end() const { return end_; }

 private:
  int64_t end_ = 0;
};

AttentionScratch LayOut(const AttentionSpec& spec, const AttentionChoice& choice, int64_t num_tasks,
                        int64_t num_key_sums) {
  const int64_t wide = SizeOf(StatisticsDType(spec.dtype));
  const int64_t block = choice.query_block * choice.key_block;
  SlotLayout layout;
  AttentionScratch scratch;
  scratch.visible_at = layout.Append(choice.query_block * 2 * SizeOf(DType::kI64));
  scratch.scores_at = layout.Append(block * wide);
  scratch.probabilities_at = layout.Append(block * SizeOf(spec.dtype));
  scratch.query_sums_at = layout.Append(choice.query_block * spec.head_dim * wide);
  scratch.rows_at = layout.Append(2 * choice.query_block * wide);
  scratch.key_sums_at = layout.Append(2 * num_key_sums * spec.head_dim * wide);
  scratch.slot_bytes = layout.end();
  scratch.num_slots = std::min(num_tasks, kMostSlots);
  return scratch;
}

}  // namespace

AttentionChoice ChooseAttention(const AttentionSpec& spec) {
  AttentionChoice choice;
  choice.query_block = std::clamp<int64_t>(spec.query_length, 1, kQueryBlock);
  choice.key_block = std::clamp<int64_t>(spec.key_length, 1, kKeyBlock);
  const int64_t query_blocks = (spec.query_length + choice.query_block - 1) / choice.query_block;
  choice.forward = LayOut(spec, choice, spec.batch * spec.num_heads * query_blocks, 0);
  choice.backward = LayOut(spec, choice, spec.batch * spec.num_kv_heads, spec.key_length);
  return choice;
}

}  // namespace cadmus
