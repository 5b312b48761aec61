// SPDX-License-Identifier: Apache-2.0
// RMSNorm with an optional fused residual add.
//
//   s = x (+ residual);   rstd = 1 / sqrt(mean(s²) + epsilon);   y = weight · s · rstd
//   ds = rstd · (dy·weight - s · rstd² · mean(dy·weight·s)) (+ dsum);   dweight = Σ_t dy · s · rstd
//
// Source: Zhang & Sennrich, 1910.07467. Letters: T tokens, D model width. Deterministic: dweight is
// summed over token blocks (token_blocks.h).
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

struct RmsNormForwardArgs {
  static constexpr const char* kName = "RmsNormForward";
  ConstTensorView x_TD;
  ConstTensorView residual_TD;  // absent: no add
  ConstTensorView weight_D;
  double epsilon = 1e-5;
  TensorView sum_TD;  // x + residual; present exactly when residual is; may alias x or residual
  TensorView y_TD;    // may alias x unless sum does
  TensorView rstd_T;  // statistics dtype

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x_TD);
    v.Read("residual", residual_TD);
    v.Read("weight", weight_D);
    v.Write("sum", sum_TD);
    v.Write("y", y_TD);
    v.Write("rstd", rstd_T);
  }
};

struct RmsNormBackwardArgs {
  static constexpr const char* kName = "RmsNormBackward";
  ConstTensorView s_TD;  // what was normalised: x, or the sum
  ConstTensorView weight_D;
  ConstTensorView rstd_T;
  ConstTensorView dy_TD;
  ConstTensorView dsum_TD;  // absent, or the gradient that arrives beside the norm; added to ds
  TensorView ds_TD;         // may alias dy or dsum
  TensorView dweight_D;     // statistics dtype or the storage type
  GradMode dweight_mode = GradMode::kOverwrite;
  TensorView workspace;  // U8, at least RmsNormBackwardWorkspaceBytes

  template <class V>
  void Visit(V& v) const {
    v.Read("s", s_TD);
    v.Read("weight", weight_D);
    v.Read("rstd", rstd_T);
    v.Read("dy", dy_TD);
    v.Read("dsum", dsum_TD);
    v.Write("ds", ds_TD);
    VisitGradient(v, "dweight", dweight_D, dweight_mode);
    v.ReadWrite("workspace", workspace);
  }
};

int64_t RmsNormBackwardWorkspaceBytes(int64_t num_tokens, int64_t width, DType dtype);
void RmsNormForward(const RmsNormForwardArgs& args, Stream& stream);
void RmsNormBackward(const RmsNormBackwardArgs& args, Stream& stream);
OpCost Cost(const RmsNormForwardArgs& args);
OpCost Cost(const RmsNormBackwardArgs& args);

}  // namespace cadmus
