// SPDX-License-Identifier: Apache-2.0
// JudgeRanks: whether the processes of a run fit together, and what is wrong with any of them.
#pragma once

#include <string>
#include <vector>

#include "launch/bench/finding.h"
#include "launch/bench/machine_facts.h"

namespace cadmus {

// What one rank says of itself to rank 0.
struct RankReport {
  // What must be the same on every rank, and how bad it is if it is not.
  struct Trait {
    std::string name, value;
    Verdict if_different = Verdict::kWarn;
  };

  int rank = 0;
  std::string host;
  std::vector<Trait> traits;                     // the same names in the same order on every rank
  std::vector<int> usable_cores, allowed_cores;  // as HostFacts
  std::string gpu;                               // uuid of the one that it takes; empty: none
  std::vector<Finding> problems;                 // of JudgeMachine, what is not ok
  // Of its clock against rank 0's, and how far that may be wrong.
  double clock_offset_seconds = 0, clock_error_seconds = 0;
};

// But for the clock, which takes rank 0 to measure.
RankReport MakeReport(const MachineFacts& facts, const std::vector<Finding>& findings);

// `reports` are of all ranks, in order. What JudgeMachine found wrong on rank 0 is not repeated.
std::vector<Finding> JudgeRanks(const std::vector<RankReport>& reports);

}  // namespace cadmus
