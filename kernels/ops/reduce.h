// SPDX-License-Identifier: Apache-2.0
// Whole-tensor sums into one f64, in an order fixed by the size, and what is made of them: the clip
// factor.
//
//   Sum:         out (+)= Σ x
//   SquaredNorm: out (+)= Σ x²
//   ClipFactor:  norm = sqrt(squared_norm)
//                scalars.clip_factor = min(1, max_norm / (norm + 1e-6)); 1 where max_norm = 0
//
// A squared norm is the finite check of gradients: of f32 elements and narrower ones it is finite
// exactly when all of them are. A NaN norm gives a NaN factor, unless max_norm = 0. The clip
// formula is that of PyTorch's clip_grad_norm_. Letter: N elements.
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

struct SumArgs {
  static constexpr const char* kName = "Sum";
  ConstTensorView x_N;
  TensorView out;  // F64[1]
  GradMode mode = GradMode::kOverwrite;
  TensorView workspace;  // U8, at least ReduceWorkspaceBytes

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x_N);
    VisitGradient(v, "out", out, mode);
    v.ReadWrite("workspace", workspace);
  }
};

struct SquaredNormArgs {
  static constexpr const char* kName = "SquaredNorm";
  ConstTensorView x_N;
  TensorView out;  // F64[1]
  GradMode mode = GradMode::kOverwrite;
  TensorView workspace;  // U8, at least ReduceWorkspaceBytes

  template <class V>
  void Visit(V& v) const {
    v.Read("x", x_N);
    VisitGradient(v, "out", out, mode);
    v.ReadWrite("workspace", workspace);
  }
};

struct ClipFactorArgs {
  static constexpr const char* kName = "ClipFactor";
  ConstTensorView squared_norm;  // F64[1]
  double max_norm = 0;           // 0: no clipping
  TensorView norm;               // F64[1]
  TensorView scalars;            // U8[kStepScalarsBytes]

  template <class V>
  void Visit(V& v) const {
    v.Read("squared_norm", squared_norm);
    v.Write("norm", norm);
    v.ReadWrite("scalars", scalars);
  }
};

// Elements that are summed together first: one f64 of the workspace.
inline constexpr int64_t kReduceBlock = 8192;
int64_t ReduceWorkspaceBytes(int64_t num_elements);
void Sum(const SumArgs& args, Stream& stream);
void SquaredNorm(const SquaredNormArgs& args, Stream& stream);
void ClipFactor(const ClipFactorArgs& args, Stream& stream);
OpCost Cost(const SumArgs& args);
OpCost Cost(const SquaredNormArgs& args);
OpCost Cost(const ClipFactorArgs& args);

}  // namespace cadmus
