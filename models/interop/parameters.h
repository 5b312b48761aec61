// SPDX-License-Identifier: Apache-2.0
// ParametersOf: the names and shapes of all parameters of a model, in the order of its layers.
#pragma once

#include <string>
#include <vector>

#include "kernels/base/shape.h"
#include "models/decoder/shape.h"

namespace cadmus {

struct NamedShape {
  std::string name;
  Shape shape;
};

std::vector<NamedShape> ParametersOf(const DecoderShape& shape);

}  // namespace cadmus
