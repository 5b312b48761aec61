// SPDX-License-Identifier: Apache-2.0
// ParameterShard: the elements of one parameter whose optimizer state this rank keeps, and how
// checkpoints see tensors that are cut likewise.
#pragma once

#include <string>
#include <vector>

#include "runtime/mesh/flat_split.h"
#include "runtime/nn/parameter.h"
#include "runtime/state/state_entry.h"

namespace cadmus {

// Elements [range.offset, range.offset + range.extent) of the parameter's local tensor, by
// FlatSplit over dp_shard; all of them where dp_shard is 1; none where a small parameter has fewer
// elements than there are ranks.
struct ParameterShard {
  Parameter* parameter = nullptr;
  FlatRange range;
  // What the optimizer updates and reads, without padding: N = range.extent.
  TensorView weight_N = {};  // Precision::parameters
  TensorView grad_N = {};    // Precision::gradients; final behind DataParallel::SquaredNorms
};

// A tensor that is cut like `shard` (a moment of its optimizer), as named prefix + the parameter's
// name: one entry for each box of global elements. To be written are those that this rank owns as
// the first holder of the parameter; the ranks along dp_replicate say so alike, see
// DataParallel::ShareWriting.
std::vector<StateEntry> EntriesOf(const std::string& prefix, const ParameterShard& shard,
                                  const TensorView& tensor_N);

}  // namespace cadmus
