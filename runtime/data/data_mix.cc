// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/data_mix.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/base/error.h"

namespace cadmus {

namespace {

// The beginning of a document that is nearest to `cut`, at most `reach` away and not below `least`;
// `cut` itself if there is none.
int64_t CutNear(const TokenData& data, int64_t cut, int64_t reach, int64_t least) {
  const int64_t after = data.NextDocumentBegin(cut - 1, cut + reach + 1);
  if (after <= cut + reach) reach = after - cut;
  int64_t before = cut;  // the last that begins before the cut, if any does
  const int64_t low = std::max(least, cut - reach);
  for (int64_t at = low - 1; at < cut;) {
    at = data.NextDocumentBegin(at, cut);
    if (at < cut) before = at;
  }
  if (before < cut) return before;
  return after <= cut + reach ? after : cut;
}

}  // namespace

DataPart WholeOf(std::shared_ptr<const TokenData> data, double weight) {
  const int64_t num_tokens = data->num_tokens();
  return {.data = std::move(data), .num_tokens = num_tokens, .weight = weight};
}

int64_t NumTokens(const DataMix& mix) {
  int64_t num_tokens = 0;
  for (const DataPart& part : mix) num_tokens += part.num_tokens;
  return num_tokens;
}

DataSplit SplitOff(const DataPart& part, double fraction) {
  CADMUS_CHECK(0 < fraction && fraction < 1, StrCat("fraction ", fraction));
  const auto wanted =
      static_cast<int64_t>(std::floor(fraction * static_cast<double>(part.num_tokens)));
  if (wanted == 0 || wanted == part.num_tokens) {
    throw Error(Kind::kData, StrCat(part.data->name(), ": ", fraction, " of its ", part.num_tokens,
                                    " tokens leave nothing to one side; give another "
                                    "validation_fraction, or add text"));
  }
  const int64_t end = part.first_token + part.num_tokens;
  const int64_t cut = CutNear(*part.data, end - wanted, wanted / 2, part.first_token + 1);
  DataSplit split = {.training = part, .validation = part};
  split.training.num_tokens = cut - part.first_token;
  split.validation.first_token = cut;
  split.validation.num_tokens = end - cut;
  return split;
}

}  // namespace cadmus
