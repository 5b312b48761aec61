// SPDX-License-Identifier: Apache-2.0
// Schedule: the actions of every pipeline rank in one training step, or in the forward pass of an
// evaluation, and where the stages of the model lie. The forward pass goes through stages 0 …
// num_stages − 1; a rank holds num_chunks of them.
//
//   Schedule schedule = MakeSchedule(ScheduleKind::kOneForwardOneBackward,
//                                    {.num_ranks = 4, .num_micro_batches = 16});
//   for (const std::string& problem : FindProblems(schedule)) …
#pragma once

#include <vector>

#include "runtime/schedule/action.h"

namespace cadmus {

struct ScheduleSize {
  int num_ranks = 1;   // pipeline ranks
  int num_chunks = 1;  // of each rank
  int num_micro_batches = 1;

  int num_stages() const { return num_ranks * num_chunks; }
  friend bool operator==(const ScheduleSize&, const ScheduleSize&) = default;
};

enum class SchedulePurpose {
  kTraining,
  kEvaluation,  // forward passes, their transfers and fetches; nothing else
};

struct Schedule {
  SchedulePurpose purpose = SchedulePurpose::kTraining;
  ScheduleSize size;
  std::vector<std::vector<int>> stage_of;    // [rank][chunk]
  std::vector<std::vector<Action>> actions;  // [rank]

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

// Where a stage lies.
struct StagePlace {
  int rank = 0;
  int chunk = 0;

  friend bool operator==(const StagePlace&, const StagePlace&) = default;
};

// The place of every stage. Requires that stage_of places each stage once.
std::vector<StagePlace> PlacesOfStages(const Schedule& schedule);

// Where the message of a kSend goes to, or that of a kReceive comes from. `places` as from
// PlacesOfStages; requires that the stage beside exists.
StagePlace PeerOf(const Schedule& schedule, const std::vector<StagePlace>& places, int rank,
                  const Action& transfer);

}  // namespace cadmus
