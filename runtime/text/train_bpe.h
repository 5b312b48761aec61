// SPDX-License-Identifier: Apache-2.0
// Learns a byte-level BPE tokenizer from text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/bpe_tokenizer.h"
#include "runtime/text/piece_counts.h"

namespace cadmus {

struct TrainBpeArgs {
  int32_t vocab_size = 0;  // 256 bytes + merges + special tokens
  std::vector<std::string> special_tokens = {std::string(kEndOfText)};
  std::string pattern = std::string(kDefaultPattern);
  int num_threads = 1;  // changes no result
};

// Token i < 256 is the byte i; then come the merges in the order learned, then the special tokens.
// Each step merges, wherever it occurs, the pair of adjacent tokens with the highest count: the
// pairs of every piece, overlapping ones included, times the occurrences of the piece. Ties go to
// the lowest (left id, right id). Pairs that would spell a token or special token a second time are
// passed over. If no pair occurs twice before `vocab_size` is reached, it stops there with a
// warning; vocab_size() of the result says where. O(N log N) time and about 30 bytes of memory for
// each of the N bytes of the distinct pieces. Throws kConfig for a vocab_size below 256 + special
// tokens and for bad special tokens, kData for a bad pattern.
BpeTokenizer TrainBpe(const TrainBpeArgs& args, const DocumentSource& next_document);
BpeTokenizer TrainBpe(const TrainBpeArgs& args, std::span<const std::string_view> documents);

}  // namespace cadmus
