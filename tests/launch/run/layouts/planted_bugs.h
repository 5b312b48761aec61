// SPDX-License-Identifier: Apache-2.0
// The mistakes that the gate must catch, each planted from outside into a layout that it breaks: a
// call changed or swallowed on its way to the other ranks, or an altered batch.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/launch/run/layouts/cases.h"
#include "tests/launch/run/layouts/train_layout.h"

namespace cadmus {

struct PlantedBugCase {
  std::string name;   // "one rank scales a gradient by 2"
  LayoutCase layout;  // agrees with one rank without the bug
  std::unique_ptr<PlantedBug> bug;
  std::string names;  // part of what the gate must say: the first bad tensor or number
};

std::vector<PlantedBugCase> PlantedBugs();

}  // namespace cadmus
