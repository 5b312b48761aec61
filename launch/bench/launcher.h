// SPDX-License-Identifier: Apache-2.0
// Launch: what started this process, as its environment says, and whether MPI has found the peers
// that were started with it.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace cadmus {

enum class Launcher {
  kNone,
  kMpirun,  // Open MPI's
  kSrun,    // a step of Slurm
  kOther,   // that speaks PMI: the mpirun of another MPI
};

struct Launch {
  Launcher launcher = Launcher::kNone;
  int num_tasks = 1;      // that it has started
  int num_job_tasks = 1;  // of the Slurm job around it
  bool is_first_task = true;
  bool has_interface = false;  // a PMI is offered, by which MPI can find the other tasks
};

// The value of an environment variable, if it is set.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> ProcessEnvironment(const char* name);

// To be called before MPI starts, which sets variables of its own.
Launch DetectLaunch(const Environment& environment);

// "mpirun", "srun", "none", …
std::string LauncherName(Launcher launcher);

// What to say before MPI starts, since it may end the program: srun's tasks that seem to have no
// interface. Empty for all others, and for all tasks but the first.
std::string LaunchWarning(const Launch& launch);

struct FoundRanks {
  int num_ranks = 1;  // as MPI says
  bool ranks_are_threads = false;
};

// Why these processes are not the ranks that were meant, with the remedy; empty if they are:
// several tasks were started, but MPI sees one in each. Every task would train alone, all of them
// into the same folder.
std::string LaunchProblem(const Launch& launch, const FoundRanks& found);

}  // namespace cadmus
