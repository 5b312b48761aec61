// SPDX-License-Identifier: Apache-2.0
// What the layers at both ends of a model share where tensor-parallel ranks split the vocabulary:
// every rank holds equally many rows of the table, one rank after the other; what the last ranks
// hold beyond the vocabulary is padding.
#pragma once

#include "kernels/ops/vocabulary_part.h"
#include "runtime/nn/context.h"
#include "runtime/nn/parameter.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

// The rows of `table_VM` that are this rank's. Requires that it was placed so (runtime/parallel/
// tensor/place.h, dim 0 over tp); a rank may hold nothing but padding.
inline VocabularyPart PartOfTable(const Parameter& table_VM, const TensorParallel& parallel) {
  const int64_t num_rows = table_VM.LocalShape()[0];
  const VocabularyPart part = {.first = parallel.index() * num_rows,
                               .vocab_size = table_VM.shape[0]};
  const bool is_placed =
      table_VM.local_shape.num_dims() > 0 &&
      (table_VM.slices.empty() ? part.NumPresent(num_rows) == 0
                               : table_VM.slices[0].global_offset[0] == part.first);
  CADMUS_CHECK(
      parallel.size() == 1 || is_placed,
      StrCat(table_VM.name, " ", table_VM.shape.ToString(), " is not placed as rows over tp ",
             parallel.size(), "; call Place before it is given memory"));
  return part;
}

// Inference makes whole logits on one rank.
inline void RequireWholeForInference(const ForwardContext& context,
                                     const TensorParallel& parallel) {
  if (!context.infers() || parallel.size() == 1) return;
  throw Error(Kind::kConfig,
              StrCat("inference over tp = ", parallel.size(),
                     " ranks is not possible: logits of a split vocabulary are never gathered; "
                     "load the checkpoint with parallel.tp: 1"));
}

}  // namespace cadmus
