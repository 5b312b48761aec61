// SPDX-License-Identifier: Apache-2.0
// checkpoint.start_from: a new run whose first weights are those of another run.
#pragma once

#include <cstdint>
#include <string>

namespace cadmus {

class RunConfig;
class TrainingJob;

// Where the config says what to start from: gives it that model if it names none, and that
// vocabulary if it leaves it open; a run that goes on takes them from itself. Throws kCheckpoint
// where there is no model to start from.
void AdoptModel(RunConfig& config);

// Fills the weights of a job, in any layout; each rank reads only what it holds. Throws kConfig,
// naming each field, for another model, kData if the data was made by another tokenizer,
// kCheckpoint as LoadCheckpoint does. Returns what was read, in words.
std::string LoadStart(const RunConfig& config, const std::string& tokenizer_hash, TrainingJob& job);

// Keeps the published files of the model that the run starts from, if there are any.
void KeepStartFiles(const RunConfig& config);

}  // namespace cadmus
