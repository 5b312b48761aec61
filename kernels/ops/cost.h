// SPDX-License-Identifier: Apache-2.0
// The sum that most costs are made of: the bytes of views that a kernel must move once.
#pragma once

#include "kernels/base/tensor_view.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

// Absent views count nothing; a view that is read and written is named twice.
template <class... Views>
double BytesOf(const Views&... views) {
  return (static_cast<double>(views.num_bytes()) + ... + 0.0);
}

// A gradient that is added to is read too.
inline double BytesOfGradient(const TensorView& gradient, GradMode mode) {
  return mode == GradMode::kAccumulate ? BytesOf(gradient, gradient) : BytesOf(gradient);
}

}  // namespace cadmus
