// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/indexed_dataset.h"

#include <cstring>

#include "kernels/base/load_as.h"
#include "runtime/data/index_layout.h"

namespace cadmus {
namespace {

// Bytes of a token; 0 for a code that is none of an integer.
int64_t TokenBytes(uint8_t code) {
  switch (code) {
    case index_layout::kU8:
    case index_layout::kI8:
      return 1;
    case index_layout::kI16:
    case index_layout::kU16:
      return 2;
    case index_layout::kI32:
      return 4;
    case index_layout::kI64:
      return 8;
    default:
      return 0;
  }
}

// Converts `count` tokens stored as T. False if one is no int32.
template <class T>
bool ConvertTokens(const std::byte* from, int64_t count, int32_t* out) {
  bool fits = true;
  for (int64_t i = 0; i < count; ++i) {
    const T token = LoadAs<T>(from + i * static_cast<int64_t>(sizeof(T)));
    out[i] = static_cast<int32_t>(token);
    if constexpr (sizeof(T) > sizeof(int32_t)) fits = fits && out[i] == token;
  }
  return fits;
}

}  // namespace

IndexedDataset::IndexedDataset(const std::string& prefix)
    : prefix_(prefix), tokens_(prefix + ".bin", Kind::kData), index_(prefix + ".idx", Kind::kData) {
  ReadHeader();
  CheckSequences();
  CheckDocuments();
}

void IndexedDataset::ThrowBroken(const MappedFile& file, std::string_view what) const {
  throw Error(Kind::kData, StrCat(file.path().string(), ": ", what,
                                  "; build the data set again with `cadmus data build`"));
}

void IndexedDataset::ReadHeader() {
  const std::span<const std::byte> bytes = index_.bytes();
  if (bytes.size() < index_layout::kMagic.size() ||
      std::memcmp(bytes.data(), index_layout::kMagic.data(), index_layout::kMagic.size()) != 0) {
    ThrowBroken(index_, "no Megatron index, it does not begin with MMIDIDX");
  }
  if (bytes.size() < size_t{index_layout::kHeaderBytes}) {
    ThrowBroken(index_, StrCat("truncated, ", bytes.size(), " bytes are less than a header"));
  }
  const std::byte* at = bytes.data() + index_layout::kMagic.size();
  const auto version = LoadAs<uint64_t>(at);
  if (version != index_layout::kVersion) {
    ThrowBroken(index_, StrCat("version ", version, ", known is ", index_layout::kVersion));
  }
  dtype_code_ = LoadAs<uint8_t>(at + 8);
  token_bytes_ = TokenBytes(dtype_code_);
  if (token_bytes_ == 0) {
    ThrowBroken(index_, StrCat("dtype code ", static_cast<int>(dtype_code_), " is no integer's"));
  }
  // Each sequence takes 12 bytes and each document 8: larger counts cannot be true, and smaller
  // ones cannot overflow the sum below.
  const auto sequences = LoadAs<uint64_t>(at + 9);
  const auto boundaries = LoadAs<uint64_t>(at + 17);
  const uint64_t body_bytes = bytes.size() - index_layout::kHeaderBytes;
  if (sequences > body_bytes / 12 || boundaries > body_bytes / 8 ||
      sequences * 12 + boundaries * 8 != body_bytes) {
    ThrowBroken(index_, StrCat("truncated or overwritten, ", sequences, " sequences and ",
                               boundaries, " document bounds do not take ", body_bytes, " bytes"));
  }
  if (sequences == 0 || boundaries < 2) ThrowBroken(index_, "empty data set, no documents");
  num_sequences_ = static_cast<int64_t>(sequences);
  num_documents_ = static_cast<int64_t>(boundaries) - 1;
}

void IndexedDataset::CheckSequences() {
  const auto bin_bytes = static_cast<int64_t>(tokens_.bytes().size());
  for (int64_t i = 0; i < num_sequences_; ++i) {
    const int64_t length = LengthOf(i);
    if (length < 0) ThrowBroken(index_, StrCat("sequence ", i, " has length ", length));
    if (PointerOf(i) != num_tokens_ * token_bytes_) {
      ThrowBroken(index_, StrCat("sequence ", i, " begins at byte ", PointerOf(i),
                                 ", the one before it ends at ", num_tokens_ * token_bytes_));
    }
    num_tokens_ += length;
    if (num_tokens_ > bin_bytes / token_bytes_) {
      ThrowBroken(tokens_, StrCat("truncated, its ", bin_bytes, " bytes end before sequence ", i,
                                  " of the index does"));
    }
  }
  if (num_tokens_ * token_bytes_ != bin_bytes) {
    ThrowBroken(tokens_, StrCat("not the file of its index, which describes ",
                                num_tokens_ * token_bytes_, " of its ", bin_bytes, " bytes"));
  }
  if (num_tokens_ == 0) ThrowBroken(index_, "empty data set, no tokens");
}

void IndexedDataset::CheckDocuments() const {
  int64_t previous = 0;
  for (int64_t i = 0; i <= num_documents_; ++i) {
    const int64_t sequence = FirstSequenceOf(i);
    if (sequence < previous || sequence > num_sequences_ || (i == 0 && sequence != 0)) {
      ThrowBroken(index_, StrCat("document ", i, " begins at sequence ", sequence, " of ",
                                 num_sequences_, ", the one before it at ", previous));
    }
    previous = sequence;
  }
  if (previous != num_sequences_) {
    ThrowBroken(index_, StrCat("the documents end at sequence ", previous, " of ", num_sequences_));
  }
}

int32_t IndexedDataset::LengthOf(int64_t sequence) const {
  return LoadAs<int32_t>(index_.bytes().data() + index_layout::kHeaderBytes + sequence * 4);
}

int64_t IndexedDataset::PointerOf(int64_t sequence) const {
  return LoadAs<int64_t>(index_.bytes().data() + index_layout::kHeaderBytes + num_sequences_ * 4 +
                         sequence * 8);
}

int64_t IndexedDataset::FirstSequenceOf(int64_t document) const {
  return LoadAs<int64_t>(index_.bytes().data() + index_layout::kHeaderBytes + num_sequences_ * 12 +
                         document * 8);
}

int64_t IndexedDataset::DocumentBegin(int64_t document) const {
  CADMUS_CHECK(0 <= document && document <= num_documents_,
               StrCat("document ", document, " of ", num_documents_));
  const int64_t sequence = FirstSequenceOf(document);
  return sequence == num_sequences_ ? num_tokens_ : PointerOf(sequence) / token_bytes_;
}

int64_t IndexedDataset::DocumentOf(int64_t token) const {
  CADMUS_CHECK(0 <= token && token < num_tokens_, StrCat("token ", token, " of ", num_tokens_));
  // Invariant: DocumentBegin(low) <= token < DocumentBegin(high).
  int64_t low = 0;
  int64_t high = num_documents_;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (DocumentBegin(middle) <= token ? low : high) = middle;
  }
  return low;
}

