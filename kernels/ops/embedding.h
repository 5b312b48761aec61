// SPDX-License-Identifier: Apache-2.0
// Embedding: y[t] = table[token[t]] (+ add[t]); dtable[v] (+)= Σ over t with token[t] = v of dy[t],
// in the order of t. Learned positions are a second look-up, by position, that adds the first.
// Letters: T tokens, V rows of the table, D width. Deterministic.
//
// The table holds the whole vocabulary or, with a VocabularyPart, some rows of it: a token whose
// row is elsewhere gets zeros forward, without add, and adds nothing backward, so the sum of y over
// ranks that hold all rows between them is that of the whole table, and each dtable is its rows of
// the whole one. With add, such a token's y is add. Padded rows are never read, and their gradient
// is 0 (kAccumulate: stays).
//
// Tokens come validated from the host; one outside the vocabulary, which is V rows or the part's
// vocab_size, is a failed check before anything is written.
#pragma once

#include <optional>

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"
#include "kernels/ops/vocabulary_part.h"

namespace cadmus {

struct EmbeddingForwardArgs {
  static constexpr const char* kName = "EmbeddingForward";
  ConstTensorView tokens_T;  // I32
  ConstTensorView table_VD;
  ConstTensorView add_TD;              // absent: no add
  std::optional<VocabularyPart> part;  // absent: the table is whole
  TensorView y_TD;                     // may alias add

  template <class V>
  void Visit(V& v) const {
    v.Read("tokens", tokens_T);
    v.Read("table", table_VD);
    v.Read("add", add_TD);
    v.Write("y", y_TD);
  }
};

struct EmbeddingBackwardArgs {
  static constexpr const char* kName = "EmbeddingBackward";
  ConstTensorView tokens_T;
  ConstTensorView dy_TD;
  TensorView dtable_VD;                // statistics dtype: it is the sum
  std::optional<VocabularyPart> part;  // absent: the table is whole
  GradMode mode = GradMode::kOverwrite;

  template <class V>
  void Visit(V& v) const {
    v.Read("tokens", tokens_T);
    v.Read("dy", dy_TD);
    VisitGradient(v, "dtable", dtable_VD, mode);
  }
};

void EmbeddingForward(const EmbeddingForwardArgs& args, Stream& stream);
void EmbeddingBackward(const EmbeddingBackwardArgs& args, Stream& stream);
OpCost Cost(const EmbeddingForwardArgs& args);
OpCost Cost(const EmbeddingBackwardArgs& args);

}  // namespace cadmus
