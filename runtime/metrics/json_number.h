// SPDX-License-Identifier: Apache-2.0
// JsonNumber: a number as JSON has it: what is not finite is null.
#pragma once

#include <cmath>
#include <string>

#include "kernels/base/str_cat.h"

namespace cadmus {

inline std::string JsonNumber(double value) {
  return std::isfinite(value) ? StrCat(value) : "null";
}

}  // namespace cadmus
