// SPDX-License-Identifier: Apache-2.0
// FlatSplit: ZeRO's layer over local tensors. The elements of a tensor, in row-major order, are cut
// into n shards of one size; what the last shards lack is padding.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/base/error.h"

namespace cadmus {

struct FlatRange {
  int64_t offset = 0;  // in elements of the tensor
  int64_t extent = 0;  // without padding; may be 0
};

class FlatSplit {
 public:
  FlatSplit(int64_t num_elements, int num_shards)
      : num_elements_(num_elements), num_shards_(num_shards) {
    CADMUS_CHECK(num_elements >= 0 && num_shards >= 1,
                 StrCat(num_elements, " elements over ", num_shards, " shards"));
    shard_elements_ = num_elements / num_shards + (num_elements % num_shards != 0);
  }

  // ⌈num_elements / num_shards⌉: what every rank allocates and every collective moves.
  int64_t shard_elements() const { return shard_elements_; }
  // Elements over all shards that are not in the tensor.
  int64_t padding() const { return shard_elements_ * num_shards_ - num_elements_; }

  // The elements of the tensor in shard `index`; the rest of that shard is padding.
  FlatRange Range(int index) const {
    CADMUS_CHECK(0 <= index && index < num_shards_, StrCat("shard ", index, " of ", num_shards_));
    const int64_t offset = std::min(index * shard_elements_, num_elements_);
    return {.offset = offset, .extent = std::min(shard_elements_, num_elements_ - offset)};
  }

 private:
  int64_t num_elements_;
  int64_t shard_elements_;
  int num_shards_;
};

}  // namespace cadmus
