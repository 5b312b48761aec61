// SPDX-License-Identifier: Apache-2.0
// Gemm of bf16 on the cpu: the tiles of gemm.h, each a product of oneDNN in bf16, or of blocks that
// are widened to f32. C is bf16, or f32 where gradients are summed up.
#pragma once

#include "kernels/ops/gemm_choice.h"

namespace cadmus::cpu {

std::shared_ptr<const GemmPlan> MakeBf16GemmPlan(const GemmSpec& spec,
                                                 const DeviceProperties& properties);
void Bf16Gemm(const GemmArgs& args, Stream& stream);

}  // namespace cadmus::cpu
