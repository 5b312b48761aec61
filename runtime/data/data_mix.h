// SPDX-License-Identifier: Apache-2.0
// DataMix: which tokens a run trains on, in which proportion, and which it holds out.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/data/token_data.h"

namespace cadmus {

// Consecutive tokens of a data set, and their weight among the parts of a mix.
struct DataPart {
  std::shared_ptr<const TokenData> data;  // shared by all that read it: loaders, an evaluation
  int64_t first_token = 0;
  int64_t num_tokens = 0;
  double weight = 1;
};

// Samples are taken from the parts in the proportion of their weights.
using DataMix = std::vector<DataPart>;

DataPart WholeOf(std::shared_ptr<const TokenData> data, double weight = 1);

int64_t NumTokens(const DataMix& mix);

struct DataSplit {
  DataPart training;
  DataPart validation;
};

// Holds out the last documents: about floor(fraction * tokens), without a token in common with the
// rest. The cut falls on the nearest beginning of a document; if none is nearer than half of what
// is held out, the document is cut in two. Requires 0 < fraction < 1; throws kData if either part
// has no token.
DataSplit SplitOff(const DataPart& part, double fraction);

}  // namespace cadmus
