// SPDX-License-Identifier: Apache-2.0
// CorpusReader: one pass over the files of a TextCorpus in pieces of bounded size, cut where each
// can be encoded by itself; CorpusTexts: the texts in them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/data/json_lines.h"
#include "runtime/data/text_corpus.h"
#include "runtime/data/text_stream.h"

namespace cadmus {

struct CorpusCounts {
  int64_t num_documents = 0;
  int64_t text_bytes = 0;      // of documents, decompressed
  int64_t skipped_binary = 0;  // files with a NUL byte in their first MiB
  int64_t skipped_empty = 0;   // files, and texts of JSON lines

  CorpusCounts& operator+=(const CorpusCounts& other);
};

// Some bytes of one file: part of a document (see text_parts.h), or whole JSON lines.
struct CorpusPiece {
  const std::filesystem::path* file = nullptr;  // of the corpus
  std::string bytes;
  bool is_json_lines = false;
  int64_t first_line = 1;       // JSON lines: the number of the first
  bool begins_document = true;  // text: the first part of a file
  bool ends_document = true;    // text: the last part
  int64_t file_bytes = 0;       // of the corpus on disk, read up to the end of this piece
};

class CorpusReader {
 public:
  // `corpus` must outlive the reader.
  explicit CorpusReader(const TextCorpus& corpus) : corpus_(corpus) {}

  // The next piece; nothing after the last. Empty and binary files are counted and skipped. Throws
  // kData if a file cannot be read, is broken gzip, or has a JSON line of more than 64 MiB.
  std::optional<CorpusPiece> Next();

  // Files skipped so far; the other counts are zero.
  const CorpusCounts& skipped() const { return skipped_; }

 private:
  bool TakeText(CorpusPiece& piece);   // false: nothing more in the file
  bool TakeLines(CorpusPiece& piece);  // likewise

  const TextCorpus& corpus_;
  CorpusCounts skipped_;
  size_t file_ = 0;
  int64_t finished_bytes_ = 0;          // of the files before file_
  std::unique_ptr<TextStream> stream_;  // of file_; null before it is opened
  bool at_end_ = false;                 // of the stream
  bool in_document_ = false;
  int64_t line_ = 1;
  std::string ahead_;  // read, not yet in a piece
};

// Calls visit(text, begins_document, ends_document) for the texts of `piece` in order: its bytes,
// or the documents of its JSON lines, the long ones in parts (text_parts.h). Lines of white space
// are passed over. Counts what it meets.
using TextVisitor = std::function<void(std::string_view, bool begins, bool ends)>;
void ForEachText(const CorpusPiece& piece, JsonLineParser& parser, CorpusCounts& counts,
                 const TextVisitor& visit);

// Throws kData if `counts`, of all of `corpus`, has no document.
void RequireText(const TextCorpus& corpus, const CorpusCounts& counts);

// The texts one after the other, for one thread: documents, long ones in parts.
class CorpusTexts {
 public:
  CorpusTexts(const TextCorpus& corpus, const std::string& text_field)
      : corpus_(corpus), reader_(corpus), parser_(text_field) {}

  // Nothing after the last. Throws as CorpusReader and JsonLineParser do, and RequireText.
  std::optional<std::string> Next();

  // Of the texts passed so far.
  CorpusCounts counts() const;

 private:
  const TextCorpus& corpus_;
  CorpusReader reader_;
  JsonLineParser parser_;
  CorpusCounts counts_;
  std::vector<std::string> texts_;  // of the current piece
  size_t next_text_ = 0;
};

}  // namespace cadmus
