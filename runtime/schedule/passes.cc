// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/passes.h"

#include <algorithm>

namespace cadmus {

std::vector<int> NumModules(std::span<const Action> actions, int num_chunks) {
  std::vector<int> num_modules(static_cast<size_t>(num_chunks), 1);
  for (const Action& action : actions) {
    int& count = num_modules[static_cast<size_t>(action.chunk)];
    count = std::max(count, action.module + 1);
  }
  return num_modules;
}

}  // namespace cadmus
