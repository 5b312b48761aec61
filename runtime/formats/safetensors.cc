// SPDX-License-Identifier: Apache-2.0
#include "runtime/formats/safetensors.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>
#include <utility>

namespace cadmus {
namespace {

using simdjson::SUCCESS;
using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr int64_t kLengthBytes = 8;
// Bits of an element of those dtypes of the format that DType lacks.
constexpr std::pair<std::string_view, int64_t> kOtherDTypes[] = {
    {"BOOL", 8}, {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},
    {"F4", 4},   {"I16", 16}, {"U32", 32},    {"U64", 64},    {"C64", 64}};

constexpr std::string_view kRemedy = "; get or write the file again";

// Reads the header of one file; what is wrong is said with the file's path.
class HeaderReader {
 public:
  HeaderReader(const MappedFile& file, Kind kind) : file_(file), kind_(kind) {}

  void Read(std::vector<SafetensorsTensor>& tensors, SafetensorsMetadata& metadata) const {
    const std::string_view text = HeaderText();
    simdjson::dom::parser parser;
    object header;
    // The copy gives the parser its padding.
    const simdjson::padded_string padded(text);
    if (const auto error = parser.parse(padded).get(header); error != SUCCESS) {
      Fail(StrCat("its header is not a JSON object (", simdjson::error_message(error), ")"));
    }
    bool has_metadata = false;
    for (const auto [key, value] : header) {
      if (key == "__metadata__") {
        if (std::exchange(has_metadata, true)) Fail("__metadata__ is there twice");
        metadata = ReadMetadata(value);
        continue;
      }
      if (tensors.size() == kMaxSafetensorsTensors) {
        Fail(StrCat("more than ", kMaxSafetensorsTensors, " tensors"));
      }
      tensors.push_back(ReadTensor(key, value, kLengthBytes + static_cast<int64_t>(text.size())));
    }
    std::ranges::sort(tensors, {}, [](const SafetensorsTensor& tensor) {
      return std::tie(tensor.begin, tensor.end, tensor.name);
    });
    CheckContiguous(tensors, kLengthBytes + static_cast<int64_t>(text.size()));
  }

  [[noreturn]] void Fail(std::string_view what) const {
    throw Error(kind_,
                StrCat(file_.path().string(), ": not a valid safetensors file: ", what, kRemedy));
  }
  [[noreturn]] void Fail(std::string_view tensor, std::string_view what) const {
    Fail(StrCat("tensor \"", tensor.substr(0, kMaxSafetensorsNameBytes), "\": ", what));
  }

 private:
  std::string_view HeaderText() const {
    const std::span<const std::byte> bytes = file_.bytes();
    if (bytes.size() < kLengthBytes) {
      Fail(StrCat("it has ", bytes.size(), " bytes, too few for the length of a header"));
    }
    static_assert(std::endian::native == std::endian::little);
    uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof(length));
    if (length > static_cast<uint64_t>(kMaxSafetensorsHeaderBytes)) {
      Fail(StrCat("a header of ", length, " bytes; at most ", kMaxSafetensorsHeaderBytes,
                  " are allowed"));
    }
    if (length > bytes.size() - kLengthBytes) {
      Fail(StrCat("a header of ", length, " bytes in a file of ", bytes.size(), " bytes"));
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
    if (!text.starts_with('{')) Fail("its header does not start with '{'");
    return text;
  }

  SafetensorsMetadata ReadMetadata(element value) const {
    object fields;
    if (value.get(fields) != SUCCESS) Fail("__metadata__ is not an object");
    SafetensorsMetadata metadata;
    for (const auto [key, field] : fields) {
      std::string_view text;
      if (field.get(text) != SUCCESS) Fail(StrCat("__metadata__ \"", key, "\" is not a string"));
      if (!metadata.emplace(key, text).second) {
        Fail(StrCat("__metadata__ \"", key, "\" is there twice"));
      }
    }
    return metadata;
  }

  SafetensorsTensor ReadTensor(std::string_view name, element value, int64_t data_start) const {
    if (name.size() > kMaxSafetensorsNameBytes) {
      Fail(name, StrCat("a name of ", name.size(), " bytes; at most ", kMaxSafetensorsNameBytes,
                        " are allowed"));
    }
    object fields;
    if (value.get(fields) != SUCCESS) Fail(name, "not an object");
    SafetensorsTensor tensor{.name = std::string(name)};
    bool has_dtype = false, has_shape = false, has_offsets = false;
    for (const auto [key, field] : fields) {
      bool* const seen = key == "dtype"          ? &has_dtype
                         : key == "shape"        ? &has_shape
                         : key == "data_offsets" ? &has_offsets
                                                 : nullptr;
      if (seen == nullptr) Fail(name, StrCat("unknown field \"", key, "\""));
      if (std::exchange(*seen, true)) Fail(name, StrCat("field \"", key, "\" is there twice"));
      if (seen == &has_dtype) ReadDType(field, tensor);
      if (seen == &has_shape) tensor.shape = ReadShape(name, field);
      if (seen == &has_offsets) std::tie(tensor.begin, tensor.end) = ReadOffsets(name, field);
    }
    if (!has_dtype || !has_shape || !has_offsets) {
      Fail(name, "dtype, shape or data_offsets is missing");
    }
    CheckSize(tensor);
    // In range: offsets are at most the size of the file.
    tensor.begin += data_start;
    tensor.end += data_start;
    return tensor;
  }

