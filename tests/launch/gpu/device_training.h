// SPDX-License-Identifier: Apache-2.0
// A recipe trained by one rank on the device under test, or on the CPU that it is held against.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/device/device.h"
#include "runtime/data/indexed_dataset.h"

namespace cadmus {

class RunConfig;

// The quickstart's run on one rank, with the vocabulary that its tokenizer gives it.
RunConfig QuickstartRun();

// GPT-2 of 124 million parameters on one rank, in bf16, with few enough samples for a test. The
// CPU, where only the test itself is tested, has two of its blocks, and fewer words and tokens.
RunConfig Gpt2Run();

// The steps [first, end) of a run.
struct Stretch {
  int first = 0, end = 0;
};

struct Trained {
  std::vector<double> losses, gradient_norms;  // of each step
  MemoryStats memory;
  std::optional<GpuMemory> gpu_memory;  // with the device still open
};

// Trains a stretch on a device of its own, of the config's slab. With a folder, goes on from the
// checkpoint there of the steps before `first`, and saves one behind the last.
Trained Train(const RunConfig& config, DeviceKind device,
              const std::shared_ptr<const IndexedDataset>& data, const Stretch& stretch,
              const std::filesystem::path& checkpoints = {});

}  // namespace cadmus
