// SPDX-License-Identifier: Apache-2.0
#include "tests/runtime/schedule/schedule_oracle.h"

#include <deque>
#include <map>
#include <set>
#include <tuple>

namespace cadmus {
namespace {

enum class What { kActivation, kGradient };

// The output of a stage: its activation, or the gradient of its input.
using Value = std::tuple<What, int, int>;  // what, stage, micro-batch

struct StageLog {
  std::vector<int> forwards;
  std::vector<int> gradients;  // weight gradients
  std::set<int> inputs;        // input gradients
};

class Run {
 public:
  explicit Run(const Schedule& schedule)
      : schedule_(schedule),
        at_(schedule.actions.size()),
        known_(schedule.actions.size()),
        reduced_(schedule.actions.size()),
        tied_(schedule.actions.size()),
        optimized_(schedule.actions.size()) {
    for (size_t rank = 0; rank < schedule.stage_of.size(); ++rank)
      for (const int stage : schedule.stage_of[rank]) rank_of_[stage] = rank;
  }

  bool IsAStep() {
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t rank = 0; rank < at_.size(); ++rank) {
        while (at_[rank] < schedule_.actions[rank].size()) {
          const Result result = Do(rank, schedule_.actions[rank][at_[rank]]);
          if (result == Result::kWrong) return false;
          if (result == Result::kWait) break;
          ++at_[rank];
          moved = true;
        }
      }
    }
    return IsComplete();
  }

 private:
  enum class Result { kDone, kWait, kWrong };

  bool HasRun(size_t rank) const { return at_[rank] == schedule_.actions[rank].size(); }

  bool IsComplete() const {
    std::vector<int> all;
    for (int i = 0; i < schedule_.size.num_micro_batches; ++i) all.push_back(i);
    for (int stage = 0; stage < schedule_.size.num_stages(); ++stage) {
      const auto log = logs_.find(stage);
      if (log == logs_.end() || log->second.forwards != all || log->second.gradients != all ||
          log->second.inputs.size() != all.size()) {
        return false;
      }
    }
    for (const auto& [channel, messages] : messages_)
      if (!messages.empty()) return false;
    for (size_t rank = 0; rank < at_.size(); ++rank)
      if (!HasRun(rank) || !optimized_[rank]) return false;
    return true;
  }

  // The stage of a chunk, or -1.
  int StageOf(size_t rank, int chunk) const {
    const std::vector<int>& stages = schedule_.stage_of[rank];
    return chunk >= 0 && chunk < static_cast<int>(stages.size())
               ? stages[static_cast<size_t>(chunk)]
               : -1;
  }

  Result Do(size_t rank, const Action& action) {
    const int stage = StageOf(rank, action.chunk);
    if (stage < 0 || optimized_[rank]) return Result::kWrong;
    const int m = action.micro_batch;
    const bool is_end = action.kind == ActionKind::kReduceGradients ||
                        action.kind == ActionKind::kTieReduce ||
                        action.kind == ActionKind::kOptimizer;
    if (is_end ? m != -1 : m < 0 || m >= schedule_.size.num_micro_batches) return Result::kWrong;
    switch (action.kind) {
      case ActionKind::kForward:
      case ActionKind::kBackward:
      case ActionKind::kBackwardInput:
      case ActionKind::kBackwardWeight:
        if (!CanRun(rank, action.kind, stage, m)) return Result::kWrong;
        Note(rank, action.kind, stage, m);
        return Result::kDone;
      case ActionKind::kOverlap: {
        const int backward_stage = StageOf(rank, action.backward_chunk);
        const int b = action.backward_micro_batch;
        if (backward_stage < 0 || !CanRun(rank, ActionKind::kForward, stage, m) ||
            !CanRun(rank, ActionKind::kBackward, backward_stage, b)) {
          return Result::kWrong;
        }
        Note(rank, ActionKind::kForward, stage, m);
        Note(rank, ActionKind::kBackward, backward_stage, b);
        return Result::kDone;
      }
      case ActionKind::kSend:
        return Send(rank, action, stage);
      case ActionKind::kReceive:
        return Receive(rank, action, stage);
      case ActionKind::kReduceGradients: {
        const auto& gradients = logs_[stage].gradients;
        if (static_cast<int>(gradients.size()) != schedule_.size.num_micro_batches)
          return Result::kWrong;
        return reduced_[rank].insert(action.chunk).second ? Result::kDone : Result::kWrong;
      }
      case ActionKind::kTieReduce:
        if (!AllReduced(rank) || tied_[rank]) return Result::kWrong;
        tied_[rank] = true;
        return Result::kDone;
      case ActionKind::kOptimizer:
        if (!AllReduced(rank) || (schedule_.size.num_stages() > 1 && !tied_[rank]))
          return Result::kWrong;
        optimized_[rank] = true;
        return Result::kDone;
      default:
        return Result::kWrong;
    }
  }

