// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/launcher.h"

#include <charconv>
#include <cstdlib>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// The number that a variable holds; nothing if it is not set or holds no number.
std::optional<int> NumberIn(const Environment& environment, const char* name) {
  const std::optional<std::string> text = environment(name);
  if (!text) return std::nullopt;
  int number = 0;
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (code != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<std::string> ProcessEnvironment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

Launch DetectLaunch(const Environment& environment) {
  Launch launch;
  launch.num_job_tasks = NumberIn(environment, "SLURM_NTASKS").value_or(1);
  // Innermost first: mpirun may run inside a step of Slurm.
  if (const auto tasks = NumberIn(environment, "OMPI_COMM_WORLD_SIZE")) {
    launch.launcher = Launcher::kMpirun;
    launch.num_tasks = *tasks;
  } else if (const auto step_tasks = NumberIn(environment, "SLURM_STEP_NUM_TASKS")) {
    launch.launcher = Launcher::kSrun;
    launch.num_tasks = *step_tasks;
    launch.is_first_task = NumberIn(environment, "SLURM_PROCID").value_or(0) == 0;
  } else if (const auto pmi_tasks = NumberIn(environment, "PMI_SIZE")) {
    launch.launcher = Launcher::kOther;
    launch.num_tasks = *pmi_tasks;
  }
  for (const char* name : {"PMIX_NAMESPACE", "PMI_FD", "PMI_RANK", "OMPI_COMM_WORLD_SIZE"}) {
    launch.has_interface |= environment(name).has_value();
  }
  return launch;
}

std::string LauncherName(Launcher launcher) {
  switch (launcher) {
    case Launcher::kNone:
      return "none";
    case Launcher::kMpirun:
      return "mpirun";
    case Launcher::kSrun:
      return "srun";
    case Launcher::kOther:
      return "another MPI's mpirun";
  }
  CADMUS_UNREACHABLE("every launcher is named above");
}

std::string LaunchWarning(const Launch& launch) {
  if (launch.launcher != Launcher::kSrun || launch.num_tasks == 1 || launch.has_interface ||
      !launch.is_first_task) {
    return "";
  }
  return StrCat("srun has started ", launch.num_tasks,
                " tasks, apparently without an interface by which MPI finds the others; if it does "
                "not start: see `srun --mpi=list`, then start with `srun --mpi=pmix …`");
}

std::string LaunchProblem(const Launch& launch, const FoundRanks& found) {
  if (found.num_ranks > 1) return "";
  if (launch.num_tasks > 1) {
    const std::string what = StrCat(LauncherName(launch.launcher), " has started ",
                                    launch.num_tasks, " tasks, but MPI sees one in each: ");
    switch (launch.launcher) {
      case Launcher::kSrun:
        return StrCat(what,
                      "srun did not offer them an interface (PMI) that this MPI speaks; see "
                      "`srun --mpi=list`, then start with `srun --mpi=pmix …`");
      case Launcher::kMpirun:
      case Launcher::kOther:
        return StrCat(what,
                      "it belongs to another MPI than this program; start with the mpirun of the "
                      "library that `cadmus bench --level 0` names");
      case Launcher::kNone:
        break;
    }
  }
  if (launch.launcher == Launcher::kNone && launch.num_job_tasks > 1 && !found.ranks_are_threads) {
    return StrCat("the Slurm job has ", launch.num_job_tasks,
                  " tasks, but this is one process that no launcher has started; start with `srun "
                  "--mpi=pmix …` (`srun --mpi=list` shows what there is), with mpirun, or with "
                  "--ranks-as-threads");
  }
  return "";
}

}  // namespace cadmus
