// SPDX-License-Identifier: Apache-2.0
// The library's matrices are column-major: it is asked for Cᵀ = op(B)ᵀ op(A)ᵀ, so B is on the left.
#include "benchmarks/gpu/best_of_blas.h"

#include <algorithm>
#include <array>
#include <limits>

#include "kernels/base/error.h"
#include "kernels/cuda/stream.h"

namespace cadmus::gpu_speed {
namespace {

constexpr int64_t kWorkspaceBytes = int64_t{64} << 20;
constexpr int kNumProposals = 8;
constexpr int kRounds = 3;
// To tell proposals apart: the winner is measured under the full protocol afterwards.
constexpr timing::Protocol kTrial = {.block_seconds = 0.04, .dropped_seconds = 0.01};

cudaDataType_t TypeOf(DType dtype) { return dtype == DType::kF32 ? CUDA_R_32F : CUDA_R_16BF; }

// Row-major [rows, columns], which the library sees as its transpose.
void SetLayout(cublasLtMatrixLayoutOpaque_t& layout, const ConstTensorView& matrix,
               const cuda::Where& where) {
  CADMUS_BLAS_CHECK(cublasLtMatrixLayoutInit(&layout, TypeOf(matrix.dtype()),
                                             static_cast<uint64_t>(matrix.dim(1)),
                                             static_cast<uint64_t>(matrix.dim(0)), matrix.dim(1)),
                    where);
}

}  // namespace

BestOfBlas::BestOfBlas(Stream& stream)
    : stream_(stream),
      blas_(0),
      workspace_(DType::kU8, {kWorkspaceBytes}, MemoryCategory::kWorkspace, stream) {}

void BestOfBlas::Prepare(const std::vector<GemmArgs>& sets, SpeedRun& run) {
  const cuda::Where where = {blas_.device()};
  const GemmArgs& first = sets.front();
  const GemmSpec& spec = first.plan->spec;
  const auto operand = [](Transpose transpose) {
    return transpose == Transpose::kYes ? CUBLAS_OP_T : CUBLAS_OP_N;
  };
  const cublasOperation_t of_left = operand(spec.transpose_b);
  const cublasOperation_t of_right = operand(spec.transpose_a);
  CADMUS_BLAS_CHECK(cublasLtMatmulDescInit(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F), where);
  CADMUS_BLAS_CHECK(cublasLtMatmulDescSetAttribute(&operation_, CUBLASLT_MATMUL_DESC_TRANSA,
                                                   &of_left, sizeof(of_left)),
                    where);
  CADMUS_BLAS_CHECK(cublasLtMatmulDescSetAttribute(&operation_, CUBLASLT_MATMUL_DESC_TRANSB,
                                                   &of_right, sizeof(of_right)),
                    where);
  SetLayout(left_, first.b.data, where);
  SetLayout(right_, first.a.data, where);
  SetLayout(product_, first.c, where);

  const std::vector<cublasLtMatmulAlgo_t> proposals = Proposals();
  std::vector<double> seconds(proposals.size(), std::numeric_limits<double>::infinity());
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < proposals.size(); ++i) {
      const auto trial = InTurn<GemmArgs>(
          StrCat("proposal ", i), sets, [&](const GemmArgs& args) { Enqueue(args, proposals[i]); });
      const int64_t calls = timing::CallsPerChunk(trial, kTrial, run.machine);
      int64_t next_call = 0;
      const timing::Block block = timing::RunBlock(trial, calls, next_call, kTrial, run.machine);
      seconds[i] = std::min(seconds[i], block.seconds_per_call);
    }
  }
  const auto best = static_cast<size_t>(std::ranges::min_element(seconds) - seconds.begin());
  algorithm_ = proposals[best];
  name_ = StrCat("proposal ", best + 1, " of ", proposals.size(), " of cuBLASLt ",
                 cublasLtGetVersion());
}

std::vector<cublasLtMatmulAlgo_t> BestOfBlas::Proposals() {
  const cuda::Where where = {blas_.device()};
  cublasLtMatmulPreferenceOpaque_t preference;
  CADMUS_BLAS_CHECK(cublasLtMatmulPreferenceInit(&preference), where);
  const auto workspace_bytes = static_cast<uint64_t>(kWorkspaceBytes);
  CADMUS_BLAS_CHECK(
      cublasLtMatmulPreferenceSetAttribute(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                           &workspace_bytes, sizeof(workspace_bytes)),
      where);
  std::array<cublasLtMatmulHeuristicResult_t, kNumProposals> found = {};
  int num_found = 0;
  CADMUS_BLAS_CHECK(cublasLtMatmulAlgoGetHeuristic(blas_.handle(), &operation_, &left_, &right_,
                                                   &product_, &product_, &preference, kNumProposals,
                                                   found.data(), &num_found),
                    where);
  std::vector<cublasLtMatmulAlgo_t> algorithms;
  for (int i = 0; i < num_found; ++i) {
    const cublasLtMatmulHeuristicResult_t& proposal = found.at(static_cast<size_t>(i));
    if (proposal.state == CUBLAS_STATUS_SUCCESS) algorithms.push_back(proposal.algo);
  }
  CADMUS_CHECK(!algorithms.empty(), "cuBLASLt proposes nothing");
  return algorithms;
}

void BestOfBlas::Enqueue(const GemmArgs& args, const cublasLtMatmulAlgo_t& algorithm) {
  const cuda::CudaStream& to = cuda::CudaStreamOf(stream_);
  const float one = 1, zero = 0;
  CADMUS_BLAS_CHECK(cublasLtMatmul(blas_.handle(), &operation_, &one, args.b.data.raw(), &left_,
                                   args.a.data.raw(), &right_, &zero, args.c.raw(), &product_,
                                   args.c.raw(), &product_, &algorithm, workspace_.view().raw(),
                                   static_cast<size_t>(kWorkspaceBytes), to.handle()),
                    to.where());
}

}  // namespace cadmus::gpu_speed
