// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/ckpt_inspect.h"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "kernels/base/quantity.h"
#include "launch/commands/print_json.h"
#include "launch/config/parse_text.h"
#include "launch/config/run_config.pb.h"
#include "launch/plan/text_table.h"
#include "launch/run/find_checkpoint.h"
#include "models/families.h"
#include "runtime/checkpoint/compare_checkpoints.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/checkpoint/stored_tensors.h"

namespace cadmus {
namespace {

using Json = nlohmann::ordered_json;

// "1.2e-07"
std::string ShortText(double value) {
  char text[32];
  const auto [end, code] =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::general, 3);
  (void)code;  // three digits fit
  return {text, end};
}

// ---- inspect

int64_t BytesOf(const StoredTensor& tensor) {
  return tensor.shape.num_elements() * SizeOf(tensor.dtype);
}

// The numbers of the files that hold the tensor, ascending.
std::vector<int> FilesOf(const StoredTensor& tensor) {
  std::vector<int> files;
  for (const StoredBox& stored : tensor.boxes) files.push_back(stored.file);
  std::ranges::sort(files);
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

// What the stored config says of the model and its training, in a line.
std::string ConfigSummary(const std::string& config_text) {
  RunConfig config;
  try {
    ParseText("the stored config", config_text, config);
    const DecoderShape shape = MakeShape(config.model());
    return StrCat(
        shape.family, ", ", CompactText(static_cast<double>(NumParameters(shape))),
        " parameters: ", shape.num_layers, " layers of width ", shape.hidden_size, ", ",
        shape.num_heads, " heads (", shape.num_kv_heads, " of keys), vocabulary ", shape.vocab_size,
        "; ", PrecisionConfig::Storage_Name(config.precision().storage()), "; ",
        config.train().global_batch_size(), " samples of ", config.data().sequence_length(),
        " tokens a step, lr ", ShortText(config.optimizer().lr()));
  } catch (const Error& error) {
    return StrCat("not understood by this version: ", error.message());
  }
}

struct Inspected {
  std::filesystem::path path;
  Manifest manifest;
  std::vector<std::string> faults;  // of each tensor
  const char* sound = "";           // what a tensor without fault is called
};

Json ToJson(const Inspected& checkpoint) {
  const Manifest& manifest = checkpoint.manifest;
  const CheckpointInfo& info = manifest.info;
  Json tensors = Json::array();
  for (size_t i = 0; i < manifest.tensors.size(); ++i) {
    const StoredTensor& tensor = manifest.tensors[i];
    Json shards = Json::array();
    for (const StoredBox& stored : tensor.boxes) {
      shards.push_back({{"file", manifest.files[static_cast<size_t>(stored.file)].name},
                        {"box", stored.box.ToString()},
                        {"byte_offset", stored.byte_offset}});
    }
    const std::string& fault = checkpoint.faults[i];
    tensors.push_back({{"name", tensor.name},
                       {"dtype", Name(tensor.dtype)},
                       {"shape", tensor.shape.dims()},
                       {"bytes", BytesOf(tensor)},
                       {"state", fault.empty() ? checkpoint.sound : "damaged"},
                       {"fault", fault},
                       {"shards", std::move(shards)}});
  }
  Json files = Json::array();
  for (const StoredFile& file : manifest.files) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}});
  }
  return {{"path", checkpoint.path.string()},
          {"run", info.run_name},
          {"step", info.completed_steps},
          {"next_sample", info.data_cursor},
          {"seed", info.seed},
          {"layout", info.layout},
          {"created", info.created},
          {"host", info.host},
          {"tokenizer_hash", info.tokenizer_hash},
          {"config_summary", ConfigSummary(info.config_text)},
          {"config", info.config_text},
          {"bytes", manifest.num_bytes()},
          {"files", std::move(files)},
          {"tensors", std::move(tensors)}};
}

// "shard-000001.safetensors", "4 files from shard-000000.safetensors on"
std::string FilesText(const Manifest& manifest, const StoredTensor& tensor) {
  const std::vector<int> files = FilesOf(tensor);
  if (files.empty()) return "none";
  const std::string& first = manifest.files[static_cast<size_t>(files.front())].name;
  return files.size() == 1 ? first : StrCat(files.size(), " files from ", first, " on");
}

std::string ToText(const Inspected& checkpoint) {
  const Manifest& manifest = checkpoint.manifest;
  const CheckpointInfo& info = manifest.info;
  TextTable table(2);
  table.Add({"tensor", "shape", "dtype", "bytes", "state", "where"});
  for (size_t i = 0; i < manifest.tensors.size(); ++i) {
    const StoredTensor& tensor = manifest.tensors[i];
    table.Add({tensor.name, tensor.shape.ToString(), std::string(Name(tensor.dtype)),
               StrCat(BytesOf(tensor)), checkpoint.faults[i].empty() ? checkpoint.sound : "damaged",
               FilesText(manifest, tensor)});
  }
  return StrCat(checkpoint.path.string(), "\n  run     ", info.run_name, ", step ",
                info.completed_steps, ", next sample ", info.data_cursor, ", seed ", info.seed,
                "\n  saved   ", info.created, " on ", info.host, "\n  layout  ", info.layout,
                "\n  config  ", ConfigSummary(info.config_text), "\n  holds   ",
                manifest.tensors.size(), " tensors, ", BytesText(manifest.num_bytes()), " in ",
                manifest.files.size(), manifest.files.size() == 1 ? " file\n" : " files\n",
                table.ToString());
}

