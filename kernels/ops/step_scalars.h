// SPDX-License-Identifier: Apache-2.0
// StepScalars: everything that changes from step to step and that kernels read, in one block of
// device memory, so that a step's launches are the same every time and can be captured as a graph.
#pragma once

#include <cstdint>

#include "kernels/base/tensor_view.h"

namespace cadmus {

struct StepScalars {
  double learning_rate = 0;
  double loss_scale = 0;   // 1 / supervised tokens of the global batch; the only scale of gradients
  double clip_factor = 1;  // written on the device by ClipFactor
  uint64_t seed = 0;       // of dropout
  int64_t step = 0;        // counts from 1: the exponent of AdamW's bias corrections
};

// A view of one block is U8[sizeof(StepScalars)].
inline constexpr int64_t kStepScalarsBytes = sizeof(StepScalars);

// How a gradient arrives at its destination.
enum class GradMode : uint8_t { kOverwrite, kAccumulate };

// Names where a gradient arrives to the visitor of an argument struct.
template <class V>
void VisitGradient(V& v, const char* name, const TensorView& gradient, GradMode mode) {
  if (mode == GradMode::kAccumulate) {
    v.ReadWrite(name, gradient);
  } else {
    v.Write(name, gradient);
  }
}

}  // namespace cadmus
