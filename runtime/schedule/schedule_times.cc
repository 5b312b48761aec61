// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/schedule_times.h"

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>

#include "kernels/base/error.h"
#include "runtime/schedule/passes.h"

namespace cadmus {
namespace {

class Simulation {
 public:
  Simulation(const Schedule& schedule, const PassTimes& pass_times)
      : schedule_(schedule),
        pass_times_(pass_times),
        places_(PlacesOfStages(schedule)),
        clocks_(static_cast<size_t>(schedule.size.num_ranks)) {
    for (size_t rank = 0; rank < clocks_.size(); ++rank) {
      const auto num_passes =
          static_cast<size_t>(schedule.size.num_chunks * schedule.size.num_micro_batches);
      Clock& clock = clocks_[rank];
      for (const size_t payload : {0, 1}) {
        clock.made[payload].resize(num_passes);
        clock.received[payload].resize(num_passes);
      }
      clock.num_modules = NumModules(schedule.actions[rank], schedule.size.num_chunks);
      times_.spans.emplace_back(schedule.actions[rank].size());
    }
    times_.ranks.resize(clocks_.size());
  }

  ScheduleTimes Run() {
    // Each round lets every rank run until it waits for a message that is not sent yet.
    for (bool moved = true; moved;) {
      moved = false;
      for (int rank = 0; rank < schedule_.size.num_ranks; ++rank) moved |= Advance(rank);
    }
    for (int rank = 0; rank < schedule_.size.num_ranks; ++rank) {
      const Clock& clock = ClockOf(rank);
      const std::vector<Action>& actions = schedule_.actions[static_cast<size_t>(rank)];
      if (clock.at < actions.size()) {
        throw Error(Kind::kConfig, StrCat("rank ", rank, " waits for ever at action ", clock.at,
                                          " (", ToString(actions[clock.at]), ")"));
      }
      times_.makespan = std::max(times_.makespan, times_.ranks[static_cast<size_t>(rank)].last);
    }
    for (RankTimes& rank : times_.ranks) rank.makespan = times_.makespan;
    return std::move(times_);
  }

 private:
  struct Clock {
    size_t at = 0;           // the next action
    double computed = 0;     // when the last pass ended
    double transferred = 0;  // when the last transfer was issued (send) or done (receive)
    // When a chunk's output was made, and its input received: [payload][chunk and micro-batch].
    // Input from the same rank counts as there from the start: its pass ran before, by the list.
    std::vector<double> made[2];
    std::vector<double> received[2];
    std::vector<int> num_modules;  // [chunk]
    bool has_run = false;
  };

  Clock& ClockOf(int rank) { return clocks_[static_cast<size_t>(rank)]; }

  size_t IndexOf(int chunk, int micro_batch) const {
    return static_cast<size_t>(chunk * schedule_.size.num_micro_batches + micro_batch);
  }

  bool Advance(int rank) {
    Clock& clock = ClockOf(rank);
    const std::vector<Action>& actions = schedule_.actions[static_cast<size_t>(rank)];
    const size_t before = clock.at;
    for (; clock.at < actions.size(); ++clock.at)
      if (!Run(rank, actions[clock.at])) break;
    return clock.at > before;
  }

  // False if the action has to wait for an action of another rank that has not run.
  bool Run(int rank, const Action& action) {
    Clock& clock = ClockOf(rank);
    TimeSpan& span = times_.spans[static_cast<size_t>(rank)][clock.at];
    const size_t message = IndexOf(action.chunk, std::max(action.micro_batch, 0));
    if (action.kind == ActionKind::kSend) {
      clock.transferred =
          std::max(clock.transferred, clock.made[static_cast<size_t>(action.payload)][message]);
      const StagePlace peer = PeerOf(schedule_, places_, rank, action);
      on_their_way_[{rank, peer.rank, action.payload}].push_back(clock.transferred);
      span = {clock.transferred, clock.transferred};
    } else if (action.kind == ActionKind::kReceive) {
      const StagePlace peer = PeerOf(schedule_, places_, rank, action);
      std::deque<double>& messages = on_their_way_[{peer.rank, rank, action.payload}];
      if (messages.empty()) return false;
      clock.transferred = std::max(clock.transferred, messages.front());
      messages.pop_front();
      clock.received[static_cast<size_t>(action.payload)][message] = clock.transferred;
      span = {clock.transferred, clock.transferred};
    } else if (IsPass(action.kind)) {
      span = RunPasses(rank, action);
    } else {
      span = {clock.computed, clock.computed};
    }
    return true;
  }

  TimeSpan RunPasses(int rank, const Action& action) {
    Clock& clock = ClockOf(rank);
    double begin = clock.computed;
    for (const Pass& pass : PassesOf(action)) {
      if (pass.kind == ActionKind::kBackwardWeight) continue;
      begin = std::max(begin, clock.received[static_cast<size_t>(PayloadOf(pass.kind))]
                                            [IndexOf(pass.chunk, pass.micro_batch)]);
    }
    const double end = begin + Duration(clock, action);
    for (const Pass& pass : PassesOf(action)) {
      if (pass.kind == ActionKind::kBackwardWeight) continue;
      clock.made[static_cast<size_t>(PayloadOf(pass.kind))][IndexOf(pass.chunk, pass.micro_batch)] =
          end;
    }
    RankTimes& times = times_.ranks[static_cast<size_t>(rank)];
    if (!clock.has_run) times.first = begin;
    clock.has_run = true;
    times.last = clock.computed = end;
    times.busy += end - begin;
    return {begin, end};
  }

  double Duration(const Clock& clock, const Action& action) const {
    if (action.kind == ActionKind::kOverlap && pass_times_.overlap) return *pass_times_.overlap;
    double sum = 0;
    for (const Pass& pass : PassesOf(action)) {
      const double whole = DurationOf(pass.kind);
      sum += pass.module < 0 ? whole : whole / clock.num_modules[static_cast<size_t>(pass.chunk)];
    }
    return sum;
  }

  double DurationOf(ActionKind kind) const {
    switch (kind) {
      case ActionKind::kForward:
        return pass_times_.forward;
      case ActionKind::kBackwardInput:
        return pass_times_.backward_input;
      case ActionKind::kBackwardWeight:
        return pass_times_.backward_weight;
      default:
        return pass_times_.backward_input + pass_times_.backward_weight;
    }
  }

  const Schedule& schedule_;
  const PassTimes& pass_times_;
  std::vector<StagePlace> places_;
  std::vector<Clock> clocks_;  // [rank]
  // When the messages between two ranks were sent, in their order.
  std::map<std::tuple<int, int, Payload>, std::deque<double>> on_their_way_;
  ScheduleTimes times_;
};

}  // namespace

ScheduleTimes SimulateTimes(const Schedule& schedule, const PassTimes& pass_times) {
  return Simulation(schedule, pass_times).Run();
}

}  // namespace cadmus
