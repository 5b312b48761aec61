// SPDX-License-Identifier: Apache-2.0
// `cadmus plan`: what a run will need, without starting it.
#pragma once

#include <string>
#include <vector>

namespace cadmus {

struct PlanFlags {
  std::string config_file;
  std::vector<std::string> overrides;
  int world_size = 0;  // 0: what the config's axes multiply to
  bool json = false;   // to stdout, in place of the text on stderr
};

// Throws kOutOfMemory, behind the output, where the run does not fit into device.memory_gib.
int PrintPlan(const PlanFlags& flags);

struct VerifyScheduleFlags {
  std::string schedule_file;
  std::string svg;  // a picture to write; empty: none
};

// Says of a schedule that somebody wrote what it costs. Throws kConfig, with every rule that it
// breaks, for one that is no training step; then nothing is written.
int VerifySchedule(const VerifyScheduleFlags& flags);

}  // namespace cadmus
