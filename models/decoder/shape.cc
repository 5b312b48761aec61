// SPDX-License-Identifier: Apache-2.0
#include "models/decoder/shape.h"

namespace cadmus {
namespace {

int64_t BlockMatrixWeights(const DecoderShape& s) {
  const int64_t qkv = (s.num_heads + 2 * s.num_kv_heads) * s.head_dim * s.hidden_size;
  const int64_t out = s.hidden_size * s.num_heads * s.head_dim;
  return qkv + out + 3 * s.hidden_size * s.intermediate_size;
}

}  // namespace

int64_t NumParameters(const DecoderShape& s) {
  const int64_t tables = (s.tied_embeddings ? 1 : 2) * s.vocab_size * s.hidden_size;
  const int64_t norms = (2 * s.num_layers + 1) * s.hidden_size;
  return tables + norms + s.num_layers * BlockMatrixWeights(s);
}

double TrainingFlops(const DecoderShape& s, int64_t sequence_length) {
  const auto length = static_cast<double>(sequence_length);
  const auto matrices =
      static_cast<double>(s.num_layers * BlockMatrixWeights(s) + s.vocab_size * s.hidden_size);
  const double attention_forward =
      4.0 * static_cast<double>(s.num_layers * s.num_heads * s.head_dim) * length * length / 2.0;
  return 6.0 * matrices * length + 3.5 * attention_forward;
}

}  // namespace cadmus
