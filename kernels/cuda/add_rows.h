// SPDX-License-Identifier: Apache-2.0
// AddRows: the second stage of sums over tokens (kernels/ops/token_blocks.h): rows of partial sums,
// added in an order that depends on their number only.
#pragma once

#include "kernels/device/device.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus::cuda {

struct PartialRows {
  const char* op = "";          // whose sums they are
  ConstTensorView partials_BD;  // in the statistics dtype; rows may lie apart
  GradMode mode = GradMode::kOverwrite;
  TensorView out_D;  // (+)= the sum; in the statistics dtype or a storage type of it
};

void AddRows(const PartialRows& rows, Stream& stream);

}  // namespace cadmus::cuda
