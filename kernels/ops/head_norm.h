// SPDX-License-Identifier: Apache-2.0
// HeadNorm: the RMSNorm of each head by itself, with one weight for all heads (QK-norm), on views
// that may be parts of a fused tensor: the query heads, or the key heads, of qkv_TND.
//
//   rstd = 1 / sqrt(mean(x²) + epsilon);   y = weight · x · rstd
//   dx = rstd · (dy·weight - x · rstd² · mean(dy·weight·x));   dweight = Σ over t, h of dy · x ·
//   rstd
//
// Backward needs x as it was before the norm, and rstd; y needs not be kept, since forward makes it
// again. Source: Zhang & Sennrich, 1910.07467, as in Qwen 3 (2505.09388). Letters: T tokens, H
// heads, D head dim. Strided views: the last dim contiguous. Deterministic: dweight is summed over
// blocks of the T · H rows (token_blocks.h).
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

struct HeadNormForwardArgs {
  static constexpr const char* kName = "HeadNormForward";
  ConstTensorView x_THD;  // may be strided
  ConstTensorView weight_D;
  double epsilon = 1e-6;
  TensorView y_THD;    // may be strided; may alias x where no backward follows
  TensorView rstd_TH;  // statistics dtype

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x_THD);
    v.Read("weight", weight_D);
    v.Write("y", y_THD);
    v.Write("rstd", rstd_TH);
  }
};

struct HeadNormBackwardArgs {
  static constexpr const char* kName = "HeadNormBackward";
  ConstTensorView x_THD;  // what was normalised; may be strided
  ConstTensorView weight_D;
  ConstTensorView rstd_TH;
  ConstTensorView dy_THD;  // may be strided
  TensorView dx_THD;       // may be strided; may alias dy
  TensorView dweight_D;    // statistics dtype or the storage type
  GradMode dweight_mode = GradMode::kOverwrite;
  TensorView workspace;  // U8, at least HeadNormBackwardWorkspaceBytes

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x_THD);
    v.Read("weight", weight_D);
    v.Read("rstd", rstd_TH);
    v.Read("dy", dy_THD);
    v.Write("dx", dx_THD);
    VisitGradient(v, "dweight", dweight_D, dweight_mode);
    v.ReadWrite("workspace", workspace);
  }
};

int64_t HeadNormBackwardWorkspaceBytes(int64_t num_tokens, int64_t num_heads, int64_t head_dim,
                                       DType dtype);
void HeadNormForward(const HeadNormForwardArgs& args, Stream& stream);
void HeadNormBackward(const HeadNormBackwardArgs& args, Stream& stream);
OpCost Cost(const HeadNormForwardArgs& args);
OpCost Cost(const HeadNormBackwardArgs& args);

}  // namespace cadmus
