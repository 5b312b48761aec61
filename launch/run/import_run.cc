// SPDX-License-Identifier: Apache-2.0
#include "launch/run/import_run.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <memory>

#include "kernels/base/file.h"
#include "kernels/base/log.h"
#include "launch/config/config_to_text.h"
#include "launch/config/run_config.pb.h"
#include "launch/run/published_files.h"
#include "launch/run/run_folder.h"
#include "models/interop/hugging_face_folder.h"
#include "models/interop/import_weights.h"
#include "models/interop/new_folder.h"
#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/text/load_tokenizer.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

struct FoundTokenizer {
  fs::path file;
  std::unique_ptr<const Tokenizer> tokenizer;
};

// Models with a SentencePiece tokenizer often carry it in two formats, of which the original is
// read.
FoundTokenizer FindTokenizer(const fs::path& folder) {
  const fs::path json = folder / "tokenizer.json";
  const fs::path sentence_piece = folder / "tokenizer.model";
  if (!fs::exists(json) && !fs::exists(sentence_piece)) {
    throw Error(Kind::kData, StrCat(folder.string(),
                                    ": this folder has no tokenizer.json and no tokenizer.model; "
                                    "add the model's"));
  }
  if (!fs::exists(json)) return {sentence_piece, LoadTokenizer(sentence_piece)};
  if (!fs::exists(sentence_piece)) return {json, LoadTokenizer(json)};
  try {
    return {json, LoadTokenizer(json)};
  } catch (const Error& error) {
    LogInfo(StrCat("tokenizer.model is taken: ", error.message()));
    return {sentence_piece, LoadTokenizer(sentence_piece)};
  }
}

std::string NameOf(const fs::path& run) {
  const fs::path normal = run.lexically_normal();
  const std::string name =
      (normal.has_filename() ? normal : normal.parent_path()).filename().string();
  const bool is_name = name != "." && name != ".." && !name.empty() &&
                       std::ranges::all_of(name, [](unsigned char c) {
                         return std::isalnum(c) || c == '-' || c == '_' || c == '.';
                       });
  if (is_name) return name;
  throw Error(Kind::kConfig, StrCat("--out ", run.string(), ": \"", name,
                                    "\" names the run; use letters, digits, '-', '_' and '.'"));
}

// Memory with which the model can be generated from: its weights, and what that needs beside them.
double MemoryGib(int64_t weight_bytes) {
  constexpr double kGib = 1 << 30;
  return std::max(4.0, std::ceil(1.1 * static_cast<double>(weight_bytes) / kGib + 2));
}

}  // namespace

std::string ImportRun(const ImportRequest& request) {
  RunConfig config;
  config.set_name(NameOf(request.run));
  const HuggingFaceFolder model(request.source, request.ignored_fields);
  const FoundTokenizer found = FindTokenizer(request.source);
  if (found.tokenizer->vocab_size() > model.shape().vocab_size) {
    throw Error(Kind::kData, StrCat(found.file.string(), " has ", found.tokenizer->vocab_size(),
                                    " tokens, but vocab_size in config.json is ",
                                    model.shape().vocab_size, "; they are not of the same model"));
  }
  int64_t total_bytes = 0;
  for (const auto& [name, shape] : model.parameters()) {
    total_bytes += shape.num_elements() * SizeOf(DType::kF32);
  }
  *config.mutable_model() = model.config();
  config.mutable_precision()->set_storage(PrecisionConfig::F32);
  config.mutable_device()->set_memory_gib(MemoryGib(total_bytes));
  const std::string config_text = ConfigToText(config);

  NewFolder folder(request.run);
  const RunFolder run(folder.unfinished());
  const fs::path checkpoint = run.checkpoints() / CheckpointName(0);
  std::error_code code;
  fs::create_directories(checkpoint, code);
  if (code) {
    throw Error(Kind::kCheckpoint,
                StrCat("cannot create ", checkpoint.string(), ": ", code.message()));
  }
  ImportWeights(model, checkpoint,
                {.run_name = config.name(),
                 .tokenizer_hash = found.tokenizer->content_hash(),
                 .config_text = config_text,
                 .layout = "imported"},
                [&](int64_t bytes) { request.progress(bytes, total_bytes); });
  ReplaceFile(run.tokenizer(), ReadFile(found.file, Kind::kData), Kind::kData);
  ReplaceFile(run.config(), config_text, Kind::kConfig);
  KeepPublishedFiles(request.source, run.published());
  folder.Commit();
  return model.Summary();
}

}  // namespace cadmus
