// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/family_cases.h"

#include <map>
#include <utility>

#include "launch/config/run_config.pb.h"
#include "tests/launch/run/layouts/pairwise_cases.h"

namespace cadmus {

std::vector<LayoutCase> FamilyCases() {
  std::map<int, int> num_seen;  // of each schedule, so that either kind meets all of them
  std::vector<LayoutCase> cases;
  for (const LayoutCase& layout : PairwiseCases()) {
    const int turn = num_seen[layout.config->parallel().schedule()]++ % 4;
    if (turn >= 2) continue;
    RunConfig config = *layout.config;
    SetFamily(turn == 0 ? Family::kQwen : Family::kGpt2, config);
    if (auto valid = WithSmallestBatch(std::move(config), layout.streams))
      cases.push_back(std::move(*valid));
  }
  return cases;
}

}  // namespace cadmus
