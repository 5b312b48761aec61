// SPDX-License-Identifier: Apache-2.0
// Gemm: batched matrix products with an epilogue, in two phases: MakePlan chooses a kernel for a
// Spec in set-up, Gemm only enqueues.
//
//   C[b] = op(A[b]) · op(B[b]) (+ C[b] when accumulating) (+ bias, one value per column)
//
// op(A) is [m, k], op(B) is [k, n], C is [m, n], row-major. "Transposed" means that the operand is
// stored as its transpose: A as [k, m], B as [n, k] (the layout of a linear layer's weight).
#pragma once

#include <memory>
#include <string>

#include "kernels/device/device.h"
#include "kernels/device/trace.h"
#include "kernels/ops/step_scalars.h"

namespace cadmus {

enum class Transpose : uint8_t { kNo, kYes };
enum class Epilogue : uint8_t { kNone, kBias };
// kBitwise: the same bits for any number of threads or blocks in flight. kFast may give that up.
enum class Reproducibility : uint8_t { kBitwise, kFast };
// How an operand's optional scales apply; block scales arrive with FP8.
enum class ScaleMode : uint8_t { kNone };

struct GemmSpec {
  static constexpr const char* kName = "Gemm plan";
  int64_t batch = 1;
  int64_t m = 0, n = 0, k = 0;
  DType dtype = DType::kNone;  // of A, B, bias and C; sums in f32 or wider
  // Of C where it is not `dtype`: the statistics dtype, for gradients that are summed up in it.
  DType dtype_c = DType::kNone;
  Transpose transpose_a = Transpose::kNo;
  Transpose transpose_b = Transpose::kNo;
  GradMode mode = GradMode::kOverwrite;
  Epilogue epilogue = Epilogue::kNone;
  Reproducibility reproducibility = Reproducibility::kBitwise;
  // Elements between rows of the stored operands; 0 means contiguous rows.
  int64_t row_stride_a = 0, row_stride_b = 0, row_stride_c = 0;
};

inline DType OutputDType(const GemmSpec& spec) {
  return spec.dtype_c == DType::kNone ? spec.dtype : spec.dtype_c;
}

// A chosen kernel. Back ends derive from it; immutable, and shared by everyone who runs it.
struct GemmPlan {
  virtual ~GemmPlan() = default;
  GemmSpec spec;
  std::string kernel;  // its name, for the log
  int64_t workspace_bytes = 0;
  bool capturable = false;  // as part of a graph
};

struct MatrixOperand {
  ConstTensorView data;
  ConstTensorView scale;
  ScaleMode scale_mode = ScaleMode::kNone;
};

struct GemmArgs {
  static constexpr const char* kName = "Gemm";
  const GemmPlan* plan = nullptr;
  MatrixOperand a;         // [batch, m, k] or its transpose; 2-D when batch is 1
  MatrixOperand b;         // [batch, k, n] or its transpose
  ConstTensorView bias_N;  // with Epilogue::kBias
  TensorView c;            // [batch, m, n]
  TensorView workspace;    // U8[plan->workspace_bytes], absent when 0

  template <class V>
  void Visit(V& v) const {
    v.Read("a", a.data);
    v.Read("b", b.data);
    v.Read("bias", bias_N);
    VisitGradient(v, "c", c, plan->spec.mode);
    v.ReadWrite("workspace", workspace);
  }
};

std::shared_ptr<const GemmPlan> MakePlan(Device& device, const GemmSpec& spec);
void Gemm(const GemmArgs& args, Stream& stream);
OpCost Cost(const GemmArgs& args);

}  // namespace cadmus
