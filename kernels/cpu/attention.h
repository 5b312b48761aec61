// SPDX-License-Identifier: Apache-2.0
// Attention on the cpu, in blocks of queries and keys whose products go through blas.h.
#pragma once

#include "kernels/ops/attention.h"

namespace cadmus::cpu {

std::shared_ptr<const AttentionPlan> MakeAttentionPlan(const AttentionSpec& spec, Device& device);
void AttentionForward(const AttentionForwardArgs& args, Stream& stream);
void AttentionBackward(const AttentionBackwardArgs& args, Stream& stream);

}  // namespace cadmus::cpu
