// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/parameter_fetches.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "runtime/schedule/passes.h"

namespace cadmus {
namespace {

struct Weights {
  int chunk = 0;
  int module = 0;

  friend bool operator==(const Weights&, const Weights&) = default;
};

// An action of the refined list, and the weights that it needs.
struct Use {
  Action action;
  std::vector<Weights> weights;
};

class Refinement {
 public:
  Refinement(std::span<const int> num_modules_of_chunk, int prefetch)
      : num_modules_(num_modules_of_chunk), prefetch_(static_cast<size_t>(prefetch)) {}

  std::vector<Action> Run(std::span<const Action> actions) {
    for (const Action& action : actions) Split(action);
    for (size_t i = 0; i < uses_.size(); ++i)
      if (!uses_[i].weights.empty()) users_.push_back(i);
    for (size_t user = 0; user <= prefetch_; ++user) FetchFor(user);
    size_t next_user = 0;
    for (const Use& use : uses_) {
      // Sends do not wait and others wait for them; all else comes behind the fetches.
      if (use.action.kind != ActionKind::kSend) IssueFetches();
      list_.push_back(use.action);
      if (use.weights.empty()) continue;
      ReleaseAfter(next_user);
      FetchFor(next_user + prefetch_ + 1);
      ++next_user;
    }
    return std::move(list_);
  }

 private:
  int NumModules(int chunk) const { return num_modules_[static_cast<size_t>(chunk)]; }

  void Split(const Action& action) {
    CADMUS_CHECK(action.module < 0, StrCat(ToString(action), " is split already"));
    if (action.kind == ActionKind::kOverlap) {
      Use use = {action, {}};
      for (const Pass& pass : PassesOf(action)) {
        for (int module = 0; module < NumModules(pass.chunk); ++module) {
          const Weights weights = {pass.chunk, module};
          if (!Contains(use, weights)) use.weights.push_back(weights);
        }
      }
      uses_.push_back(std::move(use));
    } else if (IsPass(action.kind) && action.kind != ActionKind::kBackwardWeight) {
      const int last = NumModules(action.chunk) - 1;
      for (int i = 0; i <= last; ++i) {
        Action part = action;
        part.module = action.kind == ActionKind::kForward ? i : last - i;
        uses_.push_back({part, {{action.chunk, part.module}}});
      }
    } else {
      uses_.push_back({action, {}});
    }
  }

  static bool Contains(const Use& use, const Weights& weights) {
    return std::find(use.weights.begin(), use.weights.end(), weights) != use.weights.end();
  }

  // Notes the fetches that the user-th use of weights needs.
  void FetchFor(size_t user) {
    if (user >= users_.size()) return;
    for (const Weights& weights : uses_[users_[user]].weights) {
      if (std::find(fetched_.begin(), fetched_.end(), weights) != fetched_.end()) continue;
      fetched_.push_back(weights);
      to_fetch_.push_back(weights);
    }
  }

  void IssueFetches() {
    for (const Weights& weights : to_fetch_) {
      list_.push_back(
          {.kind = ActionKind::kFetchParameters, .chunk = weights.chunk, .module = weights.module});
    }
    to_fetch_.clear();
  }

  // Releases what none of the uses needs for which weights are fetched after this one.
  void ReleaseAfter(size_t user) {
    const size_t end = std::min(user + prefetch_ + 2, users_.size());
    for (const Weights& weights : uses_[users_[user]].weights) {
      const bool needed =
          std::any_of(users_.begin() + static_cast<std::ptrdiff_t>(user) + 1,
                      users_.begin() + static_cast<std::ptrdiff_t>(end),
                      [&](size_t later) { return Contains(uses_[later], weights); });
      if (needed) continue;
      fetched_.erase(std::find(fetched_.begin(), fetched_.end(), weights));
      list_.push_back({.kind = ActionKind::kReleaseParameters,
                       .chunk = weights.chunk,
                       .module = weights.module});
    }
  }

  std::span<const int> num_modules_;
  size_t prefetch_;
  std::vector<Use> uses_;
  std::vector<size_t> users_;      // indices of the uses that need weights
  std::vector<Weights> fetched_;   // at this point of the list, those to fetch included
  std::vector<Weights> to_fetch_;  // before the next action that is no send
  std::vector<Action> list_;
};

}  // namespace

std::vector<Action> WithParameterFetches(std::span<const Action> actions,
                                         std::span<const int> num_modules_of_chunk, int prefetch) {
  CADMUS_CHECK(prefetch >= 0, StrCat("prefetch = ", prefetch));
  return Refinement(num_modules_of_chunk, prefetch).Run(actions);
}

}  // namespace cadmus
