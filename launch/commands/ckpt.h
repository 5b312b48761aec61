// SPDX-License-Identifier: Apache-2.0
// `cadmus ckpt`: what checkpoints there are, and whether they are whole.
#pragma once

#include <string>

namespace cadmus {

struct CheckpointFlags {
  std::string folder;
};
int RunCheckpointList(const CheckpointFlags& flags);
// 0 if every byte is as it was written, 4 with the damage named otherwise.
int RunCheckpointVerify(const CheckpointFlags& flags);

}  // namespace cadmus
