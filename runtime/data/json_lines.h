// SPDX-License-Identifier: Apache-2.0
// JsonLineParser: the text of one line of a JSONL file, one JSON object a line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace cadmus {

// Lines are read whole; a longer one is refused.
inline constexpr size_t kMaxJsonLineBytes = size_t{64} << 20;

// "books.jsonl:17", as compilers and editors spell it.
struct LinePlace {
  const std::filesystem::path& file;
  int64_t line;  // from 1

  std::string ToString() const;
};

// Not thread-safe: each thread has its own, and its memory is that of the longest line.
class JsonLineParser {
 public:
  explicit JsonLineParser(std::string text_field);
  ~JsonLineParser();

  // The string in the field, valid until the next call. All of the line is checked. Throws kData,
  // naming file and line, if it is no JSON object, lacks the field, or holds no string there.
  std::string_view TextOf(std::string_view line, const LinePlace& place);

 private:
  struct Parser;

  std::string text_field_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace cadmus
