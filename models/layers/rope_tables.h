// SPDX-License-Identifier: Apache-2.0
// RopeTables: cosines and sines of every position and frequency, on the device, shared by all
// blocks of a model.
#pragma once

#include "kernels/device/tensor.h"
#include "kernels/ops/rope.h"

namespace cadmus {

class RopeTables {
 public:
  // `dtype` is the statistics dtype. Blocks until the tables are on the device.
  RopeTables(const RopeFrequencies& frequencies, int64_t num_positions, DType dtype,
             Stream& stream);

  const TensorView& cos_PF() const { return cos_PF_.view(); }
  const TensorView& sin_PF() const { return sin_PF_.view(); }

 private:
  Tensor cos_PF_;
  Tensor sin_PF_;
};

}  // namespace cadmus
