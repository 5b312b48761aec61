// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/dropout.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {

void Dropout(const DropoutArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("x", args.x_TD, "TD");
  c.Optional("residual", args.residual_TD, "TD", dtype);
  c.Tensor("y", args.y_TD, "TD", dtype);
  c.True(args.probability >= 0 && args.probability < 1, "probability must be in [0, 1)");
  c.True(args.column_base >= 0, "column_base must not be negative");
  if (args.probability > 0) {
    c.Bind('S', kStepScalarsBytes);
    c.Tensor("scalars", args.scalars, "S", DType::kU8);
    c.Tensor("row_samples", args.row_samples_T, "T", DType::kI64);
    c.Tensor("row_positions", args.row_positions_T, "T", DType::kI32);
  }
  if (args.x_TD.num_elements() == 0) return;
  Launch(args, stream);
}

OpCost Cost(const DropoutArgs& args) {
  const double flops_per_element = (args.probability > 0 ? 1 : 0) + (args.residual_TD ? 1 : 0);
  return {.flops = flops_per_element * static_cast<double>(args.x_TD.num_elements()),
          .bytes = BytesOf(args.x_TD, args.residual_TD, args.row_samples_T, args.row_positions_T,
                           args.y_TD)};
}

}  // namespace cadmus
