// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/rank_check.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "runtime/schedule/passes.h"

namespace cadmus {
namespace {

// How far one micro-batch of one chunk is: modules done in each direction, messages moved.
struct Progress {
  int forward = 0;
  int backward = 0;  // whole
  int input = 0;
  int weight = 0;
  bool sent[2] = {false, false};      // [payload]
  bool received[2] = {false, false};  // [payload]

  int& Of(ActionKind kind) {
    switch (kind) {
      case ActionKind::kForward:
        return forward;
      case ActionKind::kBackward:
        return backward;
      case ActionKind::kBackwardInput:
        return input;
      case ActionKind::kBackwardWeight:
        return weight;
      default:
        CADMUS_UNREACHABLE("not a pass");
    }
  }
};

// One chunk while the list is walked.
struct ChunkState {
  int stage = 0;
  int num_modules = 1;
  std::vector<Progress> progress;  // [micro-batch]
  // The micro-batch that each module saw last, forward and with its weight gradient.
  std::vector<int> last_forward;
  std::vector<int> last_gradient;
  std::vector<bool> fetched;  // [module]
  int num_gradients = 0;      // micro-batches whose weight gradient is complete
  bool reduced = false;
};

class RankCheck {
 public:
  RankCheck(const Schedule& schedule, const std::vector<StagePlace>& places, int rank,
            std::vector<std::string>& problems)
      : schedule_(schedule),
        places_(places),
        rank_(rank),
        actions_(schedule.actions[static_cast<size_t>(rank)]),
        problems_(problems) {
    const std::vector<int> num_modules = NumModules(actions_, schedule.size.num_chunks);
    for (int chunk = 0; chunk < schedule.size.num_chunks; ++chunk) {
      const auto modules = static_cast<size_t>(num_modules[static_cast<size_t>(chunk)]);
      chunks_.push_back(
          {.stage = schedule.stage_of[static_cast<size_t>(rank)][static_cast<size_t>(chunk)],
           .num_modules = static_cast<int>(modules),
           .progress = std::vector<Progress>(static_cast<size_t>(schedule.size.num_micro_batches)),
           .last_forward = std::vector<int>(modules, -1),
           .last_gradient = std::vector<int>(modules, -1),
           .fetched = std::vector<bool>(modules)});
    }
    has_fetches_ = std::any_of(actions_.begin(), actions_.end(), [](const Action& action) {
      return action.kind == ActionKind::kFetchParameters ||
             action.kind == ActionKind::kReleaseParameters;
    });
  }

  void Run() {
    for (at_ = 0; at_ < actions_.size(); ++at_) Check(actions_[at_]);
    for (int chunk = 0; chunk < schedule_.size.num_chunks; ++chunk) RequireAll(chunk);
    if (evaluates()) return;
    if (schedule_.size.num_stages() > 1 && !tied_) Missing({.kind = ActionKind::kTieReduce});
    if (!optimized_) Missing({.kind = ActionKind::kOptimizer});
  }

 private:
  bool evaluates() const { return schedule_.purpose == SchedulePurpose::kEvaluation; }

  ChunkState& At(int chunk) { return chunks_[static_cast<size_t>(chunk)]; }
  Progress& At(int chunk, int micro_batch) {
    return At(chunk).progress[static_cast<size_t>(micro_batch)];
  }

  template <class... Pieces>
  void Problem(const Pieces&... pieces) {
    problems_.push_back(StrCat(PlaceOf(schedule_, rank_, at_), " ", pieces...));
  }
  void Missing(const Action& action) {
    problems_.push_back(StrCat("rank ", rank_, ": ", ToString(action), " is missing"));
  }

  static bool IsOfEvaluation(const Action& action) {
    switch (action.kind) {
      case ActionKind::kForward:
      case ActionKind::kFetchParameters:
      case ActionKind::kReleaseParameters:
        return true;
      case ActionKind::kSend:
      case ActionKind::kReceive:
        return action.payload == Payload::kActivation;
      default:
        return false;
    }
  }

  void Check(const Action& action) {
    if (evaluates() && !IsOfEvaluation(action))
      return Problem("has no place in an evaluation, which runs forward only");
    if (optimized_ && action.kind != ActionKind::kOptimizer)
      Problem("comes after the optimizer, which is not last");
    switch (action.kind) {
      case ActionKind::kSend:
        return CheckSend(action);
      case ActionKind::kReceive:
        return CheckReceive(action);
      case ActionKind::kFetchParameters:
      case ActionKind::kReleaseParameters:
        return CheckFetch(action);
      case ActionKind::kReduceGradients:
        return CheckReduce(action.chunk);
      case ActionKind::kTieReduce:
      case ActionKind::kOptimizer:
        return CheckEnd(action.kind);
      default:
        // Both passes of an overlap need what was there before it.
        for (const Pass& pass : PassesOf(action)) CheckNeeds(pass);
        for (const Pass& pass : PassesOf(action)) MarkDone(pass);
    }
  }

