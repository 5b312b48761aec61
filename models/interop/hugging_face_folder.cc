// SPDX-License-Identifier: Apache-2.0
#include "models/interop/hugging_face_folder.h"

#include <algorithm>
#include <set>

#include "models/families.h"
#include "models/families.pb.h"
#include "models/hugging_face/config_json.h"
#include "models/hugging_face/names.h"
#include "models/interop/element_types.h"
#include "models/interop/tensor_copy.h"

namespace cadmus {
namespace {

std::unique_ptr<ModelConfig> ReadConfig(const std::filesystem::path& folder,
                                        std::span<const std::string> ignored) {
  if (!std::filesystem::is_directory(folder)) {
    throw Error(Kind::kCheckpoint, StrCat(folder.string(),
                                          " is not a folder; give one with "
                                          "config.json and safetensors files"));
  }
  auto config = std::make_unique<ModelConfig>();
  ConfigJson json(folder / "config.json", ignored);
  ReadHuggingFaceConfig(json, *config);
  json.Finish();
  return config;
}

DecoderShape ShapeOf(const std::filesystem::path& folder, const ModelConfig& config) {
  try {
    return MakeShape(config);
  } catch (const Error& error) {
    throw Error(Kind::kCheckpoint,
                StrCat((folder / "config.json").string(), ": as a config: ", error.message()));
  }
}

Shape Reversed(const Shape& shape) { return {shape[1], shape[0]}; }

// The shape of a part as the folder stores it.
Shape StoredShape(const HuggingFacePart& part, Shape of_parameter) {
  of_parameter[0] = part.num_rows;
  return part.transposed ? Reversed(of_parameter) : of_parameter;
}

// Reads boxes of a tensor of a folder.
std::function<void(const Box&, std::span<std::byte>)> ReaderOf(
    const SafetensorsFolder& folder, const SafetensorsFolder::Entry& entry) {
  return [&folder, &entry](const Box& box, std::span<std::byte> out) {
    const SafetensorsTensor& tensor = *entry.tensor;
    const int64_t element_bytes = SizeOf(tensor.dtype);
    Box whole{.offset = tensor.shape, .extent = tensor.shape};
    for (int dim = 0; dim < whole.offset.num_dims(); ++dim) whole.offset[dim] = 0;
    for (BoxRuns runs(whole, box); !runs.done(); runs.Advance(runs.num_elements())) {
      folder.Read(entry, runs.source_element() * element_bytes,
                  out.subspan(static_cast<size_t>(runs.destination_element() * element_bytes),
                              static_cast<size_t>(runs.num_elements() * element_bytes)));
    }
  };
}

void CopyEntry(const SafetensorsFolder& folder, const SafetensorsFolder::Entry& entry,
               bool transposed, const std::function<void(std::span<const std::byte>)>& take) {
  const Shape& shape = entry.tensor->shape;
  Shape origin = shape;
  for (int dim = 0; dim < origin.num_dims(); ++dim) origin[dim] = 0;
  CopyTensor({.from = entry.tensor->dtype,
              .read = ReaderOf(folder, entry),
              .box = {.offset = origin, .extent = shape},
              .transposed = transposed,
              .to = DType::kF32},
             take);
}

}  // namespace

HuggingFaceFolder::HuggingFaceFolder(const std::filesystem::path& path,
                                     std::span<const std::string> ignored_fields)
    : path_(path),
      config_(ReadConfig(path, ignored_fields)),
      shape_(ShapeOf(path, *config_)),
      parameters_(ParametersOf(shape_)),
      tensors_(path, Kind::kCheckpoint) {
  MatchTensors();
}

HuggingFaceFolder::~HuggingFaceFolder() = default;

void HuggingFaceFolder::MatchTensors() {
  const HuggingFaceNames& names = NamesInHuggingFace(*config_);
  const bool has_prefix = std::ranges::any_of(tensors_.tensors(), [&](const auto& named) {
    return named.first.starts_with(names.base_prefix);
  });
  std::vector<std::string> missing, unexpected, mis_shaped, unreadable;
  std::set<std::string> expected;
  for (const NamedShape& parameter : parameters_) {
    std::vector<Part>& parts = parts_.emplace_back();
    for (HuggingFacePart& part : names.parts(parameter.name, parameter.shape[0], shape_)) {
      if (!has_prefix && part.name.starts_with(names.base_prefix)) {
        part.name.erase(0, names.base_prefix.size());
      }
      const Shape shape = StoredShape(part, parameter.shape);
      const SafetensorsFolder::Entry* entry = tensors_.Find(part.name);
      parts.push_back({.entry = entry, .transposed = part.transposed});
      if (entry == nullptr) {
        missing.push_back(StrCat(part.name, " ", shape.ToString()));
      } else if (entry->tensor->shape != shape) {
        mis_shaped.push_back(StrCat(part.name, " is ", entry->tensor->shape.ToString(),
                                    ", config.json makes it ", shape.ToString()));
      } else if (!CanConvert(entry->tensor->dtype, DType::kF32)) {
        unreadable.push_back(
            StrCat(part.name, " is ", entry->tensor->dtype_name, "; F32, F16 and BF16 are read"));
      }
      expected.insert(std::move(part.name));
    }
  }
  const SafetensorsFolder::Entry* second_head = nullptr;
  for (const auto& [name, entry] : tensors_.tensors()) {
    if (expected.contains(std::string(name))) continue;
    if (names.is_buffer(name)) {
      ignored_.emplace_back(name);
    } else if (name == kHuggingFaceHead && shape_.tied_embeddings) {
      ignored_.emplace_back(name);
      second_head = &entry;
    } else {
      unexpected.push_back(StrCat(name, " ", entry.tensor->dtype_name, " ",
                                  entry.tensor->shape.ToString(), " in ",
                                  tensors_.path(entry.file).filename().string()));
    }
  }
  std::string table;
  const auto add = [&](std::string_view what, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) table += StrCat("\n  ", what, line);
  };
  add("missing     ", missing);
  add("unexpected  ", unexpected);
  add("mis-shaped  ", mis_shaped);
  add("unreadable  ", unreadable);
  if (!table.empty()) {
    throw Error(Kind::kCheckpoint,
                StrCat(path_.string(),
                       " does not hold the tensors of the model that its config.json "
                       "describes:",
                       table, "\nget the folder again, complete, or mend its config.json"));
  }
  if (second_head != nullptr) CheckTiedHead(*second_head);
}

