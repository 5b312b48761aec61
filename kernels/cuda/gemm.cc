// SPDX-License-Identifier: Apache-2.0
// Gemm through cuBLASLt. Its matrices are column-major, so C row-major is computed as its
// transpose: Cᵀ = op(B)ᵀ op(A)ᵀ, with our B as its first operand.
#include "kernels/ops/gemm.h"

#include <array>
#include <optional>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/finish_product.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/nvtx_range.h"
#include "kernels/cuda/stream.h"
#include "kernels/ops/cuda_choice.h"

namespace cadmus::cuda {
namespace {

// The alignment, in bytes, of operands that the library's vector accesses want.
constexpr int64_t kAligned = 16;

struct CudaGemmPlan final : GemmPlan {
  const Blas* blas = nullptr;
  // For operands that are aligned, and for those that are only elements. None: an empty product.
  std::optional<cublasLtMatmulAlgo_t> aligned, unaligned;
  bool library_adds_bias = false;
};

// What the library is told of one product; no allocation.
struct Problem {
  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t a, b, c;  // in our words
};

// Elements between batch entries, which only the call knows.
struct BatchStrides {
  int64_t a = 0, b = 0, c = 0;
};

cudaDataType_t DataType(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return CUDA_R_64F;
    case DType::kF32:
      return CUDA_R_32F;
    case DType::kBF16:
      return CUDA_R_16BF;
    default:
      CADMUS_UNREACHABLE(StrCat("no product of ", Name(dtype)));
  }
}

// A matrix as it lies in memory.
struct Matrix {
  DType dtype = DType::kNone;
  int64_t rows = 0, columns = 0;
  int64_t row_stride = 0;  // 0: contiguous
  int64_t batch_stride = 0;
};

cublasLtMatrixLayoutOpaque_t Layout(const Matrix& matrix, int64_t num_matrices,
                                    const Where& where) {
  cublasLtMatrixLayoutOpaque_t layout;
  const int64_t row_stride = matrix.row_stride == 0 ? matrix.columns : matrix.row_stride;
  CADMUS_BLAS_CHECK(cublasLtMatrixLayoutInit(&layout, DataType(matrix.dtype),
                                             static_cast<uint64_t>(matrix.columns),
                                             static_cast<uint64_t>(matrix.rows), row_stride),
                    where);
  const auto batch = static_cast<int32_t>(num_matrices);
  CADMUS_BLAS_CHECK(cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                     &batch, sizeof(batch)),
                    where);
  CADMUS_BLAS_CHECK(
      cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                       &matrix.batch_stride, sizeof(matrix.batch_stride)),
      where);
  return layout;
}

Problem MakeProblem(const GemmSpec& spec, const BatchStrides& strides, const void* bias,
                    bool library_adds_bias, const Where& where) {
  Problem problem;
  const bool is_f64 = spec.dtype == DType::kF64;
  CADMUS_BLAS_CHECK(
      cublasLtMatmulDescInit(&problem.operation, is_f64 ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                             is_f64 ? CUDA_R_64F : CUDA_R_32F),
      where);
  const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
    CADMUS_BLAS_CHECK(
        cublasLtMatmulDescSetAttribute(&problem.operation, attribute, &value, sizeof(value)),
        where);
  };
  const bool a_yes = spec.transpose_a == Transpose::kYes;
  const bool b_yes = spec.transpose_b == Transpose::kYes;
  set(CUBLASLT_MATMUL_DESC_TRANSA, b_yes ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, a_yes ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (library_adds_bias) {
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  const Matrix a = {.dtype = spec.dtype,
                    .rows = a_yes ? spec.k : spec.m,
                    .columns = a_yes ? spec.m : spec.k,
                    .row_stride = spec.row_stride_a,
                    .batch_stride = strides.a};
  const Matrix b = {.dtype = spec.dtype,
                    .rows = b_yes ? spec.n : spec.k,
                    .columns = b_yes ? spec.k : spec.n,
                    .row_stride = spec.row_stride_b,
                    .batch_stride = strides.b};
  const Matrix c = {.dtype = OutputDType(spec),
                    .rows = spec.m,
                    .columns = spec.n,
                    .row_stride = spec.row_stride_c,
                    .batch_stride = strides.c};
  problem.a = Layout(a, spec.batch, where);
  problem.b = Layout(b, spec.batch, where);
  problem.c = Layout(c, spec.batch, where);
  return problem;
}

GemmReduction ReductionOf(const cublasLtMatmulAlgo_t& algorithm, const Where& where) {
  int32_t parts = 1;
  uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE;
  size_t written = 0;
  CADMUS_BLAS_CHECK(
      cublasLtMatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &parts,
                                           sizeof(parts), &written),
      where);
  CADMUS_BLAS_CHECK(
      cublasLtMatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME,
                                           &scheme, sizeof(scheme), &written),
      where);
  if (scheme == CUBLASLT_REDUCTION_SCHEME_INPLACE) return GemmReduction::kInPlace;
  if (parts <= 1 || scheme == CUBLASLT_REDUCTION_SCHEME_NONE) return GemmReduction::kNone;
  return GemmReduction::kThroughWorkspace;
}

