// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share: small data sets in a temporary folder.
#pragma once

#include <gmock/gmock.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runtime/data/indexed_dataset_writer.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {

inline void WriteText(const std::string& path, std::string_view text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

using Documents = std::vector<std::vector<int32_t>>;

inline void WriteDataset(const std::string& prefix, const Documents& documents,
                         int64_t vocab_size) {
  IndexedDatasetWriter writer(prefix, vocab_size);
  for (const auto& document : documents) writer.AddDocument(document);
  writer.Commit();
}

// `lengths.size()` documents of the tokens 0, 1, 2, ... modulo vocab_size.
inline Documents CountingDocuments(const std::vector<int64_t>& lengths, int64_t vocab_size) {
  Documents documents;
  int64_t next = 0;
  for (int64_t length : lengths) {
    documents.emplace_back();
    for (int64_t i = 0; i < length; ++i, ++next) {
      documents.back().push_back(static_cast<int32_t>(next % vocab_size));
    }
  }
  return documents;
}

inline std::vector<int32_t> Concatenate(const Documents& documents) {
  std::vector<int32_t> all;
  for (const auto& document : documents) all.insert(all.end(), document.begin(), document.end());
  return all;
}

// Runs `action`, which must throw an Error of `kind` whose message matches.
template <class Action, class Matcher>
void ExpectError(Kind kind, const Matcher& message, Action&& action) {
  try {
    action();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    EXPECT_THAT(error.message(), message);
  }
}

}  // namespace cadmus
