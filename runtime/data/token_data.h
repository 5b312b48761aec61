// SPDX-License-Identifier: Apache-2.0
// TokenData: documents of tokens as one row, whatever files they lie in.
#pragma once

#include <cstdint>
#include <string>

namespace cadmus {

// What a pass over all tokens reads at once.
inline constexpr int64_t kTokensPerRead = int64_t{1} << 20;

// Immutable; any number of threads may read.
class TokenData {
 public:
  virtual ~TokenData() = default;

  // What messages call it: its path.
  virtual const std::string& name() const = 0;
  virtual int64_t num_tokens() const = 0;

  // The first of the tokens (token, limit) that begins a document; limit if none does. 0 ≤ token <
  // limit ≤ num_tokens.
  virtual int64_t NextDocumentBegin(int64_t token, int64_t limit) const = 0;

  // Writes tokens [begin, begin + count) to `out`. Throws kData if one does not fit in an int32.
  virtual void Read(int64_t begin, int64_t count, int32_t* out) const = 0;
};

}  // namespace cadmus
