// SPDX-License-Identifier: Apache-2.0
// `cadmus data`: data sets and tokenizers.
#pragma once

#include <cstdint>
#include <string>

namespace cadmus {

struct DataBuildFlags {
  std::string text, tokenizer, out;
};
int RunDataBuild(const DataBuildFlags& flags);

struct TokenizerTrainFlags {
  std::string text, out;
  int32_t vocab_size = 0;
};
int RunTokenizerTrain(const TokenizerTrainFlags& flags);

struct TokenizerCodeFlags {
  std::string tokenizer;
};
// All of stdin is one text; ids are separated by spaces.
int RunTokenizerEncode(const TokenizerCodeFlags& flags);
int RunTokenizerDecode(const TokenizerCodeFlags& flags);

}  // namespace cadmus
