// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/verifier.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "kernels/base/str_cat.h"
#include "runtime/schedule/passes.h"
#include "runtime/schedule/rank_check.h"

namespace cadmus {
namespace {

class Verification {
 public:
  explicit Verification(const Schedule& schedule) : schedule_(schedule) {}

  std::vector<std::string> Run() {
    // Each stage of checks leans on what the one before has found to exist.
    CheckStages();
    if (!problems_.empty()) return problems_;
    places_ = PlacesOfStages(schedule_);
    ForEachAction([this](int rank, size_t i) { CheckPlace(rank, i); });
    if (!problems_.empty()) return problems_;
    for (int rank = 0; rank < schedule_.size.num_ranks; ++rank)
      CheckRank(schedule_, places_, rank, problems_);
    if (CheckMessages()) CheckProgress();
    return problems_;
  }

 private:
  template <class... Pieces>
  void Problem(const Pieces&... pieces) {
    problems_.push_back(StrCat(pieces...));
  }

  const std::vector<Action>& ListOf(int rank) const {
    return schedule_.actions[static_cast<size_t>(rank)];
  }

  template <class Function>
  void ForEachAction(Function function) {
    for (int rank = 0; rank < schedule_.size.num_ranks; ++rank)
      for (size_t i = 0; i < ListOf(rank).size(); ++i) function(rank, i);
  }

  // ---- Sizes, stages and places.

  void CheckStages() {
    const ScheduleSize& size = schedule_.size;
    if (size.num_ranks < 1 || size.num_chunks < 1 || size.num_micro_batches < 1) {
      return Problem("the schedule has ", size.num_ranks, " ranks, ", size.num_chunks,
                     " chunks and ", size.num_micro_batches,
                     " micro-batches; each must be at least 1");
    }
    if (schedule_.stage_of.size() != static_cast<size_t>(size.num_ranks) ||
        schedule_.actions.size() != static_cast<size_t>(size.num_ranks)) {
      return Problem("the schedule of ", size.num_ranks, " ranks has stages for ",
                     schedule_.stage_of.size(), " and lists for ", schedule_.actions.size());
    }
    std::vector<int> holder(static_cast<size_t>(size.num_stages()), -1);
    for (int rank = 0; rank < size.num_ranks; ++rank) {
      const std::vector<int>& stages = schedule_.stage_of[static_cast<size_t>(rank)];
      if (stages.size() != static_cast<size_t>(size.num_chunks))
        Problem("rank ", rank, " has ", stages.size(), " stages; each has ", size.num_chunks);
      for (const int stage : stages) {
        if (stage < 0 || stage >= size.num_stages()) {
          Problem("rank ", rank, " has stage ", stage, " of 0 … ", size.num_stages() - 1);
        } else if (int& first = holder[static_cast<size_t>(stage)]; first >= 0) {
          Problem("stage ", stage, " lies on rank ", first, " and again on rank ", rank);
        } else {
          first = rank;
        }
      }
    }
  }

  bool Exists(int chunk, int micro_batch) const {
    return chunk >= 0 && chunk < schedule_.size.num_chunks && micro_batch >= 0 &&
           micro_batch < schedule_.size.num_micro_batches;
  }

  void CheckPlace(int rank, size_t i) {
    const Action& action = ListOf(rank)[i];
    const bool is_transfer =
        action.kind == ActionKind::kSend || action.kind == ActionKind::kReceive;
    const bool is_fetch = action.kind == ActionKind::kFetchParameters ||
                          action.kind == ActionKind::kReleaseParameters;
    const bool is_overlap = action.kind == ActionKind::kOverlap;
    const bool per_micro_batch = IsPass(action.kind) || is_transfer;
    const bool exists = per_micro_batch ? Exists(action.chunk, action.micro_batch)
                                        : Exists(action.chunk, 0) && action.micro_batch == -1;
    const bool backward_exists =
        is_overlap ? Exists(action.backward_chunk, action.backward_micro_batch)
                   : action.backward_chunk == -1 && action.backward_micro_batch == -1;
    const bool has_modules = (IsPass(action.kind) && !is_overlap) || is_fetch;
    if (!exists || !backward_exists || action.module < -1 || (action.module >= 0 && !has_modules)) {
      Problem(PlaceOf(schedule_, rank, i), " is outside of ", schedule_.size.num_chunks,
              " chunks and ", schedule_.size.num_micro_batches, " micro-batches");
    } else if (is_transfer) {
      CheckNeighbour(rank, i);
    }
  }

