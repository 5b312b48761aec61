// SPDX-License-Identifier: Apache-2.0
// TextCorpus: the text files of a folder, one document each, in an order that depends on their
// names alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

namespace cadmus {

struct CorpusCounts {
  int64_t num_documents = 0;
  int64_t text_bytes = 0;      // of documents, decompressed
  int64_t skipped_binary = 0;  // files with a NUL byte
  int64_t skipped_empty = 0;
};

class TextCorpus {
 public:
  // `root` is a file, or a folder that is walked to the bottom. Hidden entries (.git) are left out;
  // links to files are followed, links to folders are not. Throws kData if it is missing, cannot be
  // read, or holds no file.
  explicit TextCorpus(std::filesystem::path root);

  // Calls `visit` with each document: the whole of a file, decompressed if it is gzip. Files that
  // are empty or hold a NUL byte are counted and skipped. Throws kData if a file cannot be read, is
  // broken gzip, or is text of 2^31 bytes or more, and if there is no document at all.
  CorpusCounts ForEachDocument(const std::function<void(std::string_view)>& visit) const;

  const std::filesystem::path& root() const { return root_; }
  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  std::filesystem::path root_;
  std::vector<std::filesystem::path> files_;
};

}  // namespace cadmus
