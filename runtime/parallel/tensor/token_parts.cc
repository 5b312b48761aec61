// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/tensor/token_parts.h"

#include "kernels/base/error.h"
#include "kernels/ops/cast.h"

namespace cadmus {
namespace {

// The rows of one part among the `num_rows` outer rows of a rank; empty where there are fewer rows
// than parts.
TokenRange PartOf(const TensorParallel& parallel, int64_t num_rows, int part) {
  const int num_parts = parallel.token_parts();
  return {num_rows * part / num_parts, num_rows * (part + 1) / num_parts};
}

// Adds up a part of the product: in place, or from all ranks' stretches into the outer rows.
void SumPart(const TensorParallel& parallel, const TensorView& partial, const TensorView& y_outer) {
  Stream& communication = parallel.communication();
  if (parallel.splits_sequence()) {
    parallel.ranks().ReduceScatter(
        {.input = partial, .output = y_outer, .site = "sum a part of the tokens"}, communication);
  } else {
    parallel.ranks().AllReduce({.buffer = partial, .site = "sum a part of the tokens"},
                               communication);
  }
}

// Later work of `later` starts when what `earlier` has so far is done.
void Order(const TensorParallel& parallel, Stream& earlier, Stream& later) {
  earlier.Record(parallel.mark());
  later.Wait(parallel.mark());
}

}  // namespace

void EnterInParts(const TensorParallel& parallel, const ConstTensorView& x_outer,
                  const TensorView& y_TN, const TensorView& x_TK, const RowsProduct& product,
                  Stream& stream) {
  CADMUS_CHECK(parallel.gathers_in_parts(), "nothing is gathered in parts");
  Stream& communication = parallel.communication();
  const int num_parts = parallel.token_parts();
  const int64_t num_ranks = parallel.size(), num_rows = x_outer.dim(0), width = x_outer.dim(1);
  const TensorView y_RTN = y_TN.Reshape({num_ranks, num_rows, y_TN.dim(1)});
  const TensorView x_RTK = x_TK ? x_TK.Reshape({num_ranks, num_rows, width}) : TensorView();
  // Two places, in turn: one part arrives while the product reads the other.
  const int64_t longest = (num_rows + num_parts - 1) / num_parts;
  const Tensor places = parallel.ranks().Allocate(x_outer.dtype(), {2, num_ranks * longest, width},
                                                  MemoryCategory::kWorkspace, stream);
  const auto place_of = [&](int part) {
    const int64_t length = PartOf(parallel, num_rows, part).size();
    return TensorView(places.view().Slice(0, part % 2, part % 2 + 1).raw(), x_outer.dtype(),
                      {num_ranks, length, width});
  };
  const auto gather = [&](int part) {
    const TokenRange rows = PartOf(parallel, num_rows, part);
    Order(parallel, stream, communication);  // behind the last product that read its place
    if (rows.size() == 0) return;
    parallel.ranks().AllGather({.input = x_outer.Slice(0, rows.begin, rows.end),
                                .output = place_of(part),
                                .site = "gather a part of the tokens"},
                               communication);
  };

  gather(0);
  for (int part = 0; part < num_parts; ++part) {
    Order(parallel, communication, stream);
    if (part + 1 < num_parts) gather(part + 1);  // runs beside the product below
    const TokenRange rows = PartOf(parallel, num_rows, part);
    if (rows.size() == 0) continue;
    product(place_of(part), y_RTN.Slice(1, rows.begin, rows.end));
    if (x_RTK) Cast({.x = place_of(part), .y = x_RTK.Slice(1, rows.begin, rows.end)}, stream);
  }
}

Tensor LeaveInParts(const TensorParallel& parallel, const ConstTensorView& x_TK,
                    int64_t num_outputs, MemoryCategory category, const RowsProduct& product,
                    Stream& stream) {
  CADMUS_CHECK(parallel.overlaps(), "nothing is summed in parts: see TensorParallelOptions");
  Stream& communication = parallel.communication();
  Communicator& ranks = parallel.ranks();
  const int64_t num_tokens = x_TK.dim(0), num_inputs = x_TK.dim(1);
  const int64_t num_rows = parallel.OuterTokens(num_tokens).size();
  const int64_t num_stretches = num_tokens / num_rows;
  Tensor y_outer = ranks.Allocate(x_TK.dtype(), {num_rows, num_outputs}, category, stream);
  // With sequence parallel the parts lie one after the other, each with the stretches of all ranks.
  Tensor partial;
  if (parallel.splits_sequence()) {
    partial =
        ranks.Allocate(x_TK.dtype(), {num_tokens, num_outputs}, MemoryCategory::kWorkspace, stream);
  }
  const TensorView y_all = partial ? partial.view() : y_outer.view();
  const ConstTensorView x_RTK = x_TK.Reshape({num_stretches, num_rows, num_inputs});

  for (int part = 0; part < parallel.token_parts(); ++part) {
    const TokenRange rows = PartOf(parallel, num_rows, part);
    if (rows.size() == 0) continue;
    const TensorView y_part = y_all.Slice(0, num_stretches * rows.begin, num_stretches * rows.end);
    product(x_RTK.Slice(1, rows.begin, rows.end),
            y_part.Reshape({num_stretches, rows.size(), num_outputs}));
    Order(parallel, stream, communication);
    SumPart(parallel, y_part, y_outer.view().Slice(0, rows.begin, rows.end));
  }
  Order(parallel, communication, stream);
  return y_outer;
}

}  // namespace cadmus