// How the library may add up the parts of a split k: never in bf16, and for the same bits not in
// place, where the order is that of arrival.
uint32_t AllowedReductions(const GemmSpec& spec) {
  uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  if (OutputDType(spec) == DType::kBF16) return schemes;
  schemes |= CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
  if (spec.reproducibility == Reproducibility::kFast) schemes |= CUBLASLT_REDUCTION_SCHEME_INPLACE;
  return schemes;
}

// The first usable proposal for operands of this alignment. Depends on the spec, the GPU and the
// library's version only.
cublasLtMatmulAlgo_t ChooseAlgorithm(const GemmSpec& spec, const Blas& blas, Problem problem,
                                     int64_t alignment) {
  const Where where = {blas.device()};
  cublasLtMatmulPreferenceOpaque_t preference;
  CADMUS_BLAS_CHECK(cublasLtMatmulPreferenceInit(&preference), where);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    CADMUS_BLAS_CHECK(
        cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof(value)), where);
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
      static_cast<uint64_t>(CudaGemmWorkspaceBytes(spec)));
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, AllowedReductions(spec));
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(attribute, static_cast<uint32_t>(alignment));
  }
  std::array<cublasLtMatmulHeuristicResult_t, 8> proposals = {};
  int num_proposals = 0;
  // Proposing nothing is a status of its own; it is said below, with the product's shape.
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      blas.handle(), &problem.operation, &problem.b, &problem.a, &problem.c, &problem.c,
      &preference, static_cast<int>(proposals.size()), proposals.data(), &num_proposals);
  if (status != CUBLAS_STATUS_SUCCESS && status != CUBLAS_STATUS_NOT_SUPPORTED) {
    ThrowBlasError(status, "cublasLtMatmulAlgoGetHeuristic", where);
  }
  std::vector<GemmCandidate> candidates;
  std::vector<cublasLtMatmulAlgo_t> algorithms;
  for (int i = 0; i < num_proposals; ++i) {
    const cublasLtMatmulHeuristicResult_t& proposal = proposals[static_cast<size_t>(i)];
    if (proposal.state != CUBLAS_STATUS_SUCCESS) continue;
    candidates.push_back({.workspace_bytes = static_cast<int64_t>(proposal.workspaceSize),
                          .reduction = ReductionOf(proposal.algo, where)});
    algorithms.push_back(proposal.algo);
  }
  const std::optional<size_t> choice = ChooseGemmCandidate(candidates, spec);
  if (!choice) {
    throw Error(
        Kind::kConfig,
        StrCat("cuBLASLt ", cublasLtGetVersion(), " has no algorithm for a product of ", spec.batch,
               " x ", spec.m, " x ", spec.n, " x ", spec.k, " in ", Name(spec.dtype), " (",
               status == CUBLAS_STATUS_SUCCESS ? "" : "not supported; ", num_proposals,
               " proposals, none usable)"));
  }
  return algorithms[*choice];
}

int AlgorithmId(const cublasLtMatmulAlgo_t& algorithm, const Where& where) {
  int32_t id = 0;
  size_t written = 0;
  CADMUS_BLAS_CHECK(cublasLtMatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_ID, &id,
                                                         sizeof(id), &written),
                    where);
  return id;
}

int64_t BatchStride(const ConstTensorView& view) {
  return view.num_dims() == 3 ? view.stride(0) : 0;
}

bool IsAligned(const ConstTensorView& view, int64_t row_stride) {
  const int64_t size = SizeOf(view.dtype());
  return reinterpret_cast<uintptr_t>(view.raw()) % kAligned == 0 &&
         row_stride * size % kAligned == 0 && BatchStride(view) * size % kAligned == 0;
}

}  // namespace

