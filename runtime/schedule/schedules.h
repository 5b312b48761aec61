// SPDX-License-Identifier: Apache-2.0
// The built-in schedules: a pure function from a kind and its sizes to the actions of all ranks.
//
// With p ranks, v chunks of each rank, m micro-batches, and t_F, t_B, t_W the durations of a
// forward, an input-backward and a weight-backward pass of one chunk, a step takes
// m·v·(t_F + t_B + t_W) + bubble:
//
//   kind         bubble                  where
//   GPipe        (p−1)(t_F+t_B+t_W)      always; Huang et al. 2018, arXiv:1811.06965
//   1F1B         (p−1)(t_F+t_B+t_W)      always; Narayanan et al. 2021, arXiv:2104.04473
//   interleaved  (p−1)(t_F+t_B+t_W)      m ≥ p; ditto, section 2.2: a v-th of 1F1B's, where one
//                                        chunk is the whole of a rank's layers
//   ZB-H1        (p−1)(t_F+t_B−t_W)      m ≥ p, t_W ≤ t_F, t_W ≤ t_B; Qi et al. 2023,
//                                        arXiv:2401.10241, section 2.3
//   ZBV          p−1 times t_F, all of   m ≥ 2p−1, t_F = t_B = t_W; Qi et al. 2023, section 6, and
//                it before a rank's      2024, arXiv:2405.15362. Their zero: from a rank's first
//                first or behind its     pass to its last. The list is the one for equal times; for
//                last pass               others see what SimulateTimes finds.
//   DualPipeV    (p−1)(t_F&B+t_B−2·t_W)  m ≥ 2p, t_F = t_B ≥ t_W (less for t_F < t_B); DeepSeek-AI
//                                        2024, arXiv:2412.19437: (PP/2−1)(F&B + B − 3W), where
//                                        PP = 2p, B = t_B + t_W and t_F&B is that of an overlap
#pragma once

#include <string_view>
#include <vector>

#include "runtime/schedule/schedule.h"

namespace cadmus {

enum class ScheduleKind {
  kGPipe,                  // all forward passes, then all backward passes
  kOneForwardOneBackward,  // as many forward passes ahead as stages follow
  kInterleaved,            // 1F1B over num_chunks stages per rank
  kZbH1,                   // 1F1B whose weight-backward passes fill what would be idle time
  kZbV,                    // zero bubble with two chunks per rank
  kDualPipeV,              // two chunks per rank; forward of one beside backward of the other
};

// "gpipe", "1f1b", "interleaved", "zb-h1", "zbv", "dualpipev"
std::string_view Name(ScheduleKind kind);

// The whole step of every rank: passes, transfers, reductions and optimizer. Each chunk's forward
// passes and its weight gradients come in ascending order of micro-batches in all kinds, which
// makes them bit-equal. Any number of micro-batches is allowed: a kind that works in rounds makes
// the passes of a full last round and leaves out the micro-batches that do not exist.
// Throws kConfig for sizes below 1 and for a number of chunks that the kind does not have
// (kInterleaved any; kZbV and kDualPipeV 2; the others 1).
Schedule MakeSchedule(ScheduleKind kind, const ScheduleSize& size);

}  // namespace cadmus
