// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/complete_schedule.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <tuple>

#include "runtime/schedule/passes.h"

namespace cadmus {
namespace {

using Channel = std::tuple<int, int, Payload>;  // source, destination, what

// A message on its way, as its receive.
using Messages = std::map<Channel, std::deque<Action>>;

class TransferWriter {
 public:
  explicit TransferWriter(Schedule& schedule)
      : schedule_(schedule), places_(PlacesOfStages(schedule)) {}

  void Run() {
    for (int rank = 0; rank < schedule_.size.num_ranks; ++rank) AddSends(rank);
    for (int rank = 0; rank < schedule_.size.num_ranks; ++rank) AddReceives(rank);
  }

 private:
  std::vector<Action>& ListOf(int rank) { return schedule_.actions[static_cast<size_t>(rank)]; }

  // The rank and chunk beside a chunk in the direction in which a pass takes its messages; nothing
  // at the model's end, or on the same rank.
  std::optional<StagePlace> Beside(int rank, int chunk, int direction) const {
    const int stage =
        schedule_.stage_of[static_cast<size_t>(rank)][static_cast<size_t>(chunk)] + direction;
    if (stage < 0 || stage >= schedule_.size.num_stages()) return std::nullopt;
    const StagePlace place = places_[static_cast<size_t>(stage)];
    if (place.rank == rank) return std::nullopt;
    return place;
  }

  void AddSends(int rank) {
    std::vector<Action> list;
    for (const Action& action : ListOf(rank)) {
      list.push_back(action);
      for (const Pass& pass : PassesOf(action)) {
        if (pass.kind == ActionKind::kBackwardWeight) continue;
        const bool forward = pass.kind == ActionKind::kForward;
        const auto target = Beside(rank, pass.chunk, forward ? 1 : -1);
        if (!target) continue;
        const Payload payload = PayloadOf(pass.kind);
        list.push_back({.kind = ActionKind::kSend,
                        .chunk = pass.chunk,
                        .micro_batch = pass.micro_batch,
                        .payload = payload});
        sent_[{rank, target->rank, payload}].push_back({.kind = ActionKind::kReceive,
                                                        .chunk = target->chunk,
                                                        .micro_batch = pass.micro_batch,
                                                        .payload = payload});
      }
    }
    ListOf(rank) = std::move(list);
  }

  void AddReceives(int rank) {
    std::vector<Action> list;
    for (const Action& action : ListOf(rank)) {
      for (const Pass& pass : PassesOf(action)) {
        if (pass.kind == ActionKind::kBackwardWeight) continue;
        const bool forward = pass.kind == ActionKind::kForward;
        const auto source = Beside(rank, pass.chunk, forward ? -1 : 1);
        if (!source) continue;
        const Payload payload = PayloadOf(pass.kind);
        Receive(sent_[{source->rank, rank, payload}],
                {.kind = ActionKind::kReceive,
                 .chunk = pass.chunk,
                 .micro_batch = pass.micro_batch,
                 .payload = payload},
                list);
      }
      list.push_back(action);
    }
    ListOf(rank) = std::move(list);
  }

  // Takes `needed` and the messages sent before it from the channel, if it is still there.
  static void Receive(std::deque<Action>& channel, const Action& needed,
                      std::vector<Action>& list) {
    const auto found = std::find(channel.begin(), channel.end(), needed);
    if (found == channel.end()) return;
    list.insert(list.end(), channel.begin(), found + 1);
    channel.erase(channel.begin(), found + 1);
  }

  Schedule& schedule_;
  std::vector<StagePlace> places_;
  Messages sent_;
};

}  // namespace

void AddTransfers(Schedule& schedule) { TransferWriter(schedule).Run(); }

Schedule EvaluationOf(const Schedule& training) {
  Schedule evaluation = {.purpose = SchedulePurpose::kEvaluation,
                         .size = training.size,
                         .stage_of = training.stage_of};
  for (const std::vector<Action>& actions : training.actions) {
    std::vector<Action>& list = evaluation.actions.emplace_back();
    for (const Action& action : actions) {
      for (const Pass& pass : PassesOf(action)) {
        if (pass.kind != ActionKind::kForward) continue;
        list.push_back({.kind = pass.kind, .chunk = pass.chunk, .micro_batch = pass.micro_batch});
      }
    }
  }
  AddTransfers(evaluation);
  return evaluation;
}

void AddReductions(Schedule& schedule) {
  for (std::vector<Action>& actions : schedule.actions) {
    // Behind the last weight gradient of each chunk; a chunk without any reduces at the end.
    std::vector<size_t> last(static_cast<size_t>(schedule.size.num_chunks), actions.size());
    for (size_t i = 0; i < actions.size(); ++i) {
      for (const Pass& pass : PassesOf(actions[i]))
        if (MakesWeightGradient(pass.kind)) last[static_cast<size_t>(pass.chunk)] = i;
    }
    // Another rank waits for what is sent there.
    for (size_t& i : last)
      while (i + 1 < actions.size() && actions[i + 1].kind == ActionKind::kSend) ++i;
    std::vector<Action> list;
    for (size_t i = 0; i <= actions.size(); ++i) {
      if (i < actions.size()) list.push_back(actions[i]);
      for (int chunk = 0; chunk < schedule.size.num_chunks; ++chunk) {
        if (last[static_cast<size_t>(chunk)] == i)
          list.push_back({.kind = ActionKind::kReduceGradients, .chunk = chunk});
      }
    }
    if (schedule.size.num_stages() > 1) list.push_back({.kind = ActionKind::kTieReduce});
    list.push_back({.kind = ActionKind::kOptimizer});
    actions = std::move(list);
  }
}

}  // namespace cadmus
