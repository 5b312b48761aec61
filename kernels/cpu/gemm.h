// SPDX-License-Identifier: Apache-2.0
// Gemm on the cpu: tiles of C, fixed by shape, as tasks of the pool; each a product of the vendor's
// library and its epilogue.
#pragma once

#include "kernels/ops/gemm.h"

namespace cadmus::cpu {

std::shared_ptr<const GemmPlan> MakeGemmPlan(const GemmSpec& spec, Device& device);
void Gemm(const GemmArgs& args, Stream& stream);

}  // namespace cadmus::cpu
