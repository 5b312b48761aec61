// SPDX-License-Identifier: Apache-2.0
// IndexedDataset: reads a Megatron data set (prefix.bin, prefix.idx; layout: index_layout.h)
// through memory maps, as one row of tokens in which documents follow each other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/base/file.h"
#include "runtime/data/token_data.h"

namespace cadmus {

class IndexedDataset : public TokenData {
 public:
  // Maps both files and checks the whole index. Throws kData, naming the file and the remedy, when
  // one is missing, foreign, truncated, contradicts itself or the other, or holds no token.
  explicit IndexedDataset(const std::string& prefix);

  const std::string& prefix() const { return prefix_; }
  int64_t num_documents() const { return num_documents_; }
  const std::string& name() const override { return prefix_; }
  int64_t num_tokens() const override { return num_tokens_; }

  // The first token of `document`, which lies in [0, num_documents]; of the last, num_tokens.
  int64_t DocumentBegin(int64_t document) const;
  int64_t DocumentLength(int64_t document) const {
    return DocumentBegin(document + 1) - DocumentBegin(document);
  }
  // The document that holds `token`, by binary search.
  int64_t DocumentOf(int64_t token) const;

  int64_t NextDocumentBegin(int64_t token, int64_t limit) const override {
    return std::min(limit, DocumentBegin(DocumentOf(token) + 1));
  }
  void Read(int64_t begin, int64_t count, int32_t* out) const override;

 private:
  [[noreturn]] void ThrowBroken(const MappedFile& file, std::string_view what) const;
  void ReadHeader();
  void CheckSequences();  // also counts the tokens
  void CheckDocuments() const;
  // Entries of the three arrays of the index.
  int32_t LengthOf(int64_t sequence) const;
  int64_t PointerOf(int64_t sequence) const;
  int64_t FirstSequenceOf(int64_t document) const;

  std::string prefix_;
  MappedFile tokens_;
  MappedFile index_;
  uint8_t dtype_code_ = 0;
  int64_t token_bytes_ = 0;
  int64_t num_sequences_ = 0;
  int64_t num_documents_ = 0;
  int64_t num_tokens_ = 0;
};

}  // namespace cadmus