void IndexedDataset::Read(int64_t begin, int64_t count, int32_t* out) const {
  CADMUS_CHECK(0 <= begin && 0 <= count && begin <= num_tokens_ - count,
               StrCat("tokens [", begin, ", ", begin + count, ") of ", num_tokens_));
  const std::byte* from = tokens_.bytes().data() + begin * token_bytes_;
  bool fits = true;
  switch (dtype_code_) {
    case index_layout::kU8:
      fits = ConvertTokens<uint8_t>(from, count, out);
      break;
    case index_layout::kI8:
      fits = ConvertTokens<int8_t>(from, count, out);
      break;
    case index_layout::kI16:
      fits = ConvertTokens<int16_t>(from, count, out);
      break;
    case index_layout::kU16:
      fits = ConvertTokens<uint16_t>(from, count, out);
      break;
    case index_layout::kI32:
      fits = ConvertTokens<int32_t>(from, count, out);
      break;
    case index_layout::kI64:
      fits = ConvertTokens<int64_t>(from, count, out);
      break;
    default:
      CADMUS_UNREACHABLE("the constructor refuses other codes");
  }
  if (!fits) {
    ThrowBroken(tokens_,
                StrCat("a token of [", begin, ", ", begin + count, ") does not fit in 32 bits"));
  }
}

}  // namespace cadmus
