// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/load_tokenizer.h"

#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runtime/text/sentencepiece_tokenizer.h"
#include "runtime/text/tiktoken.h"
#include "runtime/text/tokenizer_json.h"

namespace cadmus {
namespace {

constexpr uintmax_t kMaxBytes = uintmax_t{128} << 20;
constexpr std::string_view kWhiteSpace = " \t\r\n";

std::filesystem::path FileAt(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return path;
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    if (std::filesystem::exists(path / name)) return path / name;
  }
  throw Error(Kind::kData, StrCat(path.string(),
                                  ": this folder has no tokenizer.json and no "
                                  "tokenizer.model"));
}

// The first bytes of a file.
std::string ReadStart(const std::filesystem::path& path) {
  const FileDescriptor file = OpenForReading(path, Kind::kData);
  std::string start(4096, '\0');
  const ssize_t size = read(file.get(), start.data(), start.size());
  if (size < 0) {
    throw Error(Kind::kData, StrCat(path.string(), ": ", std::generic_category().message(errno)));
  }
  start.resize(static_cast<size_t>(size));
  return start;
}

bool IsJson(std::string_view start) {
  const size_t first = start.find_first_not_of(kWhiteSpace);
  return first != std::string_view::npos && start[first] == '{';
}

// A model is a protobuf whose first field, number 1, is a message: the first piece, whose first
// field is its text.
bool IsSentencePiece(std::string_view start) {
  return start.size() > 2 && start[0] == '\x0A' && start[2] == '\x0A';
}

bool IsRanks(std::string_view start) {
  const size_t space = start.find(' ');
  return space != std::string_view::npos && space > 0 &&
         start.substr(0, space).find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
             std::string_view::npos;
}

}  // namespace

std::unique_ptr<const Tokenizer> LoadTokenizer(const std::filesystem::path& path) {
  const std::filesystem::path file = FileAt(path);
  const std::string start = ReadStart(file);
  if (const uintmax_t bytes = std::filesystem::file_size(file); bytes > kMaxBytes) {
    throw Error(Kind::kData, StrCat(file.string(), ": ", bytes, " bytes are too many for a ",
                                    "tokenizer; is this another file?"));
  }
  if (IsJson(start)) return std::make_unique<const BpeTokenizer>(LoadTokenizerJson(file));
  if (IsSentencePiece(start)) return LoadSentencePiece(file);
  if (IsRanks(start)) return std::make_unique<const BpeTokenizer>(LoadTiktoken(file));
  throw Error(Kind::kData, StrCat(file.string(), ": neither a tokenizer.json (JSON) nor a ",
                                  "SentencePiece model nor tiktoken ranks; give one of these"));
}

}  // namespace cadmus
