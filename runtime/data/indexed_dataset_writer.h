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

  // Appends tokens to the current document; EndDocument makes it one, of one sequence. Every token
  // must lie in [0, vocab_size) and a document must hold fewer than 2^31; throws kData otherwise,
  // and when the disk is full. Memory grows by four bytes a document.
  void Append(std::span<const int32_t> tokens);
  void EndDocument();
  void AddDocument(std::span<const int32_t> tokens) {
    Append(tokens);
    EndDocument();
  }

  // Puts both files in place, after the last document. Throws kData when no token was added or the
  // disk is full; a data set that was there before, with its sidecar, is replaced only after the
  // new one is written in full.
  void Commit();

  int64_t num_documents() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t num_tokens() const { return num_tokens_ + document_tokens_; }
  // CRC32C of the files, after Commit.
  uint32_t tokens_crc() const { return tokens_crc_; }
  uint32_t index_crc() const { return index_crc_; }

 private:
  void FlushTokens();
  void FlushIndex();
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
  int64_t document_tokens_ = 0;  // of the current document
  uint32_t tokens_crc_ = 0;
  uint32_t index_crc_ = 0;
  std::vector<std::byte> buffer_;  // bytes not yet handed to the file that is being written
};

}  // namespace cadmus
