// SPDX-License-Identifier: Apache-2.0
#include "models/interop/export_model.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "kernels/base/file.h"
#include "models/families.h"
#include "models/hugging_face/config_json_writer.h"
#include "models/hugging_face/names.h"
#include "models/interop/element_types.h"
#include "models/interop/parameters.h"
#include "models/interop/tensor_copy.h"
#include "runtime/checkpoint/tensor_reader.h"
#include "runtime/formats/safetensors_folder.h"
#include "runtime/formats/safetensors_writer.h"

namespace cadmus {
namespace {

// A tensor to write, and the rows of a parameter that it is made of.
struct Piece {
  std::string name;
  Shape shape;  // as written
  bool transposed = false;
  const StoredTensor* parameter = nullptr;
  Box rows;

  int64_t Bytes(DType dtype) const { return shape.num_elements() * SizeOf(dtype); }
};

// All tensors of the folder, in the order of the model's layers.
std::vector<Piece> PiecesOf(const ModelConfig& config, const TensorReader& checkpoint,
                            const std::filesystem::path& path, DType dtype) {
  const DecoderShape shape = MakeShape(config);
  const HuggingFaceNames& names = NamesInHuggingFace(config);
  std::vector<Piece> pieces;
  std::string problems;
  for (const auto& [name, parameter_shape] : ParametersOf(shape)) {
    const StoredTensor* stored = checkpoint.Find(name);
    if (stored == nullptr || stored->shape != parameter_shape) {
      problems += StrCat("\n  ", name, " ", parameter_shape.ToString(), " is ",
                         stored == nullptr ? "missing" : stored->shape.ToString());
      continue;
    }
    if (!CanConvert(stored->dtype, dtype)) {
      problems += StrCat("\n  ", name, " is ", Name(stored->dtype), ", which ", Name(dtype),
                         " cannot hold");
    }
    int64_t first_row = 0;
    for (const HuggingFacePart& part : names.parts(name, parameter_shape[0], shape)) {
      Piece piece{.name = part.name, .transposed = part.transposed, .parameter = stored};
      piece.rows = {.offset = parameter_shape, .extent = parameter_shape};
      for (int dim = 0; dim < parameter_shape.num_dims(); ++dim) piece.rows.offset[dim] = 0;
      piece.rows.offset[0] = first_row;
      piece.rows.extent[0] = part.num_rows;
      first_row += part.num_rows;
      piece.shape =
          part.transposed ? Shape{piece.rows.extent[1], piece.rows.extent[0]} : piece.rows.extent;
      pieces.push_back(std::move(piece));
    }
  }
  if (!problems.empty()) {
    throw Error(Kind::kCheckpoint, StrCat(path.string(), " cannot be exported:", problems,
                                          "\ntake another checkpoint of the run"));
  }
  return pieces;
}

// The first piece of each file.
std::vector<size_t> CutIntoFiles(const std::vector<Piece>& pieces, DType dtype, int64_t max_bytes) {
  std::vector<size_t> first;
  int64_t bytes = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const int64_t own = pieces[i].Bytes(dtype);
    if (first.empty() || bytes + own > max_bytes) {
      first.push_back(i);
      bytes = 0;
    }
    bytes += own;
  }
  return first;
}

}  // namespace

int64_t ExportedBytes(const ModelConfig& config, DType dtype) {
  int64_t elements = 0;
  for (const NamedShape& parameter : ParametersOf(MakeShape(config))) {
    elements += parameter.shape.num_elements();
  }
  return elements * SizeOf(dtype);
}

void WriteConfigFields(const ModelConfig& config, DType dtype, ConfigJsonWriter& json) {
  WriteHuggingFaceConfig(config, json);
  // The name that all versions read.
  json.Set("torch_dtype", dtype == DType::kBF16 ? "bfloat16" : "float32");
}

ExportReport ExportWeights(const ExportRequest& request) {
  TensorReader checkpoint(request.checkpoint);
  const std::vector<Piece> pieces =
      PiecesOf(request.config, checkpoint, request.checkpoint, request.dtype);
  const std::vector<size_t> first = CutIntoFiles(pieces, request.dtype, request.max_shard_bytes);
  const int num_files = static_cast<int>(first.size());
  ExportReport report{.num_tensors = std::ssize(pieces), .num_files = num_files};
  std::map<std::string, std::string> file_of;
  for (int file = 0; file < num_files; ++file) {
    const std::string name =
        num_files == 1 ? kSafetensorsModelName : SafetensorsShardName(file, num_files);
    const size_t begin = first[static_cast<size_t>(file)];
    const size_t end = file + 1 < num_files ? first[static_cast<size_t>(file) + 1] : pieces.size();
    SafetensorsContent content;
    content.metadata = {{"format", "pt"}};  // transformers insists on it
    for (size_t i = begin; i < end; ++i) {
      content.tensors.push_back(
          {.name = pieces[i].name, .dtype = request.dtype, .shape = pieces[i].shape});
      file_of.emplace(pieces[i].name, name);
    }
    SafetensorsWriter writer(request.folder / name, Kind::kCheckpoint, std::move(content));
    for (size_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[i];
      CopyTensor({.from = piece.parameter->dtype,
                  .read =
                      [&](const Box& box, std::span<std::byte> out) {
                        checkpoint.Read(*piece.parameter, box, [&](std::span<const std::byte> in) {
                          std::memcpy(out.data(), in.data(), in.size());
                          out = out.subspan(in.size());
                        });
                      },
                  .box = piece.rows,
                  .transposed = piece.transposed,
                  .to = request.dtype},
                 [&](std::span<const std::byte> bytes) {
                   writer.Append(bytes);
                   report.bytes += std::ssize(bytes);
                   request.progress(report.bytes);
                 });
    }
    writer.Commit();
  }
  if (num_files > 1) {
    ReplaceFile(request.folder / kSafetensorsIndexName, SafetensorsIndexText(file_of, report.bytes),
                Kind::kCheckpoint);
  }
  return report;
}

}  // namespace cadmus
