// SPDX-License-Identifier: Apache-2.0
// BestOfBlas: cuBLASLt at its best, told nothing of our rules: 64 MiB of workspace, the first eight
// proposals of its heuristics, each timed on the inputs of the case, the fastest kept.
#pragma once

#include <cublasLt.h>

#include "benchmarks/gpu/speed_cases.h"
#include "kernels/cuda/blas.h"

namespace cadmus::gpu_speed {

class BestOfBlas final : public GemmRival {
 public:
  // For contiguous products of one matrix without epilogue, which overwrite C.
  explicit BestOfBlas(Stream& stream);
  void Prepare(const std::vector<GemmArgs>& sets, SpeedRun& run) override;
  std::string name() const override { return name_; }
  void Enqueue(const GemmArgs& args) override { Enqueue(args, algorithm_); }

 private:
  void Enqueue(const GemmArgs& args, const cublasLtMatmulAlgo_t& algorithm);
  std::vector<cublasLtMatmulAlgo_t> Proposals();

  Stream& stream_;
  cuda::Blas blas_;
  Tensor workspace_;
  cublasLtMatmulDescOpaque_t operation_ = {};
  cublasLtMatrixLayoutOpaque_t left_ = {}, right_ = {}, product_ = {};  // in the library's words
  cublasLtMatmulAlgo_t algorithm_ = {};
  std::string name_;
};

}  // namespace cadmus::gpu_speed
