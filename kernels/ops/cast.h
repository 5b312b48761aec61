// SPDX-License-Identifier: Apache-2.0
// Cast: y = x in y's dtype, element by element, round to nearest even. The same dtype copies; both
// views may be strided (last dim contiguous), so this is also the copy between differently strided
// views.
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"

namespace cadmus {

struct CastArgs {
  static constexpr const char* kName = "Cast";
  ConstTensorView x;
  TensorView y;  // the same shape

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x);
    v.Write("y", y);
  }
};

void Cast(const CastArgs& args, Stream& stream);
OpCost Cost(const CastArgs& args);

}  // namespace cadmus
