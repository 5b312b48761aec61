// SPDX-License-Identifier: Apache-2.0
#include "runtime/formats/safetensors_writer.h"

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace cadmus {
namespace {

using nlohmann::json;

constexpr size_t kDataAlignment = 8;

[[noreturn]] void Refuse(const std::filesystem::path& path, Kind kind, std::string_view tensor,
                         std::string_view what) {
  throw Error(kind, StrCat("cannot write ", path.string(), ": tensor \"", tensor, "\": ", what));
}

std::string QuotedName(const std::string& name, const std::filesystem::path& path, Kind kind) {
  try {
    return json(name).dump();
  } catch (const json::exception&) {
    Refuse(path, kind, name, "its name is not UTF-8");
  }
}

std::string Quoted(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

// The JSON text, padded so that the data behind it is aligned. `offsets` receives where each tensor
// starts in the data, and the size of the data.
std::string HeaderText(const SafetensorsContent& content, const std::filesystem::path& path,
                       Kind kind, std::vector<int64_t>& offsets) {
  std::string text = "{";
  if (!content.metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : content.metadata) {
      text += StrCat(text.ends_with('{') ? "" : ",", Quoted(key), ":", Quoted(value));
    }
    text += "}";
  }
  if (content.tensors.size() > kMaxSafetensorsTensors) {
    Refuse(path, kind, content.tensors.back().name,
           StrCat("more than ", kMaxSafetensorsTensors, " tensors"));
  }
  std::unordered_set<std::string_view> names = {"__metadata__"};
  offsets = {0};
  for (const SafetensorsDeclaration& tensor : content.tensors) {
    if (tensor.name.size() > kMaxSafetensorsNameBytes) {
      Refuse(path, kind, tensor.name,
             StrCat("its name has more than ", kMaxSafetensorsNameBytes, " bytes"));
    }
    if (!names.insert(tensor.name).second) {
      Refuse(path, kind, tensor.name, "its name is taken or reserved");
    }
    CADMUS_CHECK(SizeOf(tensor.dtype) > 0, tensor.name);
    const int64_t begin = offsets.back();
    const int64_t end = begin + tensor.shape.num_elements() * SizeOf(tensor.dtype);
    text += StrCat(text == "{" ? "" : ",", QuotedName(tensor.name, path, kind), ":{\"dtype\":\"",
                   Name(tensor.dtype), "\",\"shape\":[");
    for (const int64_t dim : tensor.shape.dims()) {
      text += StrCat(text.ends_with('[') ? "" : ",", dim);
    }
    text += StrCat("],\"data_offsets\":[", begin, ",", end, "]}");
    offsets.push_back(end);
  }
  text += "}";
  text.resize((text.size() + kDataAlignment - 1) / kDataAlignment * kDataAlignment, ' ');
  if (static_cast<int64_t>(text.size()) > kMaxSafetensorsHeaderBytes) {
    throw Error(kind,
                StrCat("cannot write ", path.string(), ": its header would have ", text.size(),
                       " bytes; at most ", kMaxSafetensorsHeaderBytes, " are allowed"));
  }
  return text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, Kind kind,
                                     SafetensorsContent content)
    : file_(path, kind), on_bytes_(std::move(content.on_bytes)) {
  const std::string text = HeaderText(content, path, kind, offsets_);
  const uint64_t length = text.size();
  const int64_t data_start = static_cast<int64_t>(sizeof(length) + text.size());
  for (int64_t& offset : offsets_) offset += data_start;
  num_bytes_ = offsets_.back();
  offsets_.pop_back();
  static_assert(std::endian::native == std::endian::little);
  Append(std::as_bytes(std::span(&length, 1)));
  Append(std::as_bytes(std::span(text)));
}

void SafetensorsWriter::Commit() {
  CADMUS_CHECK(written_ == num_bytes_, StrCat(written_, " of ", num_bytes_, " bytes"));
  file_.Commit();
}

void SafetensorsWriter::Append(std::span<const std::byte> bytes) {
  written_ += static_cast<int64_t>(bytes.size());
  CADMUS_CHECK(written_ <= num_bytes_, StrCat(written_, " of ", num_bytes_, " bytes"));
  file_.Append(bytes);
  if (on_bytes_) on_bytes_(bytes);
}

}  // namespace cadmus
