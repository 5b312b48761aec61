// SPDX-License-Identifier: Apache-2.0
// How often each piece of a PreTokenizer occurs in a stream of documents: all that BPE training
// needs to know of a text.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/text/pre_tokenizer.h"

namespace cadmus {

// The next document; nothing after the last. Called by one thread at a time.
using DocumentSource = std::function<std::optional<std::string>()>;

struct PieceCount {
  std::string piece;
  uint64_t count = 0;
};

// Counts on `num_threads` threads; sorted by bytes, so the result does not depend on their number.
// Errors of `next_document` end the count and are rethrown.
std::vector<PieceCount> CountPieces(const PreTokenizer& pre_tokenizer,
                                    const DocumentSource& next_document, int num_threads);

}  // namespace cadmus