  // ---- Passes.

  // Whether the output of a chunk's pass that leaves it is complete.
  bool HasMade(Payload payload, int chunk, int micro_batch) {
    const Progress& progress = At(chunk, micro_batch);
    const int all = At(chunk).num_modules;
    return payload == Payload::kActivation ? progress.forward == all
                                           : progress.backward == all || progress.input == all;
  }

  void CheckNeeds(const Pass& pass) {
    const Progress& progress = At(pass.chunk, pass.micro_batch);
    const int all = At(pass.chunk).num_modules;
    if (pass.kind == ActionKind::kBackwardWeight) {
      const int modules = pass.module < 0 ? all : all - pass.module;
      if (progress.input < modules) Problem("comes before its backward-input");
      return;
    }
    const bool forward = pass.kind == ActionKind::kForward;
    if (!forward && progress.forward < all) Problem("comes before its forward");
    CheckInput(pass, At(pass.chunk).stage + (forward ? -1 : 1));
    for (int module = 0; module < all && has_fetches_; ++module) {
      if ((pass.module < 0 || pass.module == module) &&
          !At(pass.chunk).fetched[static_cast<size_t>(module)]) {
        Problem("runs while module ", module, " of chunk ", pass.chunk, " is not fetched");
      }
    }
  }

  void CheckInput(const Pass& pass, int source) {
    if (source < 0 || source >= schedule_.size.num_stages()) return;
    const Payload payload = PayloadOf(pass.kind);
    const char* what = payload == Payload::kActivation ? "activation" : "gradient";
    const StagePlace place = places_[static_cast<size_t>(source)];
    if (place.rank != rank_) {
      if (!At(pass.chunk, pass.micro_batch).received[static_cast<size_t>(payload)])
        Problem("runs before the ", what, " of stage ", source, " is received");
    } else if (!HasMade(payload, place.chunk, pass.micro_batch)) {
      Problem("runs before the ", what, " of stage ", source, ", on the same rank, is computed");
    }
  }

  void MarkDone(const Pass& pass) {
    ChunkState& chunk = At(pass.chunk);
    Progress& progress = At(pass.chunk, pass.micro_batch);
    int& done = progress.Of(pass.kind);
    const int all = chunk.num_modules;
    const int next = pass.kind == ActionKind::kForward ? done : all - 1 - done;
    if (done == all || (pass.module < 0 && done > 0)) return Problem("stands twice");
    if (pass.module >= 0 && pass.module != next)
      return Problem("is out of order: module ", next, " is next");
    const bool whole = pass.kind == ActionKind::kBackward;
    const bool half = !whole && pass.kind != ActionKind::kForward;
    if ((whole && progress.input + progress.weight > 0) || (half && progress.backward > 0))
      return Problem("repeats a backward");
    done += pass.module < 0 ? all : 1;
    CheckAscending(pass);
    if (MakesWeightGradient(pass.kind) && done == all) ++chunk.num_gradients;
  }

  void CheckAscending(const Pass& pass) {
    if (pass.kind == ActionKind::kBackwardInput) return;  // adds to nothing
    ChunkState& chunk = At(pass.chunk);
    std::vector<int>& last =
        pass.kind == ActionKind::kForward ? chunk.last_forward : chunk.last_gradient;
    int before = -1;
    for (int module = 0; module < chunk.num_modules; ++module) {
      if (pass.module >= 0 && pass.module != module) continue;
      int& seen = last[static_cast<size_t>(module)];
      before = std::max(before, seen);
      seen = std::max(seen, pass.micro_batch);
    }
    if (before > pass.micro_batch) {
      Problem("comes after micro-batch ", before,
              ": each chunk takes its micro-batches in ascending order");
    }
  }

  // ---- Transfers, fetches, the end of the step.

  void CheckSend(const Action& action) {
    if (!HasMade(action.payload, action.chunk, action.micro_batch))
      Problem("comes before the pass that makes it");
    MarkOnce(At(action.chunk, action.micro_batch).sent[static_cast<size_t>(action.payload)]);
  }

  void CheckReceive(const Action& action) {
    MarkOnce(At(action.chunk, action.micro_batch).received[static_cast<size_t>(action.payload)]);
  }

