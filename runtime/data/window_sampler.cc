// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/window_sampler.h"

#include <limits>

#include "runtime/data/permutation.h"

namespace cadmus {
namespace {

// The beginning of the first document after `token` that holds a token, or num_tokens.
int64_t NextDocumentBegin(const IndexedDataset& data, int64_t token) {
  return data.DocumentBegin(data.DocumentOf(token) + 1);
}

}  // namespace

WindowSampler::WindowSampler(const IndexedDataset& data, const WindowOptions& options)
    : data_(data), options_(options) {
  const int64_t s = options.sequence_length;
  if (s < 1 || s > std::numeric_limits<int32_t>::max()) {
    throw Error(Kind::kConfig, StrCat("sequence_length = ", s, "; give 1 or more"));
  }
  windows_per_epoch_ = (data.num_tokens() - 1) / s;
  if (windows_per_epoch_ == 0) {
    throw Error(Kind::kData, StrCat(data.prefix(), ": ", data.num_tokens(),
                                    " tokens are fewer than one sample of ", s,
                                    " + 1; set sequence_length to at most ", data.num_tokens() - 1,
                                    " or add text to the data set"));
  }
}

int64_t WindowSampler::WindowBegin(int64_t g) const {
  CADMUS_CHECK(g >= 0, StrCat("sample ", g));
  const int64_t epoch = g / windows_per_epoch_;
  const Permutation order(windows_per_epoch_, options_.seed, static_cast<uint64_t>(epoch));
  return order.ItemAt(g % windows_per_epoch_) * options_.sequence_length;
}

int64_t WindowSampler::SupervisedTokens(int64_t g) const {
  int64_t supervised = options_.sequence_length;
  if (!options_.mask_across_documents) return supervised;
  // Labels are tokens begin + 1 to last; those that begin a document are masked.
  const int64_t begin = WindowBegin(g);
  const int64_t last = begin + options_.sequence_length;
  for (int64_t at = NextDocumentBegin(data_, begin); at <= last;
       at = NextDocumentBegin(data_, at)) {
    --supervised;
  }
  return supervised;
}

void WindowSampler::Fill(int64_t g, const SampleRow& row) const {
  const int64_t begin = WindowBegin(g);
  const int64_t s = options_.sequence_length;
  int32_t last_label = 0;
  data_.Read(begin, s, row.tokens);
  data_.Read(begin + s, 1, &last_label);
  int64_t next_document = options_.mask_across_documents ? NextDocumentBegin(data_, begin)
                                                         : std::numeric_limits<int64_t>::max();
  int32_t position = 0;
  int32_t document = 0;
  for (int64_t i = 0; i < s; ++i, ++position) {
    if (begin + i == next_document) {
      position = 0;
      ++document;
      next_document = NextDocumentBegin(data_, next_document);
    }
    const int32_t label = i + 1 < s ? row.tokens[i + 1] : last_label;
    CheckToken(row.tokens[i], begin + i);
    CheckToken(label, begin + i + 1);
    row.labels[i] = begin + i + 1 == next_document ? -1 : label;
    row.positions[i] = position;
    row.documents[i] = document;
  }
}

void WindowSampler::CheckToken(int32_t token, int64_t at) const {
  if (token >= 0 && token < options_.vocab_size) return;
  throw Error(Kind::kData, StrCat(data_.prefix(), ".bin: token ", at, " is ", token,
                                  ", outside the vocabulary of ", options_.vocab_size,
                                  "; the file is damaged or another tokenizer's, build it again "
                                  "with `cadmus data build`"));
}

}  // namespace cadmus
