// SPDX-License-Identifier: Apache-2.0
// Embedding: y[t] = table[token[t]]; dtable[v] (+)= Σ over t with token[t] = v of dy[t], in the
// order of t. Letters: T tokens, V vocabulary, D width. Tokens come validated from the host; one
// outside [0, V) is a failed check before anything is written. Deterministic.
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

struct EmbeddingForwardArgs {
  static constexpr const char* kName = "EmbeddingForward";
  ConstTensorView tokens_T;  // I32
  ConstTensorView table_VD;
  TensorView y_TD;

  template <class V>
  void Visit(V& v) const {
    v.Read("tokens", tokens_T);
    v.Read("table", table_VD);
    v.Write("y", y_TD);
  }
};

struct EmbeddingBackwardArgs {
  static constexpr const char* kName = "EmbeddingBackward";
  ConstTensorView tokens_T;
  ConstTensorView dy_TD;
  TensorView dtable_VD;  // statistics dtype: it is the sum
  GradMode mode = GradMode::kOverwrite;

  template <class V>
  void Visit(V& v) const {
    v.Read("tokens", tokens_T);
    v.Read("dy", dy_TD);
    if (mode == GradMode::kAccumulate) {
      v.ReadWrite("dtable", dtable_VD);
    } else {
      v.Write("dtable", dtable_VD);
    }
  }
};

void EmbeddingForward(const EmbeddingForwardArgs& args, Stream& stream);
void EmbeddingBackward(const EmbeddingBackwardArgs& args, Stream& stream);
OpCost Cost(const EmbeddingForwardArgs& args);
OpCost Cost(const EmbeddingBackwardArgs& args);

}  // namespace cadmus
