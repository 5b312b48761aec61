// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/window_sampler.h"

#include <limits>

#include "kernels/base/error.h"
#include "runtime/data/permutation.h"

namespace cadmus {
WindowSampler::WindowSampler(const TokenData& data, const WindowOptions& options)
    : data_(data), options_(options) {
  const int64_t s = options.sequence_length;
  if (s < 1 || s > std::numeric_limits<int32_t>::max()) {
    throw Error(Kind::kConfig, StrCat("sequence_length = ", s, "; give 1 or more"));
  }
  const int64_t num_tokens = options.num_tokens < 0 ? data.num_tokens() : options.num_tokens;
  CADMUS_CHECK(options.first_token >= 0 && options.first_token <= data.num_tokens() - num_tokens,
               StrCat(num_tokens, " tokens from ", options.first_token));
  if (num_tokens <= s) {
    throw Error(Kind::kData,
                StrCat(data.name(), ": ", num_tokens, " tokens are fewer than one sample of ", s,
                       " + 1; set sequence_length to at most ", num_tokens - 1,
                       " or add text to the data set"));
  }
  windows_per_epoch_ = (num_tokens - 1) / s;
}

int64_t WindowSampler::WindowBegin(int64_t g) const {
  CADMUS_CHECK(g >= 0, StrCat("sample ", g));
  const int64_t epoch = g / windows_per_epoch_;
  const Permutation order(windows_per_epoch_, options_.seed, static_cast<uint64_t>(epoch));
  return options_.first_token + order.ItemAt(g % windows_per_epoch_) * options_.sequence_length;
}

int64_t WindowSampler::SupervisedTokens(int64_t g) const {
  int64_t supervised = options_.sequence_length;
  if (!options_.mask_across_documents) return supervised;
  // Labels are tokens begin + 1 to last; those that begin a document are masked.
  const int64_t begin = WindowBegin(g);
  const int64_t last = begin + options_.sequence_length;
  for (int64_t at = data_.NextDocumentBegin(begin, last + 1); at <= last;
       at = data_.NextDocumentBegin(at, last + 1)) {
    --supervised;
  }
  return supervised;
}

void WindowSampler::FillFrom(int64_t begin, const SampleRow& row) const {
  const int64_t s = options_.sequence_length;
  const int64_t end = begin + s + 1;  // of the labels
  int32_t last_label = 0;
  data_.Read(begin, s, row.tokens);
  data_.Read(begin + s, 1, &last_label);
  int64_t next_document =
      options_.mask_across_documents ? data_.NextDocumentBegin(begin, end) : end;
  int32_t position = 0;
  int32_t document = 0;
  for (int64_t i = 0; i < s; ++i, ++position) {
    if (begin + i == next_document) {
      position = 0;
      ++document;
      next_document = data_.NextDocumentBegin(next_document, end);
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
  throw Error(Kind::kData, StrCat(data_.name(), ": token ", at, " is ", token,
                                  ", outside the vocabulary of ", options_.vocab_size,
                                  "; the file is damaged or another tokenizer's, build it again "
                                  "with `cadmus data build`"));
}

}  // namespace cadmus
