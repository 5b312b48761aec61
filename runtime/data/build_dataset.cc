// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/build_dataset.h"

#include <filesystem>
#include <system_error>

#include "kernels/base/error.h"
#include "runtime/data/indexed_dataset_writer.h"

namespace cadmus {

BuildDatasetResult BuildDataset(const TextCorpus& corpus, const BuildDatasetOptions& options) {
  std::error_code ignored;  // the writer names the folder if it could not be made
  const auto folder = std::filesystem::path(options.prefix).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);

  IndexedDatasetWriter writer(options.prefix, options.vocab_size);
  std::vector<int32_t> tokens;
  CorpusReader reader(corpus);
  while (const std::optional<std::string> text = reader.Next()) {
    tokens.clear();
    options.encode(*text, tokens);
    tokens.push_back(options.end_of_text_id);
    writer.AddDocument(tokens);
  }
  const DataSidecar sidecar = {.tokenizer_hash = options.tokenizer_hash,
                               .vocab_size = options.vocab_size,
                               .end_of_text_id = options.end_of_text_id,
                               .source = corpus.root().string(),
                               .num_documents = writer.num_documents(),
                               .num_tokens = writer.num_tokens(),
                               .source_bytes = reader.counts().text_bytes};
  writer.Commit();
  WriteSidecar(options.prefix, sidecar);
  return {.sidecar = sidecar, .corpus = reader.counts()};
}

}  // namespace cadmus
