// SPDX-License-Identifier: Apache-2.0
// IndexedDatasetWriter: writes documents of tokens as a Megatron data set, prefix.bin and
// prefix.idx (layout: index_layout.h), which appear complete or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/file.h"

namespace cadmus {

class IndexedDatasetWriter {
 public:
  // Tokens take two bytes when vocab_size < 65500, else four. Throws kData where the files cannot
  // be created.
  IndexedDatasetWriter(const std::string& prefix, int64_t vocab_size);

  // Appends one document, of one sequence. Every token must lie in [0, vocab_size) and the document
  // must hold fewer than 2^31 tokens; throws kData otherwise, and when the disk is full. Memory
  // grows by four bytes a document.
  void AddDocument(std::span<const int32_t> tokens);

  // Puts both files in place. Throws kData when no token was added or the disk is full; a data set
  // that was there before, with its sidecar, is replaced only after the new one is written in full.
  void Commit();

  int64_t num_documents() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t num_tokens() const { return num_tokens_; }

 private:
  void WriteIndex();
  template <class T>
  void AppendToIndex(const T& value);

  std::string prefix_;
  std::filesystem::path index_path_;
  int64_t vocab_size_;
  bool two_bytes_;
  AtomicFileWriter tokens_file_;
  AtomicFileWriter index_file_;
  std::vector<int32_t> lengths_;
  int64_t num_tokens_ = 0;
  std::vector<std::byte> buffer_;  // bytes not yet handed to the file that is being written
};

}  // namespace cadmus
