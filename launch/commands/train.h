// SPDX-License-Identifier: Apache-2.0
// `cadmus train`: alone, under mpirun, under srun, or with all ranks as threads of one process.
#pragma once

#include <string>
#include <vector>

namespace cadmus {

struct TrainFlags {
  std::string config_file;
  std::vector<std::string> overrides;  // "optimizer.lr=3e-4"
  bool check_only = false;
  int ranks_as_threads = 0;  // 0: the ranks are the processes that the launcher has started
};

// 0 when all steps are done, 75 when it was asked to stop before and has saved. Throws kConfig for
// ranks as threads of more than one process.
int RunTrain(const TrainFlags& flags);

}  // namespace cadmus
