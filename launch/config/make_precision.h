// SPDX-License-Identifier: Apache-2.0
// MakePrecision: what `precision.storage` means.
#pragma once

#include "runtime/nn/precision.h"

namespace cadmus {

class PrecisionConfig;

Precision MakePrecision(const PrecisionConfig& config);

}  // namespace cadmus
