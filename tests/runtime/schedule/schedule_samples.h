// SPDX-License-Identifier: Apache-2.0
// Sizes of built-in schedules for tests to walk through.
#pragma once

#include <vector>

#include "runtime/schedule/schedules.h"

namespace cadmus {

inline constexpr ScheduleKind kAllKinds[] = {
    ScheduleKind::kGPipe,       ScheduleKind::kOneForwardOneBackward,
    ScheduleKind::kInterleaved, ScheduleKind::kZbH1,
    ScheduleKind::kZbV,         ScheduleKind::kDualPipeV};

// The numbers of chunks that a kind has.
inline std::vector<int> ChunksOf(ScheduleKind kind) {
  if (kind == ScheduleKind::kInterleaved) return {1, 2, 3, 4};
  return {kind == ScheduleKind::kZbV || kind == ScheduleKind::kDualPipeV ? 2 : 1};
}

struct ScheduleSample {
  ScheduleKind kind;
  ScheduleSize size;
};

// All kinds and their chunks with the given ranks and micro-batches.
inline std::vector<ScheduleSample> Samples(const std::vector<int>& ranks,
                                           const std::vector<int>& micro_batches) {
  std::vector<ScheduleSample> samples;
  for (const ScheduleKind kind : kAllKinds)
    for (const int chunks : ChunksOf(kind))
      for (const int p : ranks)
        for (const int m : micro_batches) samples.push_back({kind, {p, chunks, m}});
  return samples;
}

inline std::string ToString(const ScheduleSample& sample) {
  return std::string(Name(sample.kind)) + ", " + std::to_string(sample.size.num_ranks) +
         " ranks, " + std::to_string(sample.size.num_chunks) + " chunks, " +
         std::to_string(sample.size.num_micro_batches) + " micro-batches";
}

}  // namespace cadmus
