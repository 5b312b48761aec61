// SPDX-License-Identifier: Apache-2.0
// A parameter with normal first values, for the tests of this folder.
#pragma once

#include <string>

#include "runtime/nn/parameter.h"

namespace cadmus {

inline Parameter NormalParameter(const std::string& name, const Shape& shape, double deviation) {
  return {.name = name,
          .shape = shape,
          .initial = {.kind = InitialValue::Kind::kNormal, .value = deviation}};
}

}  // namespace cadmus
