// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/verifier.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

using Key = std::tuple<ActionKind, int, int>;  // kind, chunk, micro-batch

Key KeyOf(const Action& action) { return {action.kind, action.chunk, action.micro_batch}; }

// Whether `later` depends on `earlier`, directly or through other actions. Dependencies point
// backwards.
bool Reaches(std::span<const Action> actions, int later, int earlier) {
  std::vector<bool> reached(static_cast<size_t>(later) + 1);
  reached[static_cast<size_t>(later)] = true;
  for (int i = later; i > earlier; --i) {
    if (!reached[static_cast<size_t>(i)]) continue;
    for (int dependency : actions[static_cast<size_t>(i)].depends_on)
      reached[static_cast<size_t>(dependency)] = true;
  }
  return reached[static_cast<size_t>(earlier)];
}

bool IsKnown(ActionKind kind) {
  switch (kind) {
    case ActionKind::kForward:
    case ActionKind::kBackward:
    case ActionKind::kBackwardInput:
    case ActionKind::kBackwardWeight:
    case ActionKind::kReduceGradients:
    case ActionKind::kOptimizer:
      return true;
    default:
      return false;
  }
}

class Verification {
 public:
  Verification(std::span<const Action> actions, const ScheduleSize& size)
      : actions_(actions), size_(size) {}

  std::vector<std::string> Run() {
    CheckDependencies();
    if (!problems_.empty()) return problems_;  // the rest walks along them
    Index();
    for (int chunk = 0; chunk < size_.num_chunks; ++chunk) CheckChunk(chunk);
    CheckOptimizer();
    return problems_;
  }

 private:
  void CheckDependencies() {
    for (int i = 0; i < static_cast<int>(actions_.size()); ++i) {
      for (int dependency : actions_[static_cast<size_t>(i)].depends_on) {
        if (dependency < 0 || dependency >= i) {
          problems_.push_back(StrCat("action ", i, " (", ToString(actions_[static_cast<size_t>(i)]),
                                     ") depends on action ", dependency, ", which is not earlier"));
        }
      }
    }
  }

  void Index() {
    for (int i = 0; i < static_cast<int>(actions_.size()); ++i) {
      const Action& action = actions_[static_cast<size_t>(i)];
      if (!IsKnown(action.kind)) {
        problems_.push_back(StrCat("action ", i, " (", ToString(action),
                                   ") is of a kind that is not supported yet"));
        continue;
      }
      const bool per_micro_batch =
          action.kind != ActionKind::kReduceGradients && action.kind != ActionKind::kOptimizer;
      const bool known =
          action.chunk >= 0 && action.chunk < size_.num_chunks &&
          (per_micro_batch ? action.micro_batch >= 0 && action.micro_batch < size_.num_micro_batches
                           : action.micro_batch == -1);
      if (!known) {
        problems_.push_back(StrCat("action ", i, " (", ToString(action), ") is outside of ",
                                   size_.num_chunks, " chunks and ", size_.num_micro_batches,
                                   " micro-batches"));
      } else if (!index_.emplace(KeyOf(action), i).second) {
        problems_.push_back(StrCat("action ", i, " (", ToString(action), ") stands twice"));
      }
    }
  }

  // The place of an action that must be there; -1, with a problem noted, if it is not.
  int Require(ActionKind kind, int chunk, int micro_batch) {
    const auto found = index_.find({kind, chunk, micro_batch});
    if (found != index_.end()) return found->second;
    problems_.push_back(StrCat(
        ToString(Action{.kind = kind, .chunk = chunk, .micro_batch = micro_batch}), " is missing"));
    return -1;
  }

  void Forbid(ActionKind kind, int chunk, int micro_batch) {
    if (const auto found = index_.find({kind, chunk, micro_batch}); found != index_.end()) {
      problems_.push_back(StrCat("action ", found->second, " (",
                                 ToString(actions_[static_cast<size_t>(found->second)]),
                                 ") repeats a backward"));
    }
  }

  void RequireOrder(int earlier, int later) {
    if (earlier < 0 || later < 0) return;
    if (earlier > later || !Reaches(actions_, later, earlier)) {
      problems_.push_back(StrCat("action ", later, " (",
                                 ToString(actions_[static_cast<size_t>(later)]),
                                 ") must depend on action ", earlier, " (",
                                 ToString(actions_[static_cast<size_t>(earlier)]), ")"));
    }
  }

  void CheckChunk(int chunk) {
    const int reduce = Require(ActionKind::kReduceGradients, chunk, -1);
    for (int micro_batch = 0; micro_batch < size_.num_micro_batches; ++micro_batch) {
      const int forward = Require(ActionKind::kForward, chunk, micro_batch);
      if (index_.contains({ActionKind::kBackwardInput, chunk, micro_batch})) {
        const int input = Require(ActionKind::kBackwardInput, chunk, micro_batch);
        const int weight = Require(ActionKind::kBackwardWeight, chunk, micro_batch);
        Forbid(ActionKind::kBackward, chunk, micro_batch);
        RequireOrder(forward, input);
        RequireOrder(input, weight);
        RequireOrder(weight, reduce);
      } else {
        const int backward = Require(ActionKind::kBackward, chunk, micro_batch);
        Forbid(ActionKind::kBackwardWeight, chunk, micro_batch);
        RequireOrder(forward, backward);
        RequireOrder(backward, reduce);
      }
    }
  }

  void CheckOptimizer() {
    const int optimizer = Require(ActionKind::kOptimizer, 0, -1);
    if (optimizer < 0) return;
    if (optimizer + 1 != static_cast<int>(actions_.size()))
      problems_.push_back("the optimizer is not last");
    for (int chunk = 0; chunk < size_.num_chunks; ++chunk) {
      if (auto reduce = index_.find({ActionKind::kReduceGradients, chunk, -1});
          reduce != index_.end()) {
        RequireOrder(reduce->second, optimizer);
      }
    }
  }

  std::span<const Action> actions_;
  ScheduleSize size_;
  std::map<Key, int> index_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> FindProblems(std::span<const Action> actions, const ScheduleSize& size) {
  return Verification(actions, size).Run();
}

int MaxInFlight(std::span<const Action> actions, int chunk) {
  int in_flight = 0;
  int most = 0;
  for (const Action& action : actions) {
    if (action.chunk != chunk) continue;
    if (action.kind == ActionKind::kForward) most = std::max(most, ++in_flight);
    if (action.kind == ActionKind::kBackward || action.kind == ActionKind::kBackwardWeight)
      --in_flight;
  }
  return most;
}

}  // namespace cadmus
