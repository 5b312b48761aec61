// SPDX-License-Identifier: Apache-2.0
// Findings as people and programs read them.
#pragma once

#include <string>
#include <vector>

#include "launch/bench/finding.h"

namespace cadmus {

Verdict WorstOf(const std::vector<Finding>& findings);

// A line each, the remedy below it where there is one; the last line counts them.
std::string FindingsToText(const std::vector<Finding>& findings);
// One object: {"verdict": …, "ok": n, "warn": n, "fail": n, "checks": [{name, verdict, value,
// remedy}]}.
std::string FindingsToJson(const std::vector<Finding>& findings);

}  // namespace cadmus
