// SPDX-License-Identifier: Apache-2.0
#include "models/decoder/shape.h"

#include <algorithm>

namespace cadmus {
namespace {

int64_t QkvRows(const DecoderShape& s) { return (s.num_heads + 2 * s.num_kv_heads) * s.head_dim; }

// Columns of the feed-forward's first matrix.
int64_t HiddenColumns(const DecoderShape& s) {
  return (s.feed_forward == FeedForward::kSwiGlu ? 2 : 1) * s.intermediate_size;
}

int64_t BlockMatrixWeights(const DecoderShape& s) {
  const int64_t qkv = QkvRows(s) * s.hidden_size;
  const int64_t out = s.hidden_size * s.num_heads * s.head_dim;
  return qkv + out + (HiddenColumns(s) + s.intermediate_size) * s.hidden_size;
}

int64_t NormWeights(const DecoderShape& s) {
  return (s.norm == NormKind::kLayer ? 2 : 1) * s.hidden_size;
}

// What a block has besides its matrices.
int64_t BlockVectorWeights(const DecoderShape& s) {
  return 2 * NormWeights(s) + (s.qk_norm ? 2 * s.head_dim : 0) + (s.qkv_bias ? QkvRows(s) : 0) +
         (s.other_biases ? 2 * s.hidden_size + HiddenColumns(s) : 0);
}

}  // namespace

int64_t NumParameters(const DecoderShape& s) {
  const int64_t learned_positions = s.positions == Positions::kLearned ? s.max_positions : 0;
  const int64_t table_rows = (s.tied_embeddings ? 1 : 2) * s.vocab_size + learned_positions;
  return table_rows * s.hidden_size + NormWeights(s) +
         s.num_layers * (BlockMatrixWeights(s) + BlockVectorWeights(s));
}

double TrainingFlops(const DecoderShape& s, int64_t sequence_length) {
  const auto length = static_cast<double>(sequence_length);
  const auto matrices =
      static_cast<double>(s.num_layers * BlockMatrixWeights(s) + s.vocab_size * s.hidden_size);
  const double hidden =  // of a sequence that is longer than the window
      s.window == 0 ? 0 : static_cast<double>(std::max<int64_t>(sequence_length - s.window, 0));
  const double pairs = (length * length - hidden * hidden) / 2;
  const double attention_forward =
      4.0 * static_cast<double>(s.num_layers * s.num_heads * s.head_dim) * pairs;
  return 6.0 * matrices * length + 3.5 * attention_forward;
}

}  // namespace cadmus
