// SPDX-License-Identifier: Apache-2.0
#include "runtime/formats/safetensors_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/formats/require_json.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// File by tensor.
using WeightMap = std::map<std::string, std::string>;

void ThrowAll(const fs::path& path, Kind kind, const std::vector<std::string>& problems) {
  if (problems.empty()) return;
  std::string text;
  for (const std::string& problem : problems) text += StrCat("\n  ", problem);
  throw Error(kind, StrCat(path.string(), " does not fit the files beside it:", text,
                           "\nget the folder again, complete"));
}

WeightMap ReadIndex(const fs::path& path, Kind kind) {
  std::error_code code;
  if (fs::file_size(path, code) > static_cast<uintmax_t>(kMaxSafetensorsHeaderBytes) && !code) {
    throw Error(kind, StrCat(path.string(), ": larger than ", kMaxSafetensorsHeaderBytes,
                             " bytes; is this another file?"));
  }
  const std::string text = ReadFile(path, kind);
  RequireJson(path, text, kind);
  const json index = json::parse(text);
  const auto fail = [&](std::string_view what) {
    throw Error(kind, StrCat(path.string(), ": ", what, "; get the file again"));
  };
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    fail("\"weight_map\" is missing or no object");
  }
  WeightMap files;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    if (!file.is_string()) fail(StrCat("weight_map \"", tensor, "\" is not the name of a file"));
    const fs::path name = file.get<std::string>();
    if (name.empty() || name != name.filename() || name == "." || name == "..") {
      fail(StrCat("weight_map \"", tensor, "\" names \"", name.string(),
                  "\", which is no file of this folder"));
    }
    files.emplace(tensor, name.string());
  }
  if (files.empty()) fail("weight_map is empty");
  return files;
}

}  // namespace

std::string SafetensorsShardName(int index, int count) {
  const auto digits = [](int number) {
    const std::string text = StrCat(number);
    return std::string(5 - std::min<size_t>(5, text.size()), '0') + text;
  };
  return StrCat("model-", digits(index + 1), "-of-", digits(count), ".safetensors");
}

std::string SafetensorsIndexText(const std::map<std::string, std::string>& file_of_tensor,
                                 int64_t total_bytes) {
  nlohmann::ordered_json index;
  index["metadata"]["total_size"] = total_bytes;
  index["weight_map"] = file_of_tensor;
  return index.dump(2) + "\n";
}

SafetensorsFolder::SafetensorsFolder(const fs::path& folder, Kind kind) : kind_(kind) {
  const bool has_model = fs::exists(folder / kSafetensorsModelName);
  const bool has_index = fs::exists(folder / kSafetensorsIndexName);
  if (has_model && has_index) {
    throw Error(kind, StrCat(folder.string(), " holds both ", kSafetensorsModelName, " and ",
                             kSafetensorsIndexName, "; take away the one that is not meant"));
  }
  if (has_index) {
    OpenShards(folder / kSafetensorsIndexName);
  } else if (has_model) {
    Open(folder / kSafetensorsModelName);
    for (const SafetensorsTensor& tensor : files_[0].header->tensors()) {
      tensors_.emplace(tensor.name, Entry{.tensor = &tensor, .file = 0});
    }
  } else {
    throw Error(kind, StrCat(folder.string(), " holds neither ", kSafetensorsModelName, " nor ",
                             kSafetensorsIndexName,
                             "; weights in other formats (.bin, .pth) have to be saved as "
                             "safetensors first, by save_pretrained of transformers"));
  }
}

void SafetensorsFolder::Open(const fs::path& path) {
  files_.push_back({.header = std::make_unique<SafetensorsFile>(path, kind_),
                    .descriptor = OpenForReading(path, kind_)});
}

void SafetensorsFolder::OpenShards(const fs::path& index_path) {
  const WeightMap file_of = ReadIndex(index_path, kind_);
  std::set<std::string> names;
  for (const auto& [tensor, file] : file_of) names.insert(file);
  std::vector<std::string> problems;
  for (const std::string& name : names) {
    std::error_code code;  // a name too long for the file system is that of no file
    if (!fs::exists(index_path.parent_path() / name, code)) {
      problems.push_back(StrCat("missing shard ", name));
    }
  }
  ThrowAll(index_path, kind_, problems);
  for (const std::string& name : names) Open(index_path.parent_path() / name);

  std::set<std::string_view> elsewhere;
  for (int file = 0; file < num_files(); ++file) {
    const std::string name = path(file).filename().string();
    for (const SafetensorsTensor& tensor : files_[static_cast<size_t>(file)].header->tensors()) {
      const auto listed = file_of.find(tensor.name);
      if (listed == file_of.end()) {
        problems.push_back(
            StrCat("tensor \"", tensor.name, "\" of ", name, " is not in the index"));
      } else if (listed->second != name) {
        const bool is_there_too = std::ranges::any_of(files_, [&](const OpenFile& other) {
          return other.header->path().filename() == listed->second &&
                 other.header->Find(tensor.name) != nullptr;
        });
        problems.push_back(StrCat("tensor \"", tensor.name, "\" is in ", name,
                                  is_there_too ? " and in " : ", but the index has it in ",
                                  listed->second));
        elsewhere.insert(tensor.name);
      } else {
        tensors_.emplace(tensor.name, Entry{.tensor = &tensor, .file = file});
      }
    }
  }
  for (const auto& [tensor, file] : file_of) {
    if (!tensors_.contains(tensor) && !elsewhere.contains(tensor)) {
      problems.push_back(StrCat("tensor \"", tensor, "\" is not in ", file));
    }
  }
  ThrowAll(index_path, kind_, problems);
}

const SafetensorsFolder::Entry* SafetensorsFolder::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

void SafetensorsFolder::Read(const Entry& entry, int64_t offset, std::span<std::byte> out) const {
  const SafetensorsTensor& tensor = *entry.tensor;
  const OpenFile& file = files_[static_cast<size_t>(entry.file)];
  CADMUS_CHECK(offset >= 0 && tensor.begin + offset + std::ssize(out) <= tensor.end, tensor.name);
  while (!out.empty()) {
    const ssize_t n = ::pread(file.descriptor.get(), out.data(), out.size(), tensor.begin + offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      throw Error(
          kind_,
          StrCat(path(entry.file).string(), ": tensor \"", tensor.name, "\" cannot be read: ",
                 n < 0 ? std::strerror(errno) : "the file became shorter", "; get the file again"));
    }
    out = out.subspan(static_cast<size_t>(n));
    offset += n;
  }
}

}  // namespace cadmus
