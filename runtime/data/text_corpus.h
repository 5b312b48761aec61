// SPDX-License-Identifier: Apache-2.0
// TextCorpus: the files of text that a data set is made of, in an order that depends on their names
// alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cadmus {

class TextCorpus {
 public:
  // Each root is a file, or a folder that is walked to the bottom; roots follow each other as they
  // are given. Hidden entries (.git) of folders are left out; links to files are followed, links to
  // folders are not. Throws kData if one is missing, cannot be read, or holds no file.
  explicit TextCorpus(std::vector<std::filesystem::path> roots);
  explicit TextCorpus(std::filesystem::path root) : TextCorpus(std::vector{std::move(root)}) {}

  const std::vector<std::filesystem::path>& files() const { return files_; }
  int64_t file_bytes() const { return file_bytes_; }  // of all files, as they lie on disk
  // The roots, for people.
  std::string name() const;

 private:
  std::vector<std::filesystem::path> roots_;
  std::vector<std::filesystem::path> files_;
  int64_t file_bytes_ = 0;
};

// Whether the name says that each line is a JSON object: .jsonl or .ndjson, also with .gz.
bool HoldsJsonLines(const std::filesystem::path& file);

}  // namespace cadmus
