// SPDX-License-Identifier: Apache-2.0
// TextCorpus: the text files of a folder, one document each, in an order that depends on their
// names alone; CorpusReader: one pass over their documents.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
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

  const std::filesystem::path& root() const { return root_; }
  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  std::filesystem::path root_;
  std::vector<std::filesystem::path> files_;
};

class CorpusReader {
 public:
  // `corpus` must outlive the reader.
  explicit CorpusReader(const TextCorpus& corpus) : corpus_(corpus) {}

  // The next document, the whole of a file, decompressed if it is gzip; nothing after the last.
  // Files that are empty or hold a NUL byte are counted and skipped. Throws kData if a file cannot
  // be read, is broken gzip, or is text of 2^31 bytes or more, and if there was no document at all.
  std::optional<std::string> Next();

  // Of the files passed so far.
  const CorpusCounts& counts() const { return counts_; }

 private:
  const TextCorpus& corpus_;
  size_t next_file_ = 0;
  CorpusCounts counts_;
};

}  // namespace cadmus
