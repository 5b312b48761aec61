// SPDX-License-Identifier: Apache-2.0
#include "collectives/watchdog/watchdog.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// "rank 2", "ranks 2, 3", at most kShown of them.
template <class RankName>
std::string RanksInWords(std::span<const int> ranks, RankName name) {
  constexpr size_t kShown = 16;
  const size_t shown = std::min(ranks.size(), kShown);
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < shown; ++i) text += StrCat(i == 0 ? "" : ", ", name(ranks[i]));
  if (shown < ranks.size()) text += StrCat(" and ", ranks.size() - shown, " more");
  return text;
}

}  // namespace

void Watchdog::Reset(int num_peers, std::chrono::milliseconds limit) {
  limit_ = limit;
  last_progress_.resize(static_cast<size_t>(num_peers));
}

void Watchdog::Begin(Clock::time_point now) {
  std::fill(last_progress_.begin(), last_progress_.end(), now);
}

std::string Describe(const ExpiredWait& wait) {
  const auto world_rank = [&](int rank) { return wait.members[static_cast<size_t>(rank)]; };
  std::string missing = RanksInWords(wait.missing_ranks, [](int rank) { return rank; });
  const bool same = std::all_of(wait.missing_ranks.begin(), wait.missing_ranks.end(),
                                [&](int rank) { return world_rank(rank) == rank; });
  if (!same)
    missing += StrCat(" (", RanksInWords(wait.missing_ranks, world_rank), " of the world)");
  return StrCat("group ", wait.call.group, " (", wait.members.size(), " ranks), ",
                Describe(wait.call), ": rank ", wait.rank, " has waited ", InWords(wait.waited),
                " for ", missing, "; ", wait.missing_ranks.size() == 1 ? "it" : "they",
                " may be stopped, dead or in another operation: look there first. If slow work is "
                "expected, raise the time limit of collectives (now ",
                InWords(wait.limit), ")");
}

}  // namespace cadmus