std::shared_ptr<const GemmPlan> MakeGemmPlan(const GemmSpec& spec, Device& device) {
  auto* cuda_device = dynamic_cast<CudaDevice*>(&device);
  CADMUS_CHECK(cuda_device != nullptr, "a cuda plan is made for a cuda device");
  auto plan = std::make_shared<CudaGemmPlan>();
  plan->spec = spec;
  plan->blas = &cuda_device->blas();
  plan->capturable = true;
  plan->workspace_bytes = CudaGemmWorkspaceBytes(spec);
  if (plan->workspace_bytes == 0) {
    plan->kernel = "none: an empty product";
    return plan;
  }
  const Where where = {cuda_device->ordinal()};
  // The library documents its epilogues for f32 and narrower, and for a bias of C's dtype.
  plan->library_adds_bias = spec.epilogue == Epilogue::kBias && spec.dtype != DType::kF64 &&
                            OutputDType(spec) == spec.dtype;
  const BatchStrides contiguous = {
      .a = spec.row_stride_a == 0
               ? spec.m * spec.k
               : spec.row_stride_a * (spec.transpose_a == Transpose::kYes ? spec.k : spec.m),
      .b = spec.row_stride_b == 0
               ? spec.k * spec.n
               : spec.row_stride_b * (spec.transpose_b == Transpose::kYes ? spec.n : spec.k),
      .c = spec.m * (spec.row_stride_c == 0 ? spec.n : spec.row_stride_c)};
  const auto choose = [&](int64_t alignment) {
    // Only its alignment counts here: nothing reads it.
    const auto* const bias = reinterpret_cast<const void*>(Allocator::kAlignment + alignment);
    return ChooseAlgorithm(
        spec, *plan->blas, MakeProblem(spec, contiguous, bias, plan->library_adds_bias, where),
        alignment);
  };
  plan->aligned = choose(kAligned);
  plan->unaligned = choose(SizeOf(spec.dtype));
  plan->kernel = StrCat("cuBLASLt algorithm ", AlgorithmId(*plan->aligned, where),
                        " (operands off 16 bytes: ", AlgorithmId(*plan->unaligned, where), ")");
  return plan;
}

void Gemm(const GemmArgs& args, Stream& stream) {
  const auto* plan = dynamic_cast<const CudaGemmPlan*>(args.plan);
  CADMUS_CHECK(plan != nullptr, "the plan was made for another device");
  const GemmSpec& spec = plan->spec;
  if (spec.batch == 0 || spec.m == 0 || spec.n == 0) return;
  const CudaStream& to = CudaStreamOf(stream);
  const Where where = to.where();
  const NvtxRange range(GemmArgs::kName);
  if (plan->aligned) {
    const BatchStrides strides = {BatchStride(args.a.data), BatchStride(args.b.data),
                                  BatchStride(args.c)};
    Problem problem = MakeProblem(spec, strides, args.bias_N.raw(), plan->library_adds_bias, where);
    const bool is_aligned = IsAligned(args.a.data, spec.row_stride_a) &&
                            IsAligned(args.b.data, spec.row_stride_b) &&
                            IsAligned(args.c, spec.row_stride_c) && IsAligned(args.bias_N, 0);
    const double one = 1, zero = 0;
    const float one_f32 = 1, zero_f32 = 0;
    const bool is_f64 = spec.dtype == DType::kF64, adds = spec.mode == GradMode::kAccumulate;
    const void* const alpha = is_f64 ? static_cast<const void*>(&one) : &one_f32;
    const void* const beta = is_f64 ? static_cast<const void*>(adds ? &one : &zero)
                                    : static_cast<const void*>(adds ? &one_f32 : &zero_f32);
    CADMUS_BLAS_CHECK(
        cublasLtMatmul(plan->blas->handle(), &problem.operation, alpha, args.b.data.raw(),
                       &problem.b, args.a.data.raw(), &problem.a, beta, args.c.raw(), &problem.c,
                       args.c.raw(), &problem.c, is_aligned ? &*plan->aligned : &*plan->unaligned,
                       args.workspace.raw(), static_cast<size_t>(plan->workspace_bytes),
                       to.handle()),
        where);
  }
  const bool clears = !plan->aligned && spec.mode == GradMode::kOverwrite;
  const bool adds_bias = spec.epilogue == Epilogue::kBias && !plan->library_adds_bias;
  if (clears || adds_bias) {
    FinishProduct({.c = args.c, .bias_N = args.bias_N, .clears = clears}, stream);
  }
}

}  // namespace cadmus::cuda
