// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/indexed_dataset_writer.h"

#include <limits>
#include <system_error>

#include "kernels/base/checksum.h"
#include "runtime/data/data_sidecar.h"
#include "runtime/data/index_layout.h"

namespace cadmus {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

template <class T>
void AppendBytes(std::vector<std::byte>& out, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

IndexedDatasetWriter::IndexedDatasetWriter(const std::string& prefix, int64_t vocab_size)
    : prefix_(prefix),
      index_path_(prefix + ".idx"),
      vocab_size_(vocab_size),
      two_bytes_(vocab_size < index_layout::kSmallVocabulary),
      tokens_file_(prefix + ".bin", Kind::kData),
      index_file_(index_path_, Kind::kData) {
  buffer_.reserve(kBufferBytes + sizeof(int64_t));
}

void IndexedDatasetWriter::Append(std::span<const int32_t> tokens) {
  for (int32_t token : tokens) {
    if (token < 0 || token >= vocab_size_) {
      throw Error(Kind::kData, StrCat(index_path_.string(), ": token ", token, " of document ",
                                      num_documents(), " is outside the vocabulary of ",
                                      vocab_size_, "; encode with the tokenizer of the model"));
    }
    if (two_bytes_) {
      AppendBytes(buffer_, static_cast<uint16_t>(token));
    } else {
      AppendBytes(buffer_, token);
    }
    if (buffer_.size() >= kBufferBytes) FlushTokens();
  }
  document_tokens_ += static_cast<int64_t>(tokens.size());
}

void IndexedDatasetWriter::EndDocument() {
  if (document_tokens_ > std::numeric_limits<int32_t>::max()) {
    throw Error(Kind::kData, StrCat(index_path_.string(), ": document ", num_documents(), " has ",
                                    document_tokens_,
                                    " tokens, the format holds 2147483647; split the document"));
  }
  lengths_.push_back(static_cast<int32_t>(document_tokens_));
  num_tokens_ += document_tokens_;
  document_tokens_ = 0;
}

void IndexedDatasetWriter::FlushTokens() {
  tokens_file_.Append(buffer_);
  tokens_crc_ = Crc32c(buffer_, tokens_crc_);
  buffer_.clear();
}

void IndexedDatasetWriter::FlushIndex() {
  index_file_.Append(buffer_);
  index_crc_ = Crc32c(buffer_, index_crc_);
  buffer_.clear();
}

void IndexedDatasetWriter::Commit() {
  CADMUS_CHECK(document_tokens_ == 0, "the last document has not ended");
  if (num_tokens_ == 0) {
    throw Error(Kind::kData, StrCat(index_path_.string(),
                                    ": no token to write, the data set would "
                                    "be empty; check the source text"));
  }
  FlushTokens();
  WriteIndex();
  // An old index or sidecar must never describe new tokens: a crash between the renames leaves
  // none.
  std::error_code ignored;
  std::filesystem::remove(index_path_, ignored);
  std::filesystem::remove(SidecarPath(prefix_), ignored);
  tokens_file_.Commit();
  index_file_.Commit();
}

template <class T>
void IndexedDatasetWriter::AppendToIndex(const T& value) {
  AppendBytes(buffer_, value);
  if (buffer_.size() >= kBufferBytes) FlushIndex();
}

void IndexedDatasetWriter::WriteIndex() {
  using namespace index_layout;  // NOLINT: the names of the format
  const auto magic = std::as_bytes(std::span(kMagic.data(), kMagic.size()));
  buffer_.insert(buffer_.end(), magic.begin(), magic.end());
  AppendToIndex(kVersion);
  AppendToIndex(static_cast<uint8_t>(two_bytes_ ? kU16 : kI32));
  AppendToIndex(static_cast<uint64_t>(lengths_.size()));
  AppendToIndex(static_cast<uint64_t>(lengths_.size() + 1));
  for (int32_t length : lengths_) AppendToIndex(length);
  int64_t pointer = 0;
  for (int32_t length : lengths_) {
    AppendToIndex(pointer);
    pointer += length * int64_t{two_bytes_ ? 2 : 4};
  }
  for (size_t i = 0; i <= lengths_.size(); ++i) AppendToIndex(static_cast<int64_t>(i));
  FlushIndex();
}

}  // namespace cadmus
