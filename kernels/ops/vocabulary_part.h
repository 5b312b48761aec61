// SPDX-License-Identifier: Apache-2.0
// VocabularyPart: which entries of a vocabulary the local rows of a table, or the local columns of
// logits, stand for. Local entry i is entry `first` + i; those that fall at or behind `vocab_size`
// are padding, which makes the parts of all ranks equally large.
#pragma once

#include <algorithm>
#include <cstdint>

namespace cadmus {

struct VocabularyPart {
  int64_t first = 0;
  int64_t vocab_size = 0;  // of the whole vocabulary, without padding

  // How many of `num_local` entries exist; the rest, at the end, are padding.
  int64_t NumPresent(int64_t num_local) const {
    return std::clamp<int64_t>(vocab_size - first, 0, num_local);
  }
};

}  // namespace cadmus
