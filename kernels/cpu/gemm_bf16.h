// SPDX-License-Identifier: Apache-2.0
// Gemm of bf16 on the cpu: the tiles of gemm.h, each a product of oneDNN in bf16, or of blocks that
// are widened to f32. C is bf16, or f32 where gradients are summed up.
#pragma once

#include "kernels/ops/gemm_choice.h"

namespace cadmus::cpu {

// `library`: kOneDnnBf16 or kConvertedBf16.
std::shared_ptr<const GemmPlan> MakeBf16GemmPlan(const GemmSpec& spec, GemmLibrary library);
void Bf16Gemm(const GemmArgs& args, Stream& stream);

}  // namespace cadmus::cpu
