// SPDX-License-Identifier: Apache-2.0
// `cadmus eval`: how well a trained model predicts held-out text; alone, under mpirun, under srun,
// or with all ranks as threads of one process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cadmus {

struct EvalFlags {
  std::string run;                     // folder of a run, or of one of its checkpoints
  std::string data;                    // a data set; empty: what the run held out
  int64_t num_batches = 0;             // of the run's global_batch_size windows; 0: all
  std::vector<std::string> overrides;  // "parallel.tp=2"
  int ranks_as_threads = 0;            // see TrainFlags
  bool json = false;                   // one object on stdout, in place of text on stderr
};

// Throws kConfig for overrides of what the model was trained with, and as the parts do.
int RunEval(const EvalFlags& flags);

}  // namespace cadmus
