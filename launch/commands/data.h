// SPDX-License-Identifier: Apache-2.0
// `cadmus data`: data sets and tokenizers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cadmus {

struct DataBuildFlags {
  std::vector<std::string> texts;
  std::string tokenizer, out;
  std::string text_field = "text";
  int num_threads = 0;  // 0: one for each core
};
int RunDataBuild(const DataBuildFlags& flags);

struct TokenizerTrainFlags {
  std::vector<std::string> texts;
  std::string out;
  std::string text_field = "text";
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
