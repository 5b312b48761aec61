// SPDX-License-Identifier: Apache-2.0
// OpenTrainingData: the data set of a run, held against its tokenizer, its sidecar and the model.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "runtime/data/indexed_dataset.h"

namespace cadmus {

class RunConfig;

struct TrainingData {
  std::shared_ptr<const IndexedDataset> tokens;  // shared with the loader's thread
  std::filesystem::path tokenizer;               // empty: none was given
  std::string tokenizer_hash;                    // empty: unknown

  // Copies the tokenizer into the run, so that `cadmus generate` needs nothing else.
  void KeepTokenizer(const std::filesystem::path& destination) const;
};

// Also fills model.llama.vocab_size from the data set where the config leaves it open. Throws kData
// for a missing, damaged or empty data set, for one shorter than a sample, for one that another
// tokenizer made, and for a vocabulary larger than the model's; kConfig where the vocabulary is
// given nowhere.
TrainingData OpenTrainingData(RunConfig& config);

}  // namespace cadmus