  void CheckNeighbour(int rank, size_t i) {
    const Action& action = ListOf(rank)[i];
    const int stage =
        schedule_.stage_of[static_cast<size_t>(rank)][static_cast<size_t>(action.chunk)];
    const int peer =
        stage +
        ((action.kind == ActionKind::kSend) == (action.payload == Payload::kActivation) ? 1 : -1);
    if (peer < 0 || peer >= schedule_.size.num_stages()) {
      Problem(PlaceOf(schedule_, rank, i), " has no stage on its other side: stage ", stage,
              " is at the end of the model");
    } else if (places_[static_cast<size_t>(peer)].rank == rank) {
      Problem(PlaceOf(schedule_, rank, i), " is not needed: stage ", peer,
              " lies on the same rank");
    }
  }

  // ---- Messages between ranks.

  struct Channel {
    std::vector<size_t> sends;     // actions of the source
    std::vector<size_t> receives;  // actions of the destination
  };
  using ChannelKey = std::tuple<int, int, Payload>;  // source, destination

  ChannelKey KeyOf(int rank, const Action& transfer) const {
    const int peer = PeerOf(schedule_, places_, rank, transfer).rank;
    return transfer.kind == ActionKind::kSend ? ChannelKey{rank, peer, transfer.payload}
                                              : ChannelKey{peer, rank, transfer.payload};
  }

  // Whether the messages of all channels are received in the order in which they are sent.
  bool CheckMessages() {
    std::map<ChannelKey, Channel> channels;
    ForEachAction([&](int rank, size_t i) {
      const Action& action = ListOf(rank)[i];
      if (action.kind == ActionKind::kSend) channels[KeyOf(rank, action)].sends.push_back(i);
      if (action.kind == ActionKind::kReceive) channels[KeyOf(rank, action)].receives.push_back(i);
    });
    bool in_order = true;
    for (const auto& [key, channel] : channels) in_order &= CheckChannel(key, channel);
    return in_order;
  }

  bool CheckChannel(const ChannelKey& key, const Channel& channel) {
    const auto [source, destination, payload] = key;
    const size_t both = std::min(channel.sends.size(), channel.receives.size());
    for (size_t k = 0; k < both; ++k) {
      const Action& send = ListOf(source)[channel.sends[k]];
      const Action& receive = ListOf(destination)[channel.receives[k]];
      if (send.micro_batch == receive.micro_batch &&
          PeerOf(schedule_, places_, source, send).chunk == receive.chunk) {
        continue;
      }
      Problem(PlaceOf(schedule_, destination, channel.receives[k]), " would get what ",
              PlaceOf(schedule_, source, channel.sends[k]), " sends: both must keep one order");
      return false;
    }
    if (channel.receives.size() > both) {
      Problem(PlaceOf(schedule_, destination, channel.receives[both]),
              " waits for a message that rank ", source, " never sends");
    }
    if (channel.sends.size() > both) {
      Problem(PlaceOf(schedule_, source, channel.sends[both]), " is never received by rank ",
              destination);
    }
    return channel.sends.size() == channel.receives.size();
  }

  // Runs the lists: a send never waits, a receive waits for its send.
  void CheckProgress() {
    std::vector<size_t> at(static_cast<size_t>(schedule_.size.num_ranks));
    std::map<ChannelKey, int> on_their_way;
    const auto advance = [&](int rank) {
      size_t& next = at[static_cast<size_t>(rank)];
      const size_t before = next;
      for (; next < ListOf(rank).size(); ++next) {
        const Action& action = ListOf(rank)[next];
        if (action.kind == ActionKind::kSend) ++on_their_way[KeyOf(rank, action)];
        if (action.kind != ActionKind::kReceive) continue;
        int& messages = on_their_way[KeyOf(rank, action)];
        if (messages == 0) break;
        --messages;
      }
      return next > before;
    };
    for (bool moved = true; moved;) {
      moved = false;
      for (int rank = 0; rank < schedule_.size.num_ranks; ++rank) moved |= advance(rank);
    }
    for (int rank = 0; rank < schedule_.size.num_ranks; ++rank) {
      const size_t stuck = at[static_cast<size_t>(rank)];
      if (stuck == ListOf(rank).size()) continue;
      const int peer = PeerOf(schedule_, places_, rank, ListOf(rank)[stuck]).rank;
      Problem(PlaceOf(schedule_, rank, stuck), " waits for ever for rank ", peer,
              ", which is held up at ", PlaceOf(schedule_, peer, at[static_cast<size_t>(peer)]));
    }
  }

  const Schedule& schedule_;
  std::vector<StagePlace> places_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> FindProblems(const Schedule& schedule) {
  return Verification(schedule).Run();
}

}  // namespace cadmus
