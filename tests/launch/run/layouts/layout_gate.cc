// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/layout_gate.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "kernels/base/error.h"
#include "launch/config/run_config.pb.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {

LayoutGate::LayoutGate(LayoutRun run)
    : run_(std::move(run)), data_(UnevenDocuments(folder_.path(), 131)) {}

const std::vector<GlobalStep>& LayoutGate::OneRank(const RunConfig& config) {
  const RunConfig one = OneRankConfig(config);
  OneRankRun* run = nullptr;
  {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<OneRankRun>& slot = one_rank_[one.SerializeAsString()];
    if (slot == nullptr) slot = std::make_unique<OneRankRun>();
    run = slot.get();
  }
  std::call_once(run->once, [&] { run->steps = TrainLayout(one, 1, data_, run_); });
  return run->steps;
}

std::optional<std::string> LayoutGate::FirstFault(const LayoutCase& layout, PlantedBug* bug) {
  try {
    const std::vector<GlobalStep>& one_rank = OneRank(*layout.config);
    LayoutRun run = run_;
    run.streams = layout.streams;
    run.bug = bug;
    const std::vector<GlobalStep> steps =
        TrainLayout(*layout.config, layout.world_size, data_, run);
    std::optional<std::string> fault = FirstDisagreement(steps, one_rank);
    if (!fault && bug == nullptr) fault = FirstOtherBit(layout, Fingerprints(steps));
    if (!fault) return std::nullopt;
    return StrCat(layout.Name(), ": ", *fault);
  } catch (const Error& error) {
    return StrCat(layout.Name(), ": ", error.what());
  }
}

void LayoutGate::VisitFaults(std::span<const LayoutCase> layouts, unsigned at_a_time,
                             const std::function<void(const std::string&)>& visit) {
  std::atomic<size_t> next = 0;
  std::mutex visiting;
  const auto work = [&] {
    for (size_t i = next++; i < layouts.size(); i = next++) {
      const std::optional<std::string> fault = FirstFault(layouts[i]);
      if (!fault) continue;
      const std::lock_guard lock(visiting);
      visit(*fault);
    }
  };
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < std::max(1u, at_a_time); ++i) workers.emplace_back(work);
}

std::optional<std::string> LayoutGate::FirstOtherBit(const LayoutCase& layout,
                                                     std::vector<Fingerprint> fingerprints) {
  const std::lock_guard lock(mutex_);
  const auto [it, is_first] = bits_.try_emplace(BitsKey(layout));
  Bits& seen = it->second;
  if (is_first) {
    seen = {layout.Name(), std::move(fingerprints)};
    return std::nullopt;
  }
  for (size_t i = 0; i < seen.fingerprints.size(); ++i) {
    if (i < fingerprints.size() && fingerprints[i].name == seen.fingerprints[i].name &&
        fingerprints[i].bits == seen.fingerprints[i].bits) {
      continue;
    }
    return StrCat(seen.fingerprints[i].name, " has other bits than in [", seen.layout,
                  "], which differs in flags only");
  }
  return std::nullopt;
}

}  // namespace cadmus
