// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/corpus_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/base/error.h"
#include "runtime/data/text_parts.h"

namespace cadmus {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

CorpusCounts& CorpusCounts::operator+=(const CorpusCounts& other) {
  num_documents += other.num_documents;
  text_bytes += other.text_bytes;
  skipped_binary += other.skipped_binary;
  skipped_empty += other.skipped_empty;
  return *this;
}

std::optional<CorpusPiece> CorpusReader::Next() {
  while (file_ < corpus_.files().size()) {
    const std::filesystem::path& file = corpus_.files()[file_];
    if (stream_ == nullptr) {
      stream_ = std::make_unique<TextStream>(file);
      at_end_ = in_document_ = false;
      line_ = 1;
      ahead_.clear();
    }
    CorpusPiece piece = {.file = &file, .is_json_lines = HoldsJsonLines(file)};
    const bool found = piece.is_json_lines ? TakeLines(piece) : TakeText(piece);
    piece.file_bytes = finished_bytes_ + stream_->file_bytes();
    if (found) return piece;
    finished_bytes_ = piece.file_bytes;
    stream_.reset();
    ++file_;
  }
  return std::nullopt;
}

bool CorpusReader::TakeText(CorpusPiece& piece) {
  if (at_end_) return false;
  const bool is_first = !in_document_;
  at_end_ = !stream_->FillTo(kTextPartBytes, ahead_);
  if (is_first) {
    if (ahead_.empty()) ++skipped_.skipped_empty;
    const bool is_binary = std::memchr(ahead_.data(), 0, ahead_.size()) != nullptr;
    if (is_binary) ++skipped_.skipped_binary;
    if (ahead_.empty() || is_binary) return false;
  }
  in_document_ = true;
  piece.begins_document = is_first;
  piece.ends_document = at_end_;
  const size_t length = at_end_ ? ahead_.size() : TextPartLength(ahead_);
  std::string rest = ahead_.substr(length);
  ahead_.resize(length);
  piece.bytes = std::exchange(ahead_, std::move(rest));
  return true;
}

bool CorpusReader::TakeLines(CorpusPiece& piece) {
  if (at_end_) return false;
  size_t end = std::string::npos;  // of the last whole line
  for (size_t size = kTextPartBytes; end == std::string::npos; size *= 2) {
    if (size > kMaxJsonLineBytes) {
      throw Error(Kind::kData,
                  StrCat(LinePlace{*piece.file, line_}.ToString(), ": the line is longer than ",
                         kMaxJsonLineBytes >> 20, " MiB; is this JSONL? Split the document"));
    }
    at_end_ = !stream_->FillTo(size, ahead_);
    const size_t line_end = ahead_.rfind('\n');
    if (at_end_) {
      end = ahead_.size();
    } else if (line_end != std::string::npos) {
      end = line_end + 1;
    }
  }
  if (line_ == 1 && ahead_.empty()) ++skipped_.skipped_empty;
  piece.first_line = line_;
  std::string rest = ahead_.substr(end);
  ahead_.resize(end);
  piece.bytes = std::exchange(ahead_, std::move(rest));
  for (char c : piece.bytes) line_ += c == '\n' ? 1 : 0;
  return !piece.bytes.empty();
}

void ForEachText(const CorpusPiece& piece, JsonLineParser& parser, CorpusCounts& counts,
                 const TextVisitor& visit) {
  if (!piece.is_json_lines) {
    counts.text_bytes += static_cast<int64_t>(piece.bytes.size());
    if (piece.ends_document) ++counts.num_documents;
    visit(piece.bytes, piece.begins_document, piece.ends_document);
    return;
  }
  std::string_view rest = piece.bytes;
  if (piece.first_line == 1 && rest.starts_with(kByteOrderMark)) {
    rest.remove_prefix(kByteOrderMark.size());
  }
  for (int64_t number = piece.first_line; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (IsBlank(line)) continue;
    const std::string_view text = parser.TextOf(line, {*piece.file, number});
    if (text.empty()) {
      ++counts.skipped_empty;
      continue;
    }
    ++counts.num_documents;
    counts.text_bytes += static_cast<int64_t>(text.size());
    bool begins = true;
    ForEachTextPart(text, [&](std::string_view part, bool ends) {
      visit(part, begins, ends);
      begins = false;
    });
  }
}

void RequireText(const TextCorpus& corpus, const CorpusCounts& counts) {
  if (counts.num_documents > 0) return;
  throw Error(Kind::kData,
              StrCat(corpus.name(), ": no text, ", counts.skipped_binary, " binary and ",
                     counts.skipped_empty, " empty files; give a folder of text files"));
}

std::optional<std::string> CorpusTexts::Next() {
  while (next_text_ == texts_.size()) {
    texts_.clear();
    next_text_ = 0;
    const std::optional<CorpusPiece> piece = reader_.Next();
    if (!piece) {
      RequireText(corpus_, counts());
      return std::nullopt;
    }
    ForEachText(*piece, parser_, counts_, [&](std::string_view text, bool, bool) {
      if (!text.empty()) texts_.emplace_back(text);
    });
  }
  return std::move(texts_[next_text_++]);
}

CorpusCounts CorpusTexts::counts() const {
  CorpusCounts counts = counts_;
  return counts += reader_.skipped();
}

}  // namespace cadmus
