// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/checksum.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace cadmus {
namespace {

using sentencepiece::SentencePieceProcessor;

class SentencePieceTokenizer final : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(std::string_view model)
      : content_hash_(ContentHash(std::as_bytes(std::span(model)))) {
    if (const auto status = processor_.LoadFromSerializedProto(model); !status.ok()) {
      throw Error(Kind::kData,
                  StrCat("not a SentencePiece model: ", status.message(), "; get the file again"));
    }
  }

  std::string Decode(std::span<const int32_t> ids) const override {
    for (const int32_t id : ids) CheckId(id);
    std::string text;
    const auto status = processor_.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
    CADMUS_CHECK(status.ok(), status.message());
    return text;
  }

  int32_t TextBytes(int32_t id) const override {
    CheckId(id);
    if (processor_.IsByte(id)) return 1;
    if (processor_.IsControl(id) || processor_.IsUnknown(id)) return 0;
    constexpr std::string_view kSpace = "▁";  // stands for a blank
    const std::string& piece = processor_.IdToPiece(id);
    auto bytes = static_cast<int32_t>(piece.size());
    for (size_t at = piece.find(kSpace); at != std::string::npos;
         at = piece.find(kSpace, at + kSpace.size())) {
      bytes -= static_cast<int32_t>(kSpace.size()) - 1;
    }
    return bytes;
  }

  int32_t vocab_size() const override { return processor_.GetPieceSize(); }

  std::optional<int32_t> SpecialId(std::string_view name) const override {
    const int id = processor_.PieceToId(name);
    const bool is_special = processor_.IsControl(id) || processor_.IsUnknown(id);
    if (!is_special || processor_.IdToPiece(id) != name) return std::nullopt;
    return id;
  }

  std::optional<int32_t> end_of_text() const override { return Present(processor_.eos_id()); }
  const std::string& content_hash() const override { return content_hash_; }

 private:
  void CheckId(int32_t id) const {
    if (id >= 0 && id < vocab_size()) return;
    throw Error(Kind::kData, StrCat("token id ", id, " is outside the vocabulary of ", vocab_size(),
                                    " tokens; use the tokenizer that the ids were made with"));
  }

  static std::optional<int32_t> Present(int id) {
    if (id < 0) return std::nullopt;
    return id;
  }

  void Append(std::string_view text, const EncodeOptions& options,
              std::vector<int32_t>& ids) const override {
    if (options.parse_added_tokens) {
      throw Error(Kind::kConfig,
                  "a SentencePiece model finds no special tokens in text; put them "
                  "between texts by id, or use the model's tokenizer.json");
    }
    if (options.add_special_tokens) {
      if (const auto begin = Present(processor_.bos_id())) ids.push_back(*begin);
    }
    std::vector<int> encoded;
    const auto status = processor_.Encode(text, &encoded);
    CADMUS_CHECK(status.ok(), status.message());
    ids.insert(ids.end(), encoded.begin(), encoded.end());
  }

  SentencePieceProcessor processor_;
  std::string content_hash_;
};

}  // namespace

std::unique_ptr<const Tokenizer> LoadSentencePiece(const std::filesystem::path& path) {
  const std::string model = ReadFile(path, Kind::kData);
  try {
    return std::make_unique<const SentencePieceTokenizer>(model);
  } catch (const Error& error) {
    throw Error(error.kind(), StrCat(path.string(), ": ", error.message()));
  }
}

}  // namespace cadmus
