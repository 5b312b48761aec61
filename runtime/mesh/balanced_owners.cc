// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/balanced_owners.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>

#include "kernels/base/error.h"

namespace cadmus {

std::vector<int> BalancedOwners(std::span<const int64_t> bytes, int num_owners) {
  CADMUS_CHECK(num_owners >= 1, StrCat(num_owners, " owners"));
  std::vector<size_t> order(bytes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return bytes[a] > bytes[b]; });

  using Load = std::pair<int64_t, int>;  // bytes so far, owner
  std::vector<Load> idle;
  for (int owner = 0; owner < num_owners; ++owner) idle.emplace_back(0, owner);
  std::priority_queue<Load, std::vector<Load>, std::greater<>> loads(std::greater<>(),
                                                                     std::move(idle));
  std::vector<int> owners(bytes.size());
  for (size_t item : order) {
    CADMUS_CHECK(bytes[item] >= 0, StrCat("item ", item, " has ", bytes[item], " bytes"));
    const auto [load, owner] = loads.top();
    loads.pop();
    owners[item] = owner;
    loads.emplace(load + bytes[item], owner);
  }
  return owners;
}

}  // namespace cadmus
