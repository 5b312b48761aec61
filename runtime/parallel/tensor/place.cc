// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/tensor/place.h"

#include "kernels/base/error.h"

namespace cadmus {

void Place(Parameter& parameter, const PlacementSpec& spec, const TensorParallel& parallel) {
  if (parallel.size() == 1) return;
  const Mesh mesh({.tp = parallel.size()}, parallel.size());
  const Placement placement(mesh, spec);
  CADMUS_CHECK(placement.global_shape() == parameter.shape,
               StrCat(parameter.name, " is ", parameter.shape.ToString(), ", its placement ",
                      placement.global_shape().ToString()));
  parameter.local_shape = placement.local_shape();
  parameter.slices = placement.Slices(parallel.index());
}

}  // namespace cadmus
