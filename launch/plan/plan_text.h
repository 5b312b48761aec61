// SPDX-License-Identifier: Apache-2.0
// A plan as people and as programs read it.
#pragma once

#include <string>

#include "launch/plan/run_plan.h"

namespace cadmus {

// Lines and tables; pipeline ranks with the same numbers share a row.
std::string PlanToText(const RunPlan& plan);

// One JSON object, indented, numbers unrounded. Its fields are those of RunPlan, with every
// pipeline rank in full.
std::string PlanToJson(const RunPlan& plan);

}  // namespace cadmus
