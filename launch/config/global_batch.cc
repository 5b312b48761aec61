// SPDX-License-Identifier: Apache-2.0
#include "launch/config/global_batch.h"

#include "kernels/base/error.h"
#include "launch/config/run_config.pb.h"
#include "runtime/mesh/make_mesh.h"

namespace cadmus {

void ResolveGlobalBatch(int world_size, RunConfig& config) {
  TrainConfig& train = *config.mutable_train();
  const int64_t tokens = train.global_batch_tokens();
  if (tokens == 0) {
    train.clear_global_batch_tokens();
    return;
  }
  if (train.global_batch_size() != 0) {
    throw Error(Kind::kConfig, StrCat("train.global_batch_size = ", train.global_batch_size(),
                                      " and train.global_batch_tokens = ", tokens,
                                      " are both set; keep one, and set the other to 0"));
  }
  // What is wrong with these, and with the axes, ValidateRun says.
  const int64_t length = config.data().sequence_length(), rows = train.micro_batch_size();
  if (length < 1 || rows < 1) return;
  const AxisSizes asked = MakeAxisSizes(config.parallel());
  int64_t ranks = 1;
  if (AxisSizesProblem(asked, world_size).empty()) {
    const AxisSizes sizes = FillWorld(asked, world_size);
    ranks = int64_t{sizes.dp_replicate} * sizes.dp_shard;
  }
  const int64_t unit = length * rows * ranks;
  if (tokens < 0 || tokens % unit != 0) {
    const int64_t below = tokens < 0 ? 0 : tokens / unit * unit;
    throw Error(Kind::kConfig,
                StrCat("train.global_batch_tokens = ", tokens, " is not a multiple of ", unit,
                       " = sequence_length × micro_batch_size × data-parallel ranks = ", length,
                       " × ", rows, " × ", ranks, "; the nearest that are: ",
                       below > 0 ? StrCat(below, " or ") : "", below + unit));
  }
  train.set_global_batch_size(tokens / length);
  train.clear_global_batch_tokens();
}

}  // namespace cadmus
