// SPDX-License-Identifier: Apache-2.0
// OpenTokenData: the data set that a path names, in either of the forms that Cadmus reads.
#pragma once

#include <memory>
#include <string>

#include "runtime/data/indexed_dataset.h"
#include "runtime/data/token_shards.h"

namespace cadmus {

// One of the two.
struct OpenedData {
  std::shared_ptr<const IndexedDataset> indexed;
  std::shared_ptr<const TokenShards> shards;

  std::shared_ptr<const TokenData> tokens() const {
    if (indexed) return indexed;
    return shards;
  }
};

// `path` is the prefix of a Megatron data set (PATH.bin, PATH.idx); or token files of llm.c: one
// file, a pattern with * and ?, or a folder, in the order of their names. Throws kData as the two
// classes do, and for a folder that holds files for validation (_val_) among others.
OpenedData OpenTokenData(const std::string& path);

}  // namespace cadmus
