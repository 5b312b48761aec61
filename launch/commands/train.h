// SPDX-License-Identifier: Apache-2.0
// `cadmus train`: alone, under mpirun, or under srun.
#pragma once

#include <string>
#include <vector>

namespace cadmus {

struct TrainFlags {
  std::string config_file;
  std::vector<std::string> overrides;  // "optimizer.lr=3e-4"
  bool check_only = false;
};

// 0 when all steps are done, 75 when it was asked to stop before and has saved.
int RunTrain(const TrainFlags& flags);

}  // namespace cadmus
