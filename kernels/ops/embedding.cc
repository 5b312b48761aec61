// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/embedding.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {
namespace {

void CheckPart(const Check& c, const std::optional<VocabularyPart>& part) {
  c.True(!part || (part->first >= 0 && part->vocab_size > 0),
         "a part starts at or after row 0 of a vocabulary that is not empty");
}

// The share of the tokens whose row is expected here: all, or as if tokens were spread evenly.
double ShareOfTokens(const std::optional<VocabularyPart>& part, int64_t num_rows) {
  if (!part) return 1;
  return static_cast<double>(part->NumPresent(num_rows)) / static_cast<double>(part->vocab_size);
}

}  // namespace

void EmbeddingForward(const EmbeddingForwardArgs& args, Stream& stream) {
  Check c(args.kName);
  c.Tensor("tokens", args.tokens_T, "T", DType::kI32);
  const DType dtype = c.FloatTensor("table", args.table_VD, "VD");
  c.Optional("add", args.add_TD, "TD", dtype);
  c.Tensor("y", args.y_TD, "TD", dtype);
  CheckPart(c, args.part);
  if (args.y_TD.num_elements() == 0) return;
  Launch(args, stream);
}

void EmbeddingBackward(const EmbeddingBackwardArgs& args, Stream& stream) {
  Check c(args.kName);
  c.Tensor("tokens", args.tokens_T, "T", DType::kI32);
  const DType dtype = c.FloatTensor("dy", args.dy_TD, "TD");
  c.Tensor("dtable", args.dtable_VD, "VD", StatisticsDType(dtype));
  CheckPart(c, args.part);
  const bool accumulates = args.mode == GradMode::kAccumulate;
  if (accumulates ? args.dy_TD.num_elements() == 0 : args.dtable_VD.num_elements() == 0) return;
  Launch(args, stream);
}

OpCost Cost(const EmbeddingForwardArgs& args) {
  const double rows_read = ShareOfTokens(args.part, args.table_VD.dim(0)) * BytesOf(args.y_TD);
  return {.flops = static_cast<double>(args.add_TD.num_elements()),
          .bytes = BytesOf(args.tokens_T, args.add_TD, args.y_TD) + rows_read};
}

OpCost Cost(const EmbeddingBackwardArgs& args) {
  // For each token that has its row here: dy is read, the row of the table is read and written.
  // Overwriting clears the table first.
  const double share = ShareOfTokens(args.part, args.dtable_VD.dim(0));
  const double additions = share * static_cast<double>(args.dy_TD.num_elements());
  const double row_bytes = additions * static_cast<double>(SizeOf(args.dtable_VD.dtype()));
  const bool accumulates = args.mode == GradMode::kAccumulate;
  return {.flops = additions,
          .bytes = BytesOf(args.tokens_T) + share * BytesOf(args.dy_TD) + 2 * row_bytes +
                   (accumulates ? 0 : BytesOf(args.dtable_VD))};
}

}  // namespace cadmus
