// SPDX-License-Identifier: Apache-2.0
// `cadmus ckpt inspect|diff`: what a checkpoint holds, and what is different between two.
#pragma once

#include <string>

namespace cadmus {

struct CheckpointInspectFlags {
  std::string folder;      // of a run (its newest checkpoint) or of a checkpoint
  bool checksums = false;  // read every byte
  bool json = false;       // to stdout, in place of the text on stderr
};
// 4, behind the output, if a tensor cannot be read.
int RunCheckpointInspect(const CheckpointInspectFlags& flags);

struct CheckpointDiffFlags {
  std::string first, second;
  bool json = false;
};
// 0 if both hold the same tensors bit for bit, else 4.
int RunCheckpointDiff(const CheckpointDiffFlags& flags);

}  // namespace cadmus