// ---- diff

std::string TypeText(const StoredType& type) {
  return StrCat(Name(type.dtype), " ", type.shape.ToString());
}

bool IsOnOneSideOnly(const TensorComparison& tensor) { return !tensor.first || !tensor.second; }

std::string StateOf(const TensorComparison& tensor) {
  if (!tensor.second) return "only in the first";
  if (!tensor.first) return "only in the second";
  if (tensor.bit_equal) return "equal";
  if (tensor.first->shape != tensor.second->shape) return "other shape";
  if (tensor.first->dtype != tensor.second->dtype) return "other dtype";
  return tensor.values->num_different == 0 ? "same values, other bits" : "other values";
}

Json ToJson(const TensorComparison& tensor) {
  const auto type = [](const std::optional<StoredType>& stored) -> Json {
    if (!stored) return nullptr;
    return {{"dtype", Name(stored->dtype)}, {"shape", stored->shape.dims()}};
  };
  Json json = {{"name", tensor.name},
               {"state", StateOf(tensor)},
               {"first", type(tensor.first)},
               {"second", type(tensor.second)}};
  if (tensor.values) {
    json["values"] = {{"different", tensor.values->num_different},
                      {"incomparable", tensor.values->num_incomparable},
                      {"max_absolute", tensor.values->max_absolute},
                      {"max_relative", tensor.values->max_relative},
                      {"rms", tensor.values->rms}};
  }
  return json;
}

std::string ToText(const std::vector<TensorComparison>& tensors) {
  TextTable table(2);
  table.Add({"tensor", "state", "different", "NaN or inf", "max |a-b|", "max relative", "rms"});
  size_t num_different = 0;
  for (const TensorComparison& tensor : tensors) {
    if (tensor.bit_equal) continue;
    ++num_different;
    std::string state = StateOf(tensor);
    if (!IsOnOneSideOnly(tensor) && tensor.first != tensor.second) {
      state += StrCat(": ", TypeText(*tensor.first), ", ", TypeText(*tensor.second));
    }
    std::vector<std::string> row = {tensor.name, state, "", "", "", "", ""};
    if (const auto& values = tensor.values) {
      row = {tensor.name,
             state,
             StrCat(values->num_different, " of ", tensor.first->shape.num_elements()),
             StrCat(values->num_incomparable),
             ShortText(values->max_absolute),
             ShortText(values->max_relative),
             ShortText(values->rms)};
    }
    table.Add(std::move(row));
  }
  if (num_different == 0) return StrCat("all ", tensors.size(), " tensors are bit-equal\n");
  return StrCat(table.ToString(), num_different, " of ", tensors.size(),
                " tensors are not bit-equal\n");
}

}  // namespace

int RunCheckpointInspect(const CheckpointInspectFlags& flags) {
  Inspected checkpoint = {.path = FindCheckpoint(flags.folder).checkpoint,
                          .sound = flags.checksums ? "good" : "there"};
  checkpoint.manifest = ReadManifest(checkpoint.path);
  checkpoint.faults = FindUnreadable(checkpoint.path, checkpoint.manifest,
                                     flags.checksums ? LookAt::kBytes : LookAt::kSizes);
  if (flags.json) {
    PrintJson(ToJson(checkpoint));
  } else {
    std::cerr << ToText(checkpoint);
  }
  const auto fault =
      std::ranges::find_if(checkpoint.faults, [](const auto& text) { return !text.empty(); });
  if (fault == checkpoint.faults.end()) return 0;
  throw Error(Kind::kCheckpoint, *fault);
}

int RunCheckpointDiff(const CheckpointDiffFlags& flags) {
  const std::filesystem::path first = FindCheckpoint(flags.first).checkpoint;
  const std::filesystem::path second = FindCheckpoint(flags.second).checkpoint;
  const std::vector<TensorComparison> tensors = CompareCheckpoints(first, second);
  const bool equal = std::ranges::all_of(tensors, &TensorComparison::bit_equal);
  if (flags.json) {
    Json json = {{"first", first.string()}, {"second", second.string()}, {"equal", equal}};
    json["tensors"] = Json::array();
    for (const TensorComparison& tensor : tensors) json["tensors"].push_back(ToJson(tensor));
    PrintJson(json);
  } else {
    std::cerr << "first   " << first.string() << "\nsecond  " << second.string() << '\n'
              << ToText(tensors);
  }
  return equal ? 0 : static_cast<int>(Kind::kCheckpoint);
}

}  // namespace cadmus
