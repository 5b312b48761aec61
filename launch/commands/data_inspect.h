// SPDX-License-Identifier: Apache-2.0
// `cadmus data stats|show|verify`: what a data set holds, and whether it is whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cadmus {

struct DataStatsFlags {
  std::vector<std::string> paths;
  bool json = false;
};
int RunDataStats(const DataStatsFlags& flags);

struct DataShowFlags {
  std::string path, tokenizer;
  int64_t document = -1;
  int64_t window = -1;
  int64_t sequence_length = 0;  // of the window
  bool json = false;
};
// One document, or one window of training with its labels, positions and document bounds.
int RunDataShow(const DataShowFlags& flags);

struct DataVerifyFlags {
  std::string path, tokenizer;
  bool json = false;
};
// Throws kData, naming every fault.
int RunDataVerify(const DataVerifyFlags& flags);

}  // namespace cadmus
