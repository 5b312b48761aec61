// SPDX-License-Identifier: Apache-2.0
// Place: gives a parameter its part on this tensor-parallel rank.
#pragma once

#include "runtime/mesh/placement.h"
#include "runtime/nn/parameter.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

// Sets local_shape and slices from `spec` on a mesh of the tensor-parallel ranks alone, so that
// is_owner() of a slice means: counted and saved by this rank among them. With one rank the
// parameter stays whole. Throws kConfig where a dim does not divide.
void Place(Parameter& parameter, const PlacementSpec& spec, const TensorParallel& parallel);

}  // namespace cadmus
