// SPDX-License-Identifier: Apache-2.0
// LayerNorm with weight and bias, and an optional fused residual add.
//
//   s = x (+ residual);   mean = mean(s);   rstd = 1 / sqrt(mean((s - mean)²) + epsilon)
//   n = (s - mean) · rstd;   y = weight · n + bias
//   g = dy · weight;   ds = rstd · (g - mean(g) - n · mean(g · n)) (+ dsum)
//   dweight = Σ_t dy · n;   dbias = Σ_t dy
//
// Source: Ba et al., 1607.06450; the variance is biased and two-pass. Letters: T tokens, D model
// width. Deterministic: dweight and dbias are summed over token blocks (token_blocks.h).
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

struct LayerNormForwardArgs {
  static constexpr const char* kName = "LayerNormForward";
  ConstTensorView x_TD;
  ConstTensorView residual_TD;  // absent: no add
  ConstTensorView weight_D, bias_D;
  double epsilon = 1e-5;
  TensorView sum_TD;          // x + residual; present exactly when residual is; may alias either
  TensorView y_TD;            // may alias x unless sum does
  TensorView mean_T, rstd_T;  // statistics dtype

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x_TD);
    v.Read("residual", residual_TD);
    v.Read("weight", weight_D);
    v.Read("bias", bias_D);
    v.Write("sum", sum_TD);
    v.Write("y", y_TD);
    v.Write("mean", mean_T);
    v.Write("rstd", rstd_T);
  }
};

struct LayerNormBackwardArgs {
  static constexpr const char* kName = "LayerNormBackward";
  ConstTensorView s_TD;  // what was normalised: x, or the sum
  ConstTensorView weight_D;
  ConstTensorView mean_T, rstd_T;
  ConstTensorView dy_TD;
  ConstTensorView dsum_TD;        // absent, or the gradient that arrives beside the norm
  TensorView ds_TD;               // may alias dy or dsum
  TensorView dweight_D, dbias_D;  // each in the statistics dtype or the storage type
  GradMode dweight_mode = GradMode::kOverwrite, dbias_mode = GradMode::kOverwrite;
  TensorView workspace;  // U8, at least LayerNormBackwardWorkspaceBytes

  template <class V>
  void Visit(V& v) const {
    v.Read("s", s_TD);
    v.Read("weight", weight_D);
    v.Read("mean", mean_T);
    v.Read("rstd", rstd_T);
    v.Read("dy", dy_TD);
    v.Read("dsum", dsum_TD);
    v.Write("ds", ds_TD);
    VisitGradient(v, "dweight", dweight_D, dweight_mode);
    VisitGradient(v, "dbias", dbias_D, dbias_mode);
    v.ReadWrite("workspace", workspace);
  }
};

// One row of partial sums of dweight, then one of dbias, for each block of tokens.
int64_t LayerNormBackwardWorkspaceBytes(int64_t num_tokens, int64_t width, DType dtype);
void LayerNormForward(const LayerNormForwardArgs& args, Stream& stream);
void LayerNormBackward(const LayerNormBackwardArgs& args, Stream& stream);
OpCost Cost(const LayerNormForwardArgs& args);
OpCost Cost(const LayerNormBackwardArgs& args);

}  // namespace cadmus
