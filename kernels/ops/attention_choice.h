// SPDX-License-Identifier: Apache-2.0
// The cpu's choice for attention: block sizes, and the scratch of its tasks. A pure function of the
// spec, never of the number of threads, so that results and memory are the same for any number.
#pragma once

#include "kernels/ops/attention.h"

namespace cadmus {

// Scratch of one pass: task t uses slot t mod num_slots. A slot holds these arrays, at byte offsets
// from its start (W: the statistics dtype, T: the storage dtype):
struct AttentionScratch {
  int64_t num_slots = 0;
  int64_t slot_bytes = 0;
  int64_t visible_at = 0;        // I64[query_block, 2]: first and last + 1 key that a query sees
  int64_t scores_at = 0;         // W[query_block, key_block]
  int64_t probabilities_at = 0;  // T[query_block, key_block]
  int64_t query_sums_at = 0;     // W[query_block, D]: of O, or of dQ
  int64_t rows_at = 0;           // W[2, query_block]: two statistics of each query
  int64_t key_sums_at = 0;       // W[2, key_length, D]: of dK and of dV; backward only

  int64_t bytes() const { return num_slots * slot_bytes; }
};

struct AttentionChoice {
  int64_t query_block = 1, key_block = 1;
  AttentionScratch forward;   // one task per (query block, batch entry, query head)
  AttentionScratch backward;  // one task per (batch entry, key/value head)
};

AttentionChoice ChooseAttention(const AttentionSpec& spec);

}  // namespace cadmus
