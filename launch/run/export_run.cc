// SPDX-License-Identifier: Apache-2.0
#include "launch/run/export_run.h"

#include <memory>

#include "kernels/base/file.h"
#include "launch/config/parse_text.h"
#include "launch/config/run_config.pb.h"
#include "launch/run/find_checkpoint.h"
#include "launch/run/published_files.h"
#include "launch/run/run_folder.h"
#include "models/families.h"
#include "models/hugging_face/config_json_writer.h"
#include "models/interop/export_model.h"
#include "models/interop/new_folder.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/text/tokenizer.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

// The name under which other programs look for a tokenizer of this format.
const char* TokenizerName(const fs::path& file, const std::string& content) {
  if (content.find_first_not_of(" \t\r\n") == content.find('{')) return "tokenizer.json";
  if (content.starts_with('\x0A')) return "tokenizer.model";
  throw Error(Kind::kData, StrCat(file.string(),
                                  " holds tiktoken ranks, for which folders of Hugging Face have "
                                  "no file; put the model's tokenizer.json in its place and train "
                                  "with it"));
}

struct RunTokenizer {
  std::string content;
  std::string name;                            // of the file
  std::unique_ptr<const Tokenizer> tokenizer;  // null: the run has none
};

RunTokenizer ReadTokenizer(const FoundCheckpoint& found, const CheckpointInfo& info) {
  RunTokenizer tokenizer;
  if (!fs::exists(found.tokenizer)) return tokenizer;
  tokenizer.content = ReadFile(found.tokenizer, Kind::kData);
  tokenizer.name = TokenizerName(found.tokenizer, tokenizer.content);
  tokenizer.tokenizer = LoadTokenizerOf(found, info.tokenizer_hash);
  return tokenizer;
}

void WriteJson(const fs::path& path, const ConfigJsonWriter& json) {
  ReplaceFile(path, json.Text(), Kind::kCheckpoint);
}

void WriteTokenizer(const fs::path& folder, const RunTokenizer& run, int64_t max_positions) {
  ReplaceFile(folder / run.name, run.content, Kind::kCheckpoint);
  if (fs::exists(folder / "tokenizer_config.json")) return;  // the published one
  ConfigJsonWriter json;
  json.Set("tokenizer_class",
           run.name == "tokenizer.json" ? "PreTrainedTokenizerFast" : "LlamaTokenizer");
  json.Set("model_max_length", max_positions);
  if (const auto end = run.tokenizer->end_of_text()) {
    json.Set("eos_token", run.tokenizer->Decode({&*end, 1}));
  }
  WriteJson(folder / "tokenizer_config.json", json);
}

}  // namespace

std::string ExportRun(const ExportRunRequest& request) {
  const FoundCheckpoint found = FindCheckpoint(request.run);
  const CheckpointInfo info = ReadManifest(found.checkpoint).info;
  RunConfig config;
  ParseText((found.checkpoint / "config").string(), info.config_text, config);
  ConfigJsonWriter json;
  WriteConfigFields(config.model(), request.dtype, json);
  const RunTokenizer tokenizer = ReadTokenizer(found, info);
  ConfigValue end_of_text = nullptr;
  if (tokenizer.tokenizer != nullptr && tokenizer.tokenizer->end_of_text()) {
    end_of_text = int64_t{*tokenizer.tokenizer->end_of_text()};
  }
  json.Set("bos_token_id", nullptr);
  json.Set("eos_token_id", end_of_text);

  NewFolder folder(request.folder);
  const int64_t total_bytes = ExportedBytes(config.model(), request.dtype);
  const ExportReport report =
      ExportWeights({.checkpoint = found.checkpoint,
                     .config = config.model(),
                     .dtype = request.dtype,
                     .max_shard_bytes = request.max_shard_bytes,
                     .folder = folder.unfinished(),
                     .progress = [&](int64_t bytes) { request.progress(bytes, total_bytes); }});
  const RunFolder run(found.tokenizer.parent_path());
  const std::string published = RestorePublishedFiles(run.published(), folder.unfinished());
  if (!published.empty()) {
    json.TakeFrom(published, {"bos_token_id", "eos_token_id", "pad_token_id"});
  }
  WriteJson(folder.unfinished() / "config.json", json);
  if (!fs::exists(folder.unfinished() / "generation_config.json")) {
    ConfigJsonWriter generation;
    generation.Set("eos_token_id", end_of_text);
    WriteJson(folder.unfinished() / "generation_config.json", generation);
  }
  if (tokenizer.tokenizer != nullptr) {
    WriteTokenizer(folder.unfinished(), tokenizer, MakeShape(config.model()).max_positions);
  }
  folder.Commit();
  return StrCat(report.num_tensors, " tensors, ", report.bytes, " bytes, in ", report.num_files,
                report.num_files == 1 ? " file" : " files",
                tokenizer.tokenizer == nullptr ? "; the run has no tokenizer" : "");
}

}  // namespace cadmus
