// SPDX-License-Identifier: Apache-2.0
// Where the parameters of a decoder lie on the tensor-parallel ranks.
//
//   embedding, head        dim 0 in n parts, the vocabulary padded to a multiple of n
//   attention.qkv          dim 0: query heads in n parts; key heads and value heads in n parts, or,
//                          where there are K < n of them, each on n / K neighbouring ranks
//   attention.out          dim 1: the columns of the same query heads
//   mlp.gate_up, mlp.up    dim 0: gate and up each in n parts
//   mlp.down               dim 1: the same hidden columns
//   biases                 as dim 0 of their matrix: those of out and down are whole
//   norms, positions       whole
#pragma once

#include <string>
#include <vector>

#include "models/decoder/model.h"
#include "runtime/mesh/placement.h"
#include "runtime/nn/parameter.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

// One sentence for each size of the model that `tp` ranks cannot share, with a tp that would do;
// empty: they can.
std::vector<std::string> TensorParallelProblems(const DecoderShape& shape, int tp);

// On how many of `tp` ranks each key/value head lies; of the ranks 0 … tp−1, r and those with the
// same r / replicas hold the same ones. Requires no problems, as do the functions below.
int NumKvReplicas(const DecoderShape& shape, int tp);

// The placement of the parameter `name` on a mesh whose only axis is tp. Throws kInternal for a
// name that no decoder has.
PlacementSpec DecoderPlacement(const std::string& name, const DecoderShape& shape, int tp);

// Gives a parameter its part on this rank, and says of which rows the rank's gradient is a part
// only: norms and learned positions where the tokens between the regions are split, the norms of
// query and key heads, of which every rank has some, and key and value rows that other ranks' query
// heads read too. (Biases of out and down see all tokens on every rank.)
void PlaceParameter(Parameter& parameter, const DecoderShape& shape,
                    const TensorParallel& parallel);

}  // namespace cadmus
