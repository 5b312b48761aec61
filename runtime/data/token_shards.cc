// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/token_shards.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "kernels/base/load_as.h"
namespace cadmus {
namespace {

constexpr int64_t kHeaderBytes = 256 * 4;

struct Form {
  int32_t magic, version;
  int64_t token_bytes;
  int32_t separator;
  int64_t vocab_size;
};
constexpr std::array<Form, 2> kForms = {{
    {.magic = 20240520, .version = 1, .token_bytes = 2, .separator = 50256, .vocab_size = 50257},
    {.magic = 20240801, .version = 7, .token_bytes = 4, .separator = 128000, .vocab_size = 128256},
}};

[[noreturn]] void ThrowBroken(const std::filesystem::path& file, std::string_view what) {
  throw Error(Kind::kData, StrCat(file.string(), ": ", what));
}

}  // namespace

TokenShards::TokenShards(std::string name, const std::vector<std::filesystem::path>& files)
    : name_(std::move(name)) {
  if (files.empty()) {
    throw Error(Kind::kData, StrCat(name_,
                                    ": no .bin file; give a file, a folder or a pattern of "
                                    "token files, or the prefix of a data set"));
  }
  for (const std::filesystem::path& file : files) AddShard(file);
}

void TokenShards::AddShard(const std::filesystem::path& file) {
  MappedFile mapped(file, Kind::kData);
  const std::span<const std::byte> bytes = mapped.bytes();
  if (bytes.size() < static_cast<size_t>(kHeaderBytes)) {
    ThrowBroken(file, StrCat("no token file, its ", bytes.size(),
                             " bytes are less than a header; fetch it again"));
  }
  const auto magic = LoadAs<int32_t>(bytes.data());
  const auto version = LoadAs<int32_t>(bytes.data() + 4);
  const int64_t num_tokens = LoadAs<int32_t>(bytes.data() + 8);
  const auto* form = std::ranges::find(kForms, magic, &Form::magic);
  if (form == kForms.end()) {
    ThrowBroken(file, StrCat("no token file, it begins with ", magic,
                             ", not with 20240520 (GPT-2 "
                             "tokens) or 20240801 (Llama "
                             "3); give files of llm.c or "
                             "modded-nanogpt"));
  }
  if (version != form->version) {
    ThrowBroken(file, StrCat("version ", version, ", known is ", form->version));
  }
  if (num_tokens < 0 ||
      kHeaderBytes + num_tokens * form->token_bytes != static_cast<int64_t>(bytes.size())) {
    ThrowBroken(file, StrCat("truncated or overwritten, ", num_tokens, " tokens do not take ",
                             bytes.size(), " bytes; fetch it again"));
  }
  if (!files_.empty() && form->token_bytes != token_bytes_) {
    ThrowBroken(file, StrCat("holds the tokens of another tokenizer than ",
                             files_.front().path().string(), "; give them as two sources"));
  }
  token_bytes_ = form->token_bytes;
  separator_ = form->separator;
  vocab_size_ = form->vocab_size;
  begins_.push_back(begins_.back() + num_tokens);
  files_.push_back(std::move(mapped));
}

size_t TokenShards::ShardOf(int64_t token) const {
  return static_cast<size_t>(std::ranges::upper_bound(begins_, token) - begins_.begin()) - 1;
}

int64_t TokenShards::NextDocumentBegin(int64_t token, int64_t limit) const {
  CADMUS_CHECK(0 <= token && token < limit && limit <= num_tokens(),
               StrCat("tokens (", token, ", ", limit, ") of ", num_tokens()));
  const auto search = [&]<class T>(T separator) {
    int64_t at = token + 1;
    for (size_t shard = ShardOf(token); at < limit; ++shard) {
      const int64_t end = std::min(limit, begins_[shard + 1]);
      const std::byte* tokens = files_[shard].bytes().data() + kHeaderBytes;
      for (; at < end; ++at) {
        const int64_t offset = (at - begins_[shard]) * static_cast<int64_t>(sizeof(T));
        if (LoadAs<T>(tokens + offset) == separator) return at;
      }
    }
    return limit;
  };
  return token_bytes_ == 2 ? search(static_cast<uint16_t>(separator_))
                           : search(static_cast<uint32_t>(separator_));
}

void TokenShards::Read(int64_t begin, int64_t count, int32_t* out) const {
  CADMUS_CHECK(0 <= begin && 0 <= count && begin <= num_tokens() - count,
               StrCat("tokens [", begin, ", ", begin + count, ") of ", num_tokens()));
  const int64_t last = begin + count;
  for (size_t shard = ShardOf(begin); begin < last; ++shard) {
    const int64_t end = std::min(last, begins_[shard + 1]);
    for (; begin < end; ++begin) *out++ = TokenAt(shard, begin);
  }
}

int32_t TokenShards::TokenAt(size_t shard, int64_t token) const {
  const std::byte* at =
      files_[shard].bytes().data() + kHeaderBytes + (token - begins_[shard]) * token_bytes_;
  if (token_bytes_ == 2) return LoadAs<uint16_t>(at);
  const auto value = LoadAs<uint32_t>(at);
  if (value > static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
    ThrowBroken(files_[shard].path(), StrCat("token ", token - begins_[shard],
                                             " does not fit in 32 bits; fetch the file again"));
  }
  return static_cast<int32_t>(value);
}

}  // namespace cadmus