  bool AllReduced(size_t rank) const {
    return reduced_[rank].size() == schedule_.stage_of[rank].size();
  }

  bool CanRun(size_t rank, ActionKind kind, int stage, int m) const {
    const auto& known = known_[rank];
    const int last = schedule_.size.num_stages() - 1;
    const Value own_forward = {What::kActivation, stage, m};
    const Value own_backward = {What::kGradient, stage, m};
    if (kind == ActionKind::kForward) {
      return known.count(own_forward) == 0 &&
             (stage == 0 || known.count({What::kActivation, stage - 1, m}) > 0);
    }
    if (kind == ActionKind::kBackwardWeight) return known.count(own_backward) > 0;
    return known.count(own_forward) > 0 && known.count(own_backward) == 0 &&
           (stage == last || known.count({What::kGradient, stage + 1, m}) > 0);
  }

  void Note(size_t rank, ActionKind kind, int stage, int m) {
    StageLog& log = logs_[stage];
    if (kind == ActionKind::kForward) {
      known_[rank].insert({What::kActivation, stage, m});
      log.forwards.push_back(m);
      return;
    }
    if (kind != ActionKind::kBackwardWeight) {
      known_[rank].insert({What::kGradient, stage, m});
      log.inputs.insert(m);
    }
    if (kind != ActionKind::kBackwardInput) log.gradients.push_back(m);
  }

  // A message's channel and value; the channel's other end is the rank of `stage`'s neighbour.
  Result Send(size_t rank, const Action& action, int stage) {
    const bool forward = action.payload == Payload::kActivation;
    const auto target = rank_of_.find(forward ? stage + 1 : stage - 1);
    if (target == rank_of_.end() || target->second == rank) return Result::kWrong;
    const Value value = {forward ? What::kActivation : What::kGradient, stage, action.micro_batch};
    if (known_[rank].count(value) == 0) return Result::kWrong;
    messages_[{rank, target->second, action.payload}].push_back(value);
    return Result::kDone;
  }

  Result Receive(size_t rank, const Action& action, int stage) {
    const bool forward = action.payload == Payload::kActivation;
    const int source_stage = forward ? stage - 1 : stage + 1;
    const auto source = rank_of_.find(source_stage);
    if (source == rank_of_.end() || source->second == rank) return Result::kWrong;
    std::deque<Value>& messages = messages_[{source->second, rank, action.payload}];
    if (messages.empty()) return Result::kWait;
    const Value expected = {forward ? What::kActivation : What::kGradient, source_stage,
                            action.micro_batch};
    if (messages.front() != expected) return Result::kWrong;
    messages.pop_front();
    return known_[rank].insert(expected).second ? Result::kDone : Result::kWrong;
  }

  const Schedule& schedule_;
  std::vector<size_t> at_;  // [rank]
  std::map<int, size_t> rank_of_;
  std::vector<std::set<Value>> known_;  // [rank]
  std::map<std::tuple<size_t, size_t, Payload>, std::deque<Value>> messages_;
  std::map<int, StageLog> logs_;
  std::vector<std::set<int>> reduced_;  // [rank], chunks
  std::vector<bool> tied_;
  std::vector<bool> optimized_;
};

}  // namespace

bool RunsAsAStep(const Schedule& schedule) { return Run(schedule).IsAStep(); }

}  // namespace cadmus
