// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gemm.h"

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"

namespace cadmus {
namespace {

// Rows and columns of an operand as it lies in memory.
struct Stored {
  int64_t rows, columns, row_stride;
};

Stored StoredA(const GemmSpec& s) {
  const bool yes = s.transpose_a == Transpose::kYes;
  const int64_t columns = yes ? s.m : s.k;
  return {yes ? s.k : s.m, columns, s.row_stride_a == 0 ? columns : s.row_stride_a};
}

Stored StoredB(const GemmSpec& s) {
  const bool yes = s.transpose_b == Transpose::kYes;
  const int64_t columns = yes ? s.k : s.n;
  return {yes ? s.n : s.k, columns, s.row_stride_b == 0 ? columns : s.row_stride_b};
}

Stored StoredC(const GemmSpec& s) { return {s.m, s.n, s.row_stride_c == 0 ? s.n : s.row_stride_c}; }

// [b, rows, columns] with the planned row stride; the batch dim may be left out when it is 1.
void CheckMatrix(Check& check, const char* name, const ConstTensorView& view, DType dtype,
                 std::string_view letters, const Stored& stored) {
  const bool flat = check['b'] == 1 && view.num_dims() == 2;
  check.Tensor(name, view, flat ? letters.substr(1) : letters, dtype, Layout::kLastDimContiguous);
  const int rows = view.num_dims() - 2;
  if (stored.rows > 1 && stored.columns > 0 && view.stride(rows) != stored.row_stride) {
    check.True(false, StrCat(name, ": rows lie ", view.stride(rows),
                             " elements apart, but the plan was made for ", stored.row_stride));
  }
}

void CheckArgs(const GemmArgs& args) {
  Check check(GemmArgs::kName);
  check.True(args.plan != nullptr, "plan is absent; make it with MakePlan(device, GemmSpec)");
  const GemmSpec& spec = args.plan->spec;
  check.Bind('b', spec.batch);
  check.Bind('m', spec.m);
  check.Bind('n', spec.n);
  check.Bind('k', spec.k);
  const bool a_yes = spec.transpose_a == Transpose::kYes;
  const bool b_yes = spec.transpose_b == Transpose::kYes;
  CheckMatrix(check, "a", args.a.data, spec.dtype, a_yes ? "bkm" : "bmk", StoredA(spec));
  CheckMatrix(check, "b", args.b.data, spec.dtype, b_yes ? "bnk" : "bkn", StoredB(spec));
  CheckMatrix(check, "c", args.c, OutputDType(spec), "bmn", StoredC(spec));
  check.True(!args.a.scale, "a: its scale mode is kNone, so its scale must be absent");
  check.True(!args.b.scale, "b: its scale mode is kNone, so its scale must be absent");
  if (spec.epilogue == Epilogue::kBias) {
    check.Tensor("bias", args.bias_N, "n", spec.dtype);
  } else {
    check.True(!args.bias_N, "bias: given, but the plan was made without Epilogue::kBias");
  }
  if (args.plan->workspace_bytes > 0) {
    check.Bind('w', args.plan->workspace_bytes);
    check.Tensor("workspace", args.workspace, "w", DType::kU8);
  }
}

void CheckRowStride(const Check& check, const char* name, const Stored& stored) {
  if (stored.row_stride < stored.columns) {
    check.True(false, StrCat(name, ": a row stride of ", stored.row_stride,
                             " elements is shorter than its rows of ", stored.columns));
  }
}

}  // namespace

std::shared_ptr<const GemmPlan> MakePlan(Device& device, const GemmSpec& spec) {
  const Check check(GemmSpec::kName);
  if (spec.batch < 0 || spec.m < 0 || spec.n < 0 || spec.k < 0) {
    check.True(false, StrCat("batch ", spec.batch, ", m ", spec.m, ", n ", spec.n, ", k ", spec.k,
                             " must not be negative"));
  }
  if (!IsStorageDType(spec.dtype)) {
    check.True(false, StrCat("dtype ", Name(spec.dtype), " must be F64, F32 or BF16"));
  }
  const DType output = OutputDType(spec);
  if (output != spec.dtype && output != StatisticsDType(spec.dtype)) {
    check.True(false, StrCat("dtype_c ", Name(output), " must be ", Name(spec.dtype), " or ",
                             Name(StatisticsDType(spec.dtype))));
  }
  CheckRowStride(check, "row_stride_a", StoredA(spec));
  CheckRowStride(check, "row_stride_b", StoredB(spec));
  CheckRowStride(check, "row_stride_c", StoredC(spec));
  return device.kernels().MakePlan<GemmPlan>(spec, device);
}

void Gemm(const GemmArgs& args, Stream& stream) {
  CheckArgs(args);
  Launch(args, stream);
}

OpCost Cost(const GemmArgs& args) {
  const GemmSpec& s = args.plan->spec;
  const auto batch = static_cast<double>(s.batch);
  const auto m = static_cast<double>(s.m), n = static_cast<double>(s.n),
             k = static_cast<double>(s.k);
  const double c_accesses = s.mode == GradMode::kAccumulate ? 2 : 1;
  const double bias = s.epilogue == Epilogue::kBias ? n : 0;
  const auto size = static_cast<double>(SizeOf(s.dtype));
  const auto size_c = static_cast<double>(SizeOf(OutputDType(s)));
  const double bytes =
      size * (batch * (m * k + k * n) + bias) + size_c * batch * c_accesses * m * n;
  return {2 * batch * m * n * k, bytes};
}

}  // namespace cadmus
