// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/schedule.h"

#include "kernels/base/error.h"

namespace cadmus {

std::vector<StagePlace> PlacesOfStages(const Schedule& schedule) {
  const ScheduleSize& size = schedule.size;
  std::vector<StagePlace> places(static_cast<size_t>(size.num_stages()));
  for (int rank = 0; rank < size.num_ranks; ++rank) {
    for (int chunk = 0; chunk < size.num_chunks; ++chunk) {
      const int stage = schedule.stage_of[static_cast<size_t>(rank)][static_cast<size_t>(chunk)];
      places[static_cast<size_t>(stage)] = {.rank = rank, .chunk = chunk};
    }
  }
  return places;
}

StagePlace PeerOf(const Schedule& schedule, const std::vector<StagePlace>& places, int rank,
                  const Action& transfer) {
  const int stage =
      schedule.stage_of[static_cast<size_t>(rank)][static_cast<size_t>(transfer.chunk)];
  const bool to_next_stage =
      (transfer.kind == ActionKind::kSend) == (transfer.payload == Payload::kActivation);
  const int peer = to_next_stage ? stage + 1 : stage - 1;
  CADMUS_CHECK(peer >= 0 && peer < schedule.size.num_stages(),
               StrCat(ToString(transfer), " of stage ", stage, ", which has no neighbour there"));
  return places[static_cast<size_t>(peer)];
}

}  // namespace cadmus
