// SPDX-License-Identifier: Apache-2.0
// Dropout with an optional residual add; with probability 0 it is the add, or a copy.
//
//   y = residual + x · keep / (1 - probability)
//
// keep[t, c] depends on (seed, step, site) and on global indices only, so every layout drops the
// same elements:
//   key = DeriveKey(scalars.seed, scalars.step, site)
//   words = Philox(key, {sample low, sample high, position, column / 4});  keep when
//   UniformFromWord(words[column % 4]) ≥ probability
// with sample = row_samples[t], position = row_positions[t] (in the sample's window), column =
// column_base + c. Backward is the same call on dy without a residual. Letters: T rows, D columns.
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

struct DropoutArgs {
  static constexpr const char* kName = "Dropout";
  ConstTensorView x_TD;
  ConstTensorView residual_TD;      // absent: no add
  ConstTensorView scalars;          // U8[kStepScalarsBytes]; absent when probability is 0
  ConstTensorView row_samples_T;    // I64, global; absent when probability is 0
  ConstTensorView row_positions_T;  // I32, global; absent when probability is 0
  double probability = 0;           // in [0, 1)
  uint64_t site = 0;                // SiteOf(the module's name)
  int64_t column_base = 0;          // global index of column 0
  TensorView y_TD;                  // may alias x or residual

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x_TD);
    v.Read("residual", residual_TD);
    v.Read("scalars", scalars);
    v.Read("row_samples", row_samples_T);
    v.Read("row_positions", row_positions_T);
    v.Write("y", y_TD);
  }
};

void Dropout(const DropoutArgs& args, Stream& stream);
OpCost Cost(const DropoutArgs& args);

}  // namespace cadmus
