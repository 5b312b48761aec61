// SPDX-License-Identifier: Apache-2.0
// OpenTrainingData: the data sets of a run, held against its tokenizer, their sidecars and the
// model; OpenValidationData: those of an evaluation.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/data/data_mix.h"
#include "runtime/data/validation_windows.h"

namespace cadmus {

class RunConfig;
class Tokenizer;

struct TrainingData {
  DataMix training;
  DataMix validation;               // empty: nothing is held out
  std::filesystem::path tokenizer;  // empty: none was given
  std::string tokenizer_hash;       // empty: unknown
  // Of text, for each token; empty where no tokenizer was given.
  std::vector<int32_t> bytes_of_token;

  // Copies the tokenizer into the run, so that `cadmus generate` needs nothing else.
  void KeepTokenizer(const std::filesystem::path& destination) const;
};

// Also fills model.llama.vocab_size from the data sets where the config leaves it open. A Megatron
// data set is held to the tokenizer by the hash in its sidecar; token files of llm.c have none, so
// it is the tokenizer's separating token that must be theirs, and each token is held to the model's
// vocabulary as it is read. Throws kData for a missing, damaged or empty data set, for one shorter
// than a sample, for one that another tokenizer made, and for a vocabulary larger than the model's;
// kConfig for fields that contradict each other and where the vocabulary is given nowhere.
TrainingData OpenTrainingData(RunConfig& config);

// What a trained model is evaluated on: the data set `path`, whole, or, where it is empty, what the
// run held out. `tokenizer` is the run's, null where it has none. Throws as OpenTrainingData does,
// and kConfig where there is neither.
DataMix OpenValidationData(const RunConfig& config, const std::string& path,
                           const Tokenizer* tokenizer);

// How the run's model sees held-out tokens; at most `max_windows` of them, all where that is 0.
ValidationOptions MakeValidationOptions(const RunConfig& config, int64_t max_windows);

}  // namespace cadmus
