// SPDX-License-Identifier: Apache-2.0
// DataSidecar: prefix.meta.json beside a token data set says which tokenizer encoded it and from
// what, so that a model never trains on another vocabulary's tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cadmus {

struct DataSidecar {
  std::string tokenizer_hash;  // content_hash of the Tokenizer
  int64_t vocab_size = 0;
  int32_t end_of_text_id = 0;  // ends every document
  std::string source;          // for people: what was read
  int64_t num_documents = 0;
  int64_t num_tokens = 0;
  int64_t source_bytes = 0;
  // CRC32C of prefix.bin and prefix.idx; none in data sets of earlier versions.
  std::optional<uint32_t> tokens_crc, index_crc;

  friend bool operator==(const DataSidecar&, const DataSidecar&) = default;
};

std::string SidecarPath(const std::string& prefix);

// Replaces prefix.meta.json atomically. Throws kData if the disk is full.
void WriteSidecar(const std::string& prefix, const DataSidecar& sidecar);

// Nothing if there is no such file: other tools write none. Throws kData if it cannot be read or
// lacks a field.
std::optional<DataSidecar> ReadSidecar(const std::string& prefix);

// Throws kData unless the data set at `prefix` was encoded by this tokenizer and its sidecar
// describes the `num_documents` and `num_tokens` that were found there.
struct SidecarExpectation {
  std::string_view tokenizer_hash;
  int64_t vocab_size;
  int64_t num_documents;
  int64_t num_tokens;
};
void CheckSidecar(const std::string& prefix, const DataSidecar& sidecar,
                  const SidecarExpectation& expected);

}  // namespace cadmus
