// SPDX-License-Identifier: Apache-2.0
// DatasetStats: what a data set holds, in numbers.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/data/token_data.h"

namespace cadmus {

struct DatasetStats {
  int64_t num_documents = 0;
  int64_t num_tokens = 0;
  int64_t largest_token = 0;
  int64_t num_separators = 0;  // tokens equal to the separator; 0 if none is known
  // Tokens of a document: the least number that so many percent of the documents do not exceed.
  struct Lengths {
    int64_t least = 0, p10 = 0, median = 0, p90 = 0, p99 = 0, most = 0;
  } lengths;
};

// Reads all tokens; memory grows by eight bytes a document. `separator` is the token that ends, or
// begins, each document. Empty documents are not counted.
DatasetStats MeasureDataset(const TokenData& data, std::optional<int32_t> separator);

}  // namespace cadmus
