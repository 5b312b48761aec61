// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/build_dataset.h"

#include <filesystem>
#include <memory>
#include <span>
#include <system_error>

#include "kernels/base/error.h"
#include "runtime/data/indexed_dataset_writer.h"
#include "runtime/data/ordered_pipeline.h"

namespace cadmus {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
// Of a piece, beside its text: so that files of a few bytes do not wait in their thousands.
constexpr int64_t kPieceBytes = 4096;

struct EncodedPiece {
  CorpusPiece piece;
  std::vector<int32_t> tokens;
  std::vector<size_t> document_ends;  // in `tokens`
  CorpusCounts counts;
};

void Encode(const BuildDatasetOptions& options, JsonLineParser& parser, EncodedPiece& encoded) {
  ForEachText(encoded.piece, parser, encoded.counts,
              [&](std::string_view text, [[maybe_unused]] bool begins, bool ends) {
                options.encode(text, encoded.tokens);
                if (!ends) return;
                encoded.tokens.push_back(options.end_of_text_id);
                encoded.document_ends.push_back(encoded.tokens.size());
              });
  encoded.piece.bytes = std::string();  // its tokens wait for their turn without it
}

void Write(const EncodedPiece& encoded, IndexedDatasetWriter& writer) {
  const std::span<const int32_t> tokens(encoded.tokens);
  size_t begin = 0;
  for (const size_t end : encoded.document_ends) {
    writer.AddDocument(tokens.subspan(begin, end - begin));
    begin = end;
  }
  writer.Append(tokens.subspan(begin));
}

}  // namespace

BuildDatasetResult BuildDataset(const TextCorpus& corpus, const BuildDatasetOptions& options) {
  std::error_code ignored;  // the writer names the folder if it could not be made
  const auto folder = std::filesystem::path(options.prefix).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);

  IndexedDatasetWriter writer(options.prefix, options.vocab_size);
  CorpusReader reader(corpus);
  CorpusCounts counts;
  RunOrdered<EncodedPiece>(
      {.num_threads = options.num_threads,
       .max_weight = (8 + 2 * int64_t{options.num_threads}) * kMiB,
       .weight =
           [](const EncodedPiece& encoded) {
             return static_cast<int64_t>(encoded.piece.bytes.size()) + kPieceBytes;
           },
       .produce = [&]() -> std::optional<EncodedPiece> {
         std::optional<CorpusPiece> piece = reader.Next();
         if (!piece) return std::nullopt;
         return EncodedPiece{.piece = *std::move(piece)};
       },
       .make_worker =
           [&] {
             // shared_ptr: std::function copies what it holds.
             const auto parser = std::make_shared<JsonLineParser>(options.text_field);
             return
                 [&options, parser](EncodedPiece& encoded) { Encode(options, *parser, encoded); };
           },
       .consume =
           [&](EncodedPiece& encoded) {
             Write(encoded, writer);
             counts += encoded.counts;
             options.on_progress({.file_bytes = encoded.piece.file_bytes,
                                  .text_bytes = counts.text_bytes,
                                  .num_tokens = writer.num_tokens()});
           }});
  counts += reader.skipped();
  RequireText(corpus, counts);
  writer.Commit();
  const DataSidecar sidecar = {.tokenizer_hash = options.tokenizer_hash,
                               .vocab_size = options.vocab_size,
                               .end_of_text_id = options.end_of_text_id,
                               .source = corpus.name(),
                               .num_documents = writer.num_documents(),
                               .num_tokens = writer.num_tokens(),
                               .source_bytes = counts.text_bytes,
                               .tokens_crc = writer.tokens_crc(),
                               .index_crc = writer.index_crc()};
  WriteSidecar(options.prefix, sidecar);
  return {.sidecar = sidecar, .corpus = counts};
}

}  // namespace cadmus
