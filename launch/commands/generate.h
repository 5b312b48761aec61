// SPDX-License-Identifier: Apache-2.0
// `cadmus generate`: continues a prompt; the text goes to stdout as it is made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/generate/sampler.h"

namespace cadmus {

struct GenerateFlags {
  std::string run;  // folder of a run, or of one of its checkpoints
  std::string prompt;
  int64_t max_tokens = 100;
  SamplerOptions sampling;
  std::vector<std::string> overrides;  // "device.kind=CPU"
};

// On the device that the run was trained on, unless overrides say otherwise. Throws kConfig for
// overrides of anything but the device, and as the parts do.
int RunGenerate(const GenerateFlags& flags);

}  // namespace cadmus