void HuggingFaceFolder::CheckTiedHead(const SafetensorsFolder::Entry& head) const {
  const auto embedding = std::ranges::find(parameters_, "embedding.weight", &NamedShape::name);
  CADMUS_CHECK(embedding != parameters_.end(), "no embedding");
  const SafetensorsFolder::Entry& table =
      *parts_[static_cast<size_t>(embedding - parameters_.begin())][0].entry;
  bool same =
      head.tensor->shape == table.tensor->shape && CanConvert(head.tensor->dtype, DType::kF32);
  std::vector<std::byte> other;
  int64_t row = 0;
  if (same) {
    CopyEntry(tensors_, head, false, [&](std::span<const std::byte> piece) {
      const int64_t row_bytes = head.tensor->shape[1] * SizeOf(DType::kF32);
      const int64_t num_rows = std::ssize(piece) / row_bytes;
      other.clear();
      CopyTensor({.from = table.tensor->dtype,
                  .read = ReaderOf(tensors_, table),
                  .box = {.offset = {row, 0}, .extent = {num_rows, head.tensor->shape[1]}},
                  .to = DType::kF32},
                 [&](std::span<const std::byte> part) {
                   other.insert(other.end(), part.begin(), part.end());
                 });
      same = same && std::ranges::equal(piece, other);
      row += num_rows;
    });
  }
  if (same) return;
  throw Error(Kind::kCheckpoint,
              StrCat(path_.string(), ": tie_word_embeddings is true, but ", kHuggingFaceHead,
                     " differs from the embedding; set it to false in config.json, or take the "
                     "tensor away"));
}

std::string HuggingFaceFolder::Summary() const {
  int64_t num_elements = 0;
  for (const NamedShape& parameter : parameters_) num_elements += parameter.shape.num_elements();
  std::string text = StrCat(tensors_.tensors().size() - ignored_.size(), " tensors in ",
                            tensors_.num_files(), tensors_.num_files() == 1 ? " file" : " files",
                            " make ", parameters_.size(), " parameters of ", num_elements,
                            " elements; none is missing, unexpected or mis-shaped");
  if (!ignored_.empty()) {
    text += StrCat("; ", ignored_.size(), " left out, of which no weight is made: ", ignored_[0],
                   ignored_.size() > 1 ? ", …" : "");
  }
  return text;
}

void HuggingFaceFolder::ReadParameter(
    size_t index, const std::function<void(std::span<const std::byte>)>& take) const {
  for (const Part& part : parts_[index]) CopyEntry(tensors_, *part.entry, part.transposed, take);
}

}  // namespace cadmus
