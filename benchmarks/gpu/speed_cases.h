// SPDX-License-Identifier: Apache-2.0
// The cases of gpu_speed, by group: shapes of a Llama-3-8B at 8192 tokens, in bf16.
#pragma once

#include <memory>

#include "benchmarks/gpu/speed_run.h"
#include "kernels/ops/gemm.h"

namespace cadmus::gpu_speed {

// Ops that move memory, each against the device's copy of as many bytes as the op must move:
// "share_of_copy" is how much of the copy's bandwidth it reaches.
void RunMemoryBoundCases(SpeedRun& run);

// The kernels for attention, forward and backward, each alone; one that is not to be had is
// skipped.
void RunAttentionCases(SpeedRun& run);

// What a product is held against: the vendor's library at its best.
class GemmRival {
 public:
  virtual ~GemmRival() = default;
  // Prepares for products like this one; `args` may be used to time kernels.
  virtual void Prepare(const std::vector<GemmArgs>& sets, SpeedRun& run) = 0;
  virtual std::string name() const = 0;  // of the kernel that it prepared
  virtual void Enqueue(const GemmArgs& args) = 0;
};

// Products of the forward pass and of both gradients, as kernels/ops plans them, against the rival.
void RunGemmCases(SpeedRun& run, GemmRival& rival);

}  // namespace cadmus::gpu_speed
