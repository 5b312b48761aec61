// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cast.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {
namespace {

bool HasConversion(DType from, DType to) {
  return from == to || (IsStorageDType(from) && IsStorageDType(to));
}

}  // namespace

void Cast(const CastArgs& args, Stream& stream) {
  Check c(args.kName);
  const std::string_view letters =
      std::string_view("ABCDEF").substr(0, static_cast<size_t>(args.x.num_dims()));
  c.Tensor("x", args.x, letters, args.x.dtype(), Layout::kLastDimContiguous);
  c.Tensor("y", args.y, letters, args.y.dtype(), Layout::kLastDimContiguous);
  if (!HasConversion(args.x.dtype(), args.y.dtype())) {
    throw Error(Kind::kInternal, StrCat(args.kName, ": no conversion from x ", Name(args.x.dtype()),
                                        " to y ", Name(args.y.dtype())));
  }
  if (args.x.num_elements() == 0) return;
  Launch(args, stream);
}

OpCost Cost(const CastArgs& args) { return {.flops = 0, .bytes = BytesOf(args.x, args.y)}; }

}  // namespace cadmus
