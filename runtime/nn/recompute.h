// SPDX-License-Identifier: Apache-2.0
// Recomputation of a whole module: its forward pass keeps the input alone; its input-backward first
// runs the forward pass again, which materialises what backward needs. Memory for work: one input
// per micro-batch in flight for one more forward pass. Not a bit changes.
// Source: Chen et al., 1604.06174 §4.1.
#pragma once

#include <memory>

#include "runtime/nn/module.h"

namespace cadmus {

// `module` must compute the same from the same input, inputs of the micro-batch, scalars and
// weights; it must neither write to its input nor hand it on as its output (kInternal), and must
// not add to loss_sum, which the second run does not have: blocks, not heads.
//
// Segments of the input-backward: "recompute s" for each forward segment s, in order and of its
// kind, so collectives are issued again in the order of the forward pass; then the module's own.
//
// The wrapper owns the input. The first run borrows it; the second one gets it for good, and the
// module frees it as if it had never been recomputed.
std::unique_ptr<Module> MakeRecomputed(std::unique_ptr<Module> module);

}  // namespace cadmus
