// SPDX-License-Identifier: Apache-2.0
// FormatStepLine: the line that people read after each step.
#pragma once

#include <string>

#include "runtime/metrics/step_metrics.h"

namespace cadmus {

// "step 120/1000 loss 3.2145 gnorm 0.91 lr 3.0e-4 tok/s 412k mfu 43.1% mem 71.2GiB eta 1h02m";
// "mfu n/a" where no peak is stated.
std::string FormatStepLine(const StepMetrics& metrics);

}  // namespace cadmus
