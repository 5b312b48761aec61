// SPDX-License-Identifier: Apache-2.0
// Finding: one line of the environment check.
#pragma once

#include <string>

namespace cadmus {

enum class Verdict { kOk, kWarn, kFail };  // in order of weight

struct Finding {
  std::string name;
  Verdict verdict = Verdict::kOk;
  std::string value;   // what is there
  std::string remedy;  // what is wrong with it and what to do; empty if it is ok
};

}  // namespace cadmus
