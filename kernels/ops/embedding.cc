// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/embedding.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {

void EmbeddingForward(const EmbeddingForwardArgs& args, Stream& stream) {
  Check c(args.kName);
  c.Tensor("tokens", args.tokens_T, "T", DType::kI32);
  const DType dtype = c.FloatTensor("table", args.table_VD, "VD");
  c.Tensor("y", args.y_TD, "TD", dtype);
  if (args.y_TD.num_elements() == 0) return;
  Launch(args, stream);
}

void EmbeddingBackward(const EmbeddingBackwardArgs& args, Stream& stream) {
  Check c(args.kName);
  c.Tensor("tokens", args.tokens_T, "T", DType::kI32);
  const DType dtype = c.FloatTensor("dy", args.dy_TD, "TD");
  c.Tensor("dtable", args.dtable_VD, "VD", StatisticsDType(dtype));
  const bool accumulates = args.mode == GradMode::kAccumulate;
  if (accumulates ? args.dy_TD.num_elements() == 0 : args.dtable_VD.num_elements() == 0) return;
  Launch(args, stream);
}

OpCost Cost(const EmbeddingForwardArgs& args) {
  return {.flops = 0, .bytes = BytesOf(args.tokens_T, args.y_TD, args.y_TD)};
}

OpCost Cost(const EmbeddingBackwardArgs& args) {
  // A row of the table is read and written for each token; overwriting clears the table first.
  const double row_bytes = static_cast<double>(args.dy_TD.num_elements()) *
                           static_cast<double>(SizeOf(args.dtable_VD.dtype()));
  const bool accumulates = args.mode == GradMode::kAccumulate;
  return {.flops = static_cast<double>(args.dy_TD.num_elements()),
          .bytes = BytesOf(args.tokens_T, args.dy_TD) + 2 * row_bytes +
                   (accumulates ? 0 : BytesOf(args.dtable_VD))};
}

}  // namespace cadmus
