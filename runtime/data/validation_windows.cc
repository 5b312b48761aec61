// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/validation_windows.h"

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// Entries [begin, S) of a row without labels.
void FillPadding(int64_t begin, int64_t end, const SampleRow& row) {
  const int32_t document = begin == 0 ? 0 : row.documents[begin - 1] + 1;
  for (int64_t i = begin; i < end; ++i) {
    row.tokens[i] = 0;
    row.labels[i] = -1;
    row.positions[i] = static_cast<int32_t>(i - begin);
    row.documents[i] = document;
  }
}

}  // namespace

ValidationWindows::ValidationWindows(DataMix mix, const ValidationOptions& options)
    : mix_(std::move(mix)), options_(options) {
  const int64_t s = options.sequence_length;
  if (s < 1) throw Error(Kind::kConfig, StrCat("sequence_length = ", s, "; give 1 or more"));
  int64_t all = 0;
  std::string names;
  for (const DataPart& tokens : mix_) {
    all += (tokens.num_tokens - 1 + s - 1) / s;
    names += StrCat(names.empty() ? "" : ", ", tokens.data->name());
  }
  const int64_t wanted = options.max_windows == 0 ? all : std::min(all, options.max_windows);
  int64_t before = 0;  // windows of the parts so far, if all were taken
  for (const DataPart& tokens : mix_) {
    const int64_t of_part = (tokens.num_tokens - 1 + s - 1) / s;
    const auto share = [&](int64_t windows) {
      return static_cast<int64_t>(static_cast<__int128>(windows) * wanted /
                                  std::max(all, int64_t{1}));
    };
    Part part = {.tokens = tokens,
                 .first_window = num_windows_,
                 .num_windows = share(before + of_part) - share(before),
                 .first_document = num_documents_};
    before += of_part;
    if (part.num_windows == 0) continue;
    const int64_t limit = std::min(tokens.first_token + tokens.num_tokens,
                                   tokens.first_token + part.num_windows * s + 1);
    for (int64_t at = tokens.first_token;;) {
      at = tokens.data->NextDocumentBegin(at, limit);
      if (at >= limit) break;
      part.later_documents.push_back(at);
    }
    num_windows_ += part.num_windows;
    num_documents_ += 1 + static_cast<int64_t>(part.later_documents.size());
    parts_.push_back(std::move(part));
  }
  if (num_windows_ == 0) {
    throw Error(Kind::kData, StrCat(names,
                                    ": the tokens held out for validation are too few to "
                                    "predict one; hold out more, or name another data set"));
  }
}

const ValidationWindows::Part& ValidationWindows::PartOf(int64_t window) const {
  const auto behind =
      std::upper_bound(parts_.begin(), parts_.end(), window,
                       [](int64_t value, const Part& part) { return value < part.first_window; });
  return *(behind - 1);
}

int64_t ValidationWindows::BeginOf(const Part& part, int64_t window) const {
  return part.tokens.first_token + (window - part.first_window) * options_.sequence_length;
}

int64_t ValidationWindows::NumLabels(const Part& part, int64_t window) const {
  const int64_t end = part.tokens.first_token + part.tokens.num_tokens;
  return std::min(options_.sequence_length, end - 1 - BeginOf(part, window));
}

void ValidationWindows::Fill(int64_t window, const SampleRow& row) const {
  CADMUS_CHECK(window >= 0, StrCat("window ", window));
  if (window >= num_windows_) return FillPadding(0, options_.sequence_length, row);
  const Part& part = PartOf(window);
  const int64_t num_labels = NumLabels(part, window);
  const WindowSampler sampler(*part.tokens.data,
                              {.sequence_length = num_labels,
                               .vocab_size = options_.vocab_size,
                               .mask_across_documents = options_.mask_across_documents,
                               .first_token = part.tokens.first_token,
                               .num_tokens = part.tokens.num_tokens});
  sampler.FillFrom(BeginOf(part, window), row);
  FillPadding(num_labels, options_.sequence_length, row);
}

void ValidationWindows::FillDocuments(int64_t window, std::span<int64_t> documents_S) const {
  std::fill(documents_S.begin(), documents_S.end(), -1);
  if (window >= num_windows_) return;
  const Part& part = PartOf(window);
  const int64_t first_label = BeginOf(part, window) + 1;
  auto next =
      std::upper_bound(part.later_documents.begin(), part.later_documents.end(), first_label - 1);
  for (int64_t i = 0; i < NumLabels(part, window); ++i) {
    while (next != part.later_documents.end() && *next <= first_label + i) ++next;
    documents_S[static_cast<size_t>(i)] =
        part.first_document + (next - part.later_documents.begin());
  }
}

}  // namespace cadmus