  void ReadDType(element field, SafetensorsTensor& tensor) const {
    std::string_view text;
    if (field.get(text) != SUCCESS) Fail(tensor.name, "dtype is not a string");
    tensor.dtype_name = text;
    tensor.dtype = DTypeFromName(text).value_or(DType::kNone);
    if (BitsOf(tensor) == 0) {
      Fail(tensor.name, StrCat("dtype \"", text, "\" is not supported by this version"));
    }
  }

  static int64_t BitsOf(const SafetensorsTensor& tensor) {
    if (tensor.dtype != DType::kNone) return SizeOf(tensor.dtype) * 8;
    for (const auto& [name, bits] : kOtherDTypes) {
      if (name == tensor.dtype_name) return bits;
    }
    return 0;
  }

  Shape ReadShape(std::string_view name, element field) const {
    array dims;
    if (field.get(dims) != SUCCESS) Fail(name, "shape is not a list");
    std::vector<int64_t> sizes;
    for (const element dim : dims) {
      int64_t size = 0;
      if (dim.get(size) != SUCCESS || size < 0) Fail(name, "shape holds what is not a size");
      if (sizes.size() == Shape::kMaxDims) {
        Fail(name, StrCat("more than ", Shape::kMaxDims, " dims"));
      }
      sizes.push_back(size);
    }
    return Shape(sizes);
  }

  std::pair<int64_t, int64_t> ReadOffsets(std::string_view name, element field) const {
    array list;
    if (field.get(list) != SUCCESS || list.size() != 2) {
      Fail(name, "data_offsets is not a list of two");
    }
    int64_t begin = 0, end = 0;
    if (list.at(0).get(begin) != SUCCESS || list.at(1).get(end) != SUCCESS || begin < 0 ||
        end < begin || end > static_cast<int64_t>(file_.bytes().size())) {
      Fail(name, "data_offsets are not a byte range of the file");
    }
    return {begin, end};
  }

  void CheckSize(const SafetensorsTensor& tensor) const {
    const bool is_empty = std::ranges::find(tensor.shape.dims(), 0) != tensor.shape.dims().end();
    int64_t bits = is_empty ? 0 : BitsOf(tensor);
    for (const int64_t dim : tensor.shape.dims()) {
      if (__builtin_mul_overflow(bits, dim, &bits)) {
        Fail(tensor.name, StrCat("shape ", tensor.shape.ToString(), " has more than 2^63 bits"));
      }
    }
    if (bits % 8 != 0) Fail(tensor.name, "its elements do not fill whole bytes");
    const int64_t bytes = bits / 8;
    if (bytes != tensor.end - tensor.begin) {
      Fail(tensor.name, StrCat(tensor.dtype_name, " ", tensor.shape.ToString(), " takes ", bytes,
                               " bytes, but data_offsets hold ", tensor.end - tensor.begin));
    }
  }

  void CheckContiguous(const std::vector<SafetensorsTensor>& tensors, int64_t data_start) const {
    int64_t at = data_start;
    for (const SafetensorsTensor& tensor : tensors) {
      if (tensor.begin != at) {
        Fail(tensor.name, StrCat("its data starts at byte ", tensor.begin, " of the file, ",
                                 tensor.begin < at ? "inside other data" : "after a hole",
                                 "; byte ", at, " was expected"));
      }
      at = tensor.end;
    }
    const auto size = static_cast<int64_t>(file_.bytes().size());
    if (at != size) {
      Fail(StrCat("its tensors end at byte ", at, ", but it has ", size, " bytes"));
    }
  }

  const MappedFile& file_;
  Kind kind_;
};

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path, Kind kind)
    : file_(path, kind), kind_(kind) {
  const HeaderReader reader(file_, kind);
  reader.Read(tensors_, metadata_);
  index_.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (!index_.emplace(tensors_[i].name, i).second)
      reader.Fail(tensors_[i].name, "is there twice");
  }
}

const SafetensorsTensor* SafetensorsFile::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> SafetensorsFile::TensorBytes(std::string_view name) const {
  const SafetensorsTensor* tensor = Find(name);
  if (tensor == nullptr) {
    throw Error(kind_, StrCat(path().string(), ": there is no tensor \"", name, "\" in it"));
  }
  return file_.bytes().subspan(static_cast<size_t>(tensor->begin),
                               static_cast<size_t>(tensor->end - tensor->begin));
}

}  // namespace cadmus
