// SPDX-License-Identifier: Apache-2.0
// TokenShards: reads the token files of llm.c and modded-nanogpt (fineweb_train_000001.bin, …)
// through memory maps, as one row of tokens in the order given.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/base/file.h"
#include "runtime/data/token_data.h"

namespace cadmus {

// A file is a header of 256 i32, of which three count: magic, version, number of tokens; then the
// tokens. Magic 20240520, version 1: GPT-2 tokens in u16. Magic 20240801, version 7: Llama 3 tokens
// in u32. The files do not say which tokenizer made them; the magic stands for it. Each document
// begins with a separating token. Source: karpathy/llm.c, dev/data/data_common.py.
class TokenShards : public TokenData {
 public:
  // `name` is what the user called the files. Throws kData, naming the file, if there is none or
  // one is missing, foreign, of another length than its header says, or of another form than the
  // first.
  TokenShards(std::string name, const std::vector<std::filesystem::path>& files);

  const std::string& name() const override { return name_; }
  int64_t num_tokens() const override { return begins_.back(); }
  // Searches for the separating token.
  int64_t NextDocumentBegin(int64_t token, int64_t limit) const override;
  void Read(int64_t begin, int64_t count, int32_t* out) const override;

  int64_t num_shards() const { return static_cast<int64_t>(files_.size()); }
  // The token that each document begins with, and the number of tokens of the vocabulary, as the
  // magic stands for: 50256 of 50257, 128000 of 128256.
  int32_t separator() const { return separator_; }
  int64_t vocab_size() const { return vocab_size_; }

 private:
  void AddShard(const std::filesystem::path& file);
  int32_t TokenAt(size_t shard, int64_t token) const;
  size_t ShardOf(int64_t token) const;

  std::string name_;
  std::vector<MappedFile> files_;
  std::vector<int64_t> begins_ = {0};  // first token of each shard, and the end
  int64_t token_bytes_ = 0;
  int32_t separator_ = 0;
  int64_t vocab_size_ = 0;
};

}  // namespace cadmus
