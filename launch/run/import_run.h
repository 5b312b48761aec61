// SPDX-License-Identifier: Apache-2.0
// ImportRun: a folder of Hugging Face as the folder of a run that has not taken a step yet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace cadmus {

struct ImportRequest {
  std::filesystem::path source;
  std::filesystem::path run;                // to be made; its last part is the run's name
  std::vector<std::string> ignored_fields;  // of config.json, taken as absent
  // Is told how many bytes of how many are written.
  std::function<void(int64_t bytes, int64_t total_bytes)> progress;
};

// Makes config.textproto, tokenizer.json and checkpoints/step-00000000 with weights only; all of it
// or nothing. Returns what was read, in words. Throws kConfig if `run` exists or is no name for a
// run; as HuggingFaceFolder and LoadTokenizer do; and kData for a tokenizer with more tokens than
// the model.
std::string ImportRun(const ImportRequest& request);

}  // namespace cadmus
