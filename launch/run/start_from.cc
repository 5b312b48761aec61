// SPDX-License-Identifier: Apache-2.0
#include "launch/run/start_from.h"

#include <filesystem>
#include <unordered_set>

#include "kernels/base/error.h"
#include "kernels/base/quantity.h"
#include "launch/config/load_config.h"
#include "launch/config/parse_text.h"
#include "launch/config/run_config.pb.h"
#include "launch/run/find_checkpoint.h"
#include "launch/run/published_files.h"
#include "launch/run/run_folder.h"
#include "launch/run/training_job.h"
#include "models/families.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/checkpoint/manifest.h"

namespace cadmus {
namespace {

RunFolder FolderOf(const RunConfig& config) {
  return RunFolder(std::filesystem::path(config.output_dir()) / config.name());
}

RunConfig StoredConfig(const std::filesystem::path& checkpoint) {
  RunConfig config;
  ParseText((checkpoint / "config").string(), ReadManifest(checkpoint).info.config_text, config);
  return config;
}

template <class Value>
std::string Shown(const Value& value) {
  return StrCat(value);
}
std::string Shown(bool value) { return value ? "true" : "false"; }

// What decides how a model computes: all but how it is trained and first filled.
std::string Differences(const DecoderShape& start, const DecoderShape& run) {
  if (std::string_view(start.family) != run.family) {
    return StrCat("\n  the family: ", start.family, " there, ", run.family, " here");
  }
  std::string text;
  const auto compare = [&](const char* field, const auto& there, const auto& here) {
    if (there == here) return;
    text += StrCat("\n  model.", run.family, ".", field, ": ", Shown(there), " there, ",
                   Shown(here), " here");
  };
  compare("vocab_size", start.vocab_size, run.vocab_size);
  compare("hidden_size", start.hidden_size, run.hidden_size);
  compare("intermediate_size", start.intermediate_size, run.intermediate_size);
  compare("num_hidden_layers", start.num_layers, run.num_layers);
  compare("num_attention_heads", start.num_heads, run.num_heads);
  compare("num_key_value_heads", start.num_kv_heads, run.num_kv_heads);
  compare("head_dim", start.head_dim, run.head_dim);
  compare("max_position_embeddings", start.max_positions, run.max_positions);
  compare("rope_theta", start.rope_theta, run.rope_theta);
  compare(run.norm == NormKind::kLayer ? "layer_norm_epsilon" : "rms_norm_eps", start.norm_epsilon,
          run.norm_epsilon);
  compare("tie_word_embeddings", start.tied_embeddings, run.tied_embeddings);
  compare("sliding_window", start.window, run.window);
  compare("qk_norm", start.qk_norm, run.qk_norm);
  compare("qkv_bias", start.qkv_bias, run.qkv_bias);
  compare("rope_scaling is set", start.rope_scaling.has_value(), run.rope_scaling.has_value());
  if (start.rope_scaling && run.rope_scaling) {
    const RopeScaling& there = *start.rope_scaling;
    const RopeScaling& here = *run.rope_scaling;
    compare("rope_scaling.factor", there.factor, here.factor);
    compare("rope_scaling.low_freq_factor", there.low_freq_factor, here.low_freq_factor);
    compare("rope_scaling.high_freq_factor", there.high_freq_factor, here.high_freq_factor);
    compare("rope_scaling.original_max_position_embeddings", there.original_max_position_embeddings,
            here.original_max_position_embeddings);
  }
  return text;
}

// The weights, and their masters where they have some, but not the moments.
std::vector<StateEntry> WeightsOf(TrainingJob& job) {
  std::unordered_set<std::string> names;
  for (const StateEntry& entry : job.data_parallel().StateEntries()) names.insert(entry.name);
  std::vector<StateEntry> weights = job.StateEntries();
  std::erase_if(weights, [&](const StateEntry& entry) { return !names.contains(entry.name); });
  return weights;
}

}  // namespace

void AdoptModel(RunConfig& config) {
  const std::string& start = config.checkpoint().start_from();
  const bool has_model = config.model().ByteSizeLong() > 0;
  if (start.empty() || (has_model && VocabSize(config.model()))) return;
  const RunFolder own = FolderOf(config);
  RunConfig source;
  if (FindLatestCheckpoint(own.checkpoints())) {
    LoadConfig(own.config(), {}, source);
  } else {
    source = StoredConfig(FindCheckpoint(start).checkpoint);
  }
  if (!has_model) {
    *config.mutable_model() = source.model();
  } else if (const auto vocab_size = VocabSize(source.model())) {
    SetVocabSize(*config.mutable_model(), *vocab_size);
  }
}

std::string LoadStart(const RunConfig& config, const std::string& tokenizer_hash,
                      TrainingJob& job) {
  const std::filesystem::path checkpoint =
      FindCheckpoint(config.checkpoint().start_from()).checkpoint;
  const CheckpointInfo info = ReadManifest(checkpoint).info;
  const std::string differences =
      Differences(MakeShape(StoredConfig(checkpoint).model()), MakeShape(config.model()));
  if (!differences.empty()) {
    throw Error(Kind::kConfig,
                StrCat("checkpoint.start_from = ", config.checkpoint().start_from(),
                       " holds another model than this run's:", differences,
                       "\nleave model out of the config, or make these fields the same"));
  }
  if (!info.tokenizer_hash.empty() && !tokenizer_hash.empty() &&
      info.tokenizer_hash != tokenizer_hash) {
    throw Error(Kind::kData,
                StrCat("the data was made by another tokenizer than that of ", checkpoint.string(),
                       "; build it with the tokenizer.json of that run"));
  }
  const std::vector<StateEntry> weights = WeightsOf(job);
  const int64_t bytes = LoadCheckpoint(checkpoint, weights, job.compute());
  return StrCat("starting from ", checkpoint.string(), ": this rank read ", BytesText(bytes));
}

void KeepStartFiles(const RunConfig& config) {
  const FoundCheckpoint found = FindCheckpoint(config.checkpoint().start_from());
  KeepPublishedFiles(RunFolder(found.tokenizer.parent_path()).published(),
                     FolderOf(config).published());
}

}  // namespace cadmus