  void MarkOnce(bool& done) {
    if (done) Problem("stands twice");
    done = true;
  }

  void CheckFetch(const Action& action) {
    const bool fetch = action.kind == ActionKind::kFetchParameters;
    std::vector<bool>& fetched = At(action.chunk).fetched;
    for (size_t module = 0; module < fetched.size(); ++module) {
      if (action.module >= 0 && static_cast<size_t>(action.module) != module) continue;
      if (fetched[module] == fetch)
        Problem("finds module ", module, fetch ? " fetched already" : " not fetched");
      fetched[module] = fetch;
    }
  }

  void CheckReduce(int chunk) {
    if (At(chunk).num_gradients < schedule_.size.num_micro_batches)
      Problem("comes before the chunk's last weight gradient");
    if (At(chunk).reduced) Problem("stands twice");
    At(chunk).reduced = true;
  }

  void CheckEnd(ActionKind kind) {
    for (int chunk = 0; chunk < schedule_.size.num_chunks; ++chunk) {
      if (!At(chunk).reduced)
        Problem("comes before the gradients of chunk ", chunk, " are reduced");
      if (kind != ActionKind::kOptimizer) continue;
      for (const int module : FetchedModules(chunk))
        Problem("would leave the fetched weights of chunk ", chunk, " module ", module, " stale");
    }
    if (kind == ActionKind::kTieReduce) {
      MarkOnce(tied_);
    } else {
      if (schedule_.size.num_stages() > 1 && !tied_) Problem("comes before the tie-reduce");
      MarkOnce(optimized_);
    }
  }

  std::vector<int> FetchedModules(int chunk) {
    const std::vector<bool>& fetched = At(chunk).fetched;
    std::vector<int> modules;
    for (size_t module = 0; module < fetched.size(); ++module)
      if (fetched[module]) modules.push_back(static_cast<int>(module));
    return modules;
  }

  // ---- What must have happened by the end of the list.

  void RequireAll(int chunk) {
    const int all = At(chunk).num_modules;
    for (int micro_batch = 0; micro_batch < schedule_.size.num_micro_batches; ++micro_batch) {
      const Progress& progress = At(chunk, micro_batch);
      const auto require = [&](ActionKind kind, int done) {
        if (done == all) return;
        Missing({.kind = kind,
                 .chunk = chunk,
                 .micro_batch = micro_batch,
                 .module = done == 0                      ? -1
                           : kind == ActionKind::kForward ? done
                                                          : all - 1 - done});
      };
      require(ActionKind::kForward, progress.forward);
      RequireSend(chunk, micro_batch, Payload::kActivation, At(chunk).stage + 1);
      if (evaluates()) continue;
      if (progress.input + progress.weight > 0) {
        require(ActionKind::kBackwardInput, progress.input);
        require(ActionKind::kBackwardWeight, progress.weight);
      } else {
        require(ActionKind::kBackward, progress.backward);
      }
      RequireSend(chunk, micro_batch, Payload::kGradient, At(chunk).stage - 1);
    }
    if (evaluates()) {
      for (const int module : FetchedModules(chunk)) {
        Missing({.kind = ActionKind::kReleaseParameters, .chunk = chunk, .module = module});
      }
      return;
    }
    if (!At(chunk).reduced) Missing({.kind = ActionKind::kReduceGradients, .chunk = chunk});
  }

  void RequireSend(int chunk, int micro_batch, Payload payload, int target) {
    if (target < 0 || target >= schedule_.size.num_stages()) return;
    if (places_[static_cast<size_t>(target)].rank == rank_) return;
    if (At(chunk, micro_batch).sent[static_cast<size_t>(payload)]) return;
    Missing({.kind = ActionKind::kSend,
             .chunk = chunk,
             .micro_batch = micro_batch,
             .payload = payload});
  }

  const Schedule& schedule_;
  const std::vector<StagePlace>& places_;
  int rank_;
  const std::vector<Action>& actions_;
  std::vector<std::string>& problems_;
  std::vector<ChunkState> chunks_;
  size_t at_ = 0;  // the action that is looked at
  bool has_fetches_ = false;
  bool tied_ = false;
  bool optimized_ = false;
};

}  // namespace

std::string PlaceOf(const Schedule& schedule, int rank, size_t action) {
  return StrCat("rank ", rank, ", action ", action, " (",
                ToString(schedule.actions[static_cast<size_t>(rank)][action]), ")");
}

void CheckRank(const Schedule& schedule, const std::vector<StagePlace>& places, int rank,
               std::vector<std::string>& problems) {
  RankCheck(schedule, places, rank, problems).Run();
}

}  // namespace cadmus
