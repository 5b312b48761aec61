// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/schedules.h"

#include <algorithm>
#include <array>

#include "kernels/base/error.h"
#include "runtime/schedule/complete_schedule.h"
#include "runtime/schedule/pass_list.h"

namespace cadmus {
namespace {

// ---- The passes of one rank, by kind. p ranks, m micro-batches, this is rank r.

// A chunk runs its last forward before its first backward.
void GPipe(PassList& passes, int m) {
  for (int i = 0; i < m; ++i) passes.Forward(0);
  for (int i = 0; i < m; ++i) passes.Backward(0);
}

// While the first micro-batch travels to the last rank and back, p − 1 − r more can start.
void OneForwardOneBackward(PassList& passes, int p, int r, int m) {
  const int ahead = std::min(p - 1 - r, m);
  for (int i = 0; i < ahead; ++i) passes.Forward(0);
  for (int i = 0; i < m - ahead; ++i) {
    passes.Forward(0);
    passes.Backward(0);
  }
  for (int i = 0; i < ahead; ++i) passes.Backward(0);
}

// Micro-batches go in rounds through the chunks, as in Narayanan et al. 2021, figure 4: forward
// passes run ahead by a round for each chunk but one, and by two for each rank behind. A round
// there has p micro-batches; here the remainder of m / p is spread over the rounds, the larger ones
// first, so that no round leaves ranks without work.
void Interleaved(PassList& passes, int p, int r, int v, int m) {
  const int full = std::max(m, p);
  const int rounds = full / p;
  std::vector<int> chunks;  // of the forward passes, in order
  for (int round = 0; round < rounds; ++round) {
    const int round_size = full / rounds + (round < full % rounds ? 1 : 0);
    for (int i = 0; i < v * round_size; ++i) chunks.push_back(i / round_size);
  }
  const size_t largest_round = static_cast<size_t>((full + rounds - 1) / rounds);
  const size_t ahead =
      std::min(2 * static_cast<size_t>(p - 1 - r) + static_cast<size_t>(v - 1) * largest_round,
               chunks.size());
  for (size_t i = 0; i < chunks.size() + ahead; ++i) {
    if (i < chunks.size()) passes.Forward(chunks[i]);
    if (i >= ahead) passes.Backward(v - 1 - chunks[i - ahead]);
  }
}

// 1F1B whose weight gradients lag behind by r micro-batches: each rank then holds p micro-batches
// at most, as rank 0 of 1F1B does, and the weight gradients left over fill the time at the end.
void ZbH1(PassList& passes, int p, int r, int m) {
  const int ahead = std::min(p - 1 - r, m);
  for (int i = 0; i < ahead; ++i) passes.Forward(0);
  for (int i = 0; i < m; ++i) {
    if (i < m - ahead) passes.Forward(0);
    passes.BackwardInput(0);
    if (i >= r) passes.BackwardWeight(0);
  }
  while (passes.owes_weight(0)) passes.BackwardWeight(0);
}

// The passes of Qi et al. 2023, section 6, for equal durations. With fewer than 2p − 1
// micro-batches the pipeline does not fill; the list for 2p − 1 is made, and PassList drops the
// missing ones.
void ZbV(PassList& passes, int p, int r, int m) {
  const int full = std::max(m, 2 * p - 1);
  const auto backward = [&](int chunk) {
    passes.BackwardInput(chunk);
    passes.BackwardWeight(chunk);
  };
  // Until the first micro-batch is back in chunk 1.
  const int ahead = 2 * (p - r) - 1;
  for (int i = 0; i < ahead; ++i) passes.Forward(0);
  for (int i = 0; i < r; ++i) {
    passes.Forward(1);
    passes.Forward(0);
  }
  // Chunk 1 both ways, until gradients reach chunk 0.
  for (int i = 0; i < p - r; ++i) {
    passes.Forward(1);
    backward(1);
  }
  for (int forward0 = ahead + r, forward1 = p; forward1 < full; ++forward1) {
    if (forward0 < full) {
      passes.Forward(0);
      ++forward0;
    }
    backward(0);
    passes.Forward(1);
    backward(1);
  }
  // Gradients first, for the ranks that wait for them; weight gradients fill the rest.
  for (int i = 0; i < r; ++i) {
    passes.BackwardInput(0);
    passes.BackwardInput(1);
  }
  for (int i = 0; i < p - r; ++i) {
    passes.BackwardInput(0);
    passes.BackwardWeight(0);
  }
  for (const int chunk : {1, 0})
    while (passes.owes_weight(chunk)) passes.BackwardWeight(chunk);
}

// DeepSeek-V3's DualPipe folded at its middle ("cut in half"): every rank holds both ends of the
// fold, so that chunk 0 plays one direction of DualPipe and chunk 1 the other. Needs 2p
// micro-batches to fill; fewer as in ZbV.
void DualPipeV(PassList& passes, int p, int r, int m) {
  const int full = std::max(m, 2 * p);
  const int behind = p - 1 - r;
  for (int i = 0; i < 2 * behind; ++i) passes.Forward(0);
  for (int i = 0; i <= r; ++i) {
    passes.Forward(0);
    passes.Forward(1);
  }
  for (int i = 0; i < behind; ++i) {
    passes.BackwardInput(1);
    passes.OldestBackwardWeight();
    passes.Forward(1);
  }
  for (int i = 0; i < full - 2 * p + r + 1; ++i) {
    if (i == 0 && behind == 0) {
      // The last rank's gradient is waited for by all others: nothing beside it.
      passes.Forward(0);
      passes.Backward(1);
    } else {
      passes.Overlap(0, 1);
    }
    passes.Overlap(1, 0);
  }
  for (int i = 0; i < behind; ++i) {
    passes.Backward(1);
    passes.Overlap(1, 0);
  }
  // The second half of these leaves its weight gradients for the end.
  for (int i = 0; i < 2 * (r + 1); ++i) {
    const int chunk = i % 2 == 0 ? 1 : 0;
    if (i <= r) {
      passes.Backward(chunk);
    } else {
      passes.BackwardInput(chunk);
    }
  }
  for (int i = 0; i < behind; ++i) {
    passes.OldestBackwardWeight();
    passes.BackwardInput(0);
  }
  while (passes.owes_weight(0) || passes.owes_weight(1)) passes.OldestBackwardWeight();
}

// ---- Sizes and layout.

bool IsV(ScheduleKind kind) {
  return kind == ScheduleKind::kZbV || kind == ScheduleKind::kDualPipeV;
}

void CheckSize(ScheduleKind kind, const ScheduleSize& size) {
  for (const auto& [name, value] : {std::pair{"ranks", size.num_ranks},
                                    {"chunks", size.num_chunks},
                                    {"micro-batches", size.num_micro_batches}}) {
    if (value < 1) {
      throw Error(Kind::kConfig,
                  StrCat("schedule ", Name(kind), ": ", value, " ", name, "; give at least 1"));
    }
  }
  if (kind == ScheduleKind::kInterleaved) return;
  const int chunks = IsV(kind) ? 2 : 1;
  if (size.num_chunks != chunks) {
    throw Error(Kind::kConfig, StrCat("schedule ", Name(kind), ": ", size.num_chunks,
                                      " chunks of each rank; it has ", chunks,
                                      IsV(kind) ? ": rank r holds stages r and 2p − 1 − r"
                                                : "; the interleaved schedule has any number"));
  }
}

int StageOf(ScheduleKind kind, const ScheduleSize& size, int rank, int chunk) {
  const bool backwards = IsV(kind) && chunk == 1;
  return chunk * size.num_ranks + (backwards ? size.num_ranks - 1 - rank : rank);
}

PassList ListOf(ScheduleKind kind, const ScheduleSize& size, int rank) {
  PassList passes(size.num_chunks, size.num_micro_batches);
  const int p = size.num_ranks;
  const int m = size.num_micro_batches;
  switch (kind) {
    case ScheduleKind::kGPipe:
      GPipe(passes, m);
      break;
    case ScheduleKind::kOneForwardOneBackward:
      OneForwardOneBackward(passes, p, rank, m);
      break;
    case ScheduleKind::kInterleaved:
      Interleaved(passes, p, rank, size.num_chunks, m);
      break;
    case ScheduleKind::kZbH1:
      ZbH1(passes, p, rank, m);
      break;
    case ScheduleKind::kZbV:
      ZbV(passes, p, rank, m);
      break;
    case ScheduleKind::kDualPipeV:
      DualPipeV(passes, p, rank, m);
      break;
  }
  return passes;
}

}  // namespace

std::string_view Name(ScheduleKind kind) {
  constexpr std::array<std::string_view, 6> kNames = {"gpipe", "1f1b", "interleaved",
                                                      "zb-h1", "zbv",  "dualpipev"};
  return kNames[static_cast<size_t>(kind)];
}

Schedule MakeSchedule(ScheduleKind kind, const ScheduleSize& size) {
  CheckSize(kind, size);
  Schedule schedule;
  schedule.size = size;
  for (int rank = 0; rank < size.num_ranks; ++rank) {
    schedule.actions.push_back(ListOf(kind, size, rank).Take());
    std::vector<int>& stages = schedule.stage_of.emplace_back();
    for (int chunk = 0; chunk < size.num_chunks; ++chunk)
      stages.push_back(StageOf(kind, size, rank, chunk));
  }
  AddReductions(schedule);
  AddTransfers(schedule);
  return schedule;
}

}  // namespace cadmus
