// SPDX-License-Identifier: Apache-2.0
// ResultLine: a measurement as one line of JSON, every block of it included.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "benchmarks/timing/protocol.h"

namespace cadmus::timing {

// What a benchmark adds to the times: rates and shares by name, and words.
struct Findings {
  std::vector<std::pair<std::string, double>> numbers;
  std::vector<std::pair<std::string, std::string>> words;
};

// Without the line's end. "b" names the other side, or is null.
std::string ResultLine(const std::string& case_name, const std::string& a, const std::string* b,
                       const Measurement& measurement, const Findings& findings);

}  // namespace cadmus::timing
