// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/tiktoken.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runtime/text/base64.h"

namespace cadmus {
namespace {

// The pattern of GPT-4o and Llama 4.
constexpr std::string_view kO200kPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// That of GPT-4, but with each digit by itself.
constexpr std::string_view kQwenPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Special tokens by id, from the lowest on.
using SpecialTokens = std::vector<std::pair<int32_t, std::string>>;

void AppendNumbered(std::string_view prefix, int first, int end, SpecialTokens& tokens) {
  for (int number = first; number < end; ++number) {
    tokens.emplace_back(tokens.back().first + 1, StrCat("<|", prefix, number, "|>"));
  }
}

void AppendNames(const std::vector<std::string_view>& names, SpecialTokens& tokens) {
  for (const std::string_view name : names) {
    tokens.emplace_back(tokens.back().first + 1, StrCat("<|", name, "|>"));
  }
}

SpecialTokens Llama3SpecialTokens() {
  SpecialTokens tokens = {{128000, "<|begin_of_text|>"}};
  AppendNames({"end_of_text", "reserved_special_token_0", "reserved_special_token_1",
               "finetune_right_pad_id", "step_id", "start_header_id", "end_header_id", "eom_id",
               "eot_id", "python_tag", "image"},
              tokens);
  AppendNumbered("reserved_special_token_", 2, 246, tokens);
  return tokens;
}

SpecialTokens Llama4SpecialTokens() {
  SpecialTokens tokens = {{200000, "<|begin_of_text|>"}};
  AppendNames({"end_of_text", "fim_prefix", "fim_middle", "fim_suffix", "header_start",
               "header_end", "eom", "eot", "step"},
              tokens);
  AppendNumbered("text_post_train_reserved_special_token_", 0, 6, tokens);
  AppendNames({"python_start", "python_end", "finetune_right_pad"}, tokens);
  AppendNumbered("text_post_train_reserved_special_token_", 8, 69, tokens);
  AppendNames({"image_start", "image_end"}, tokens);
  AppendNumbered("vision_reserved_special_token_", 0, 2, tokens);
  AppendNames({"tile_x_separator", "tile_y_separator"}, tokens);
  AppendNumbered("vision_reserved_special_token_", 2, 6, tokens);
  AppendNames({"image", "vision_reserved_special_token_6", "patch"}, tokens);
  AppendNumbered("vision_reserved_special_token_", 7, 1048, tokens);
  AppendNumbered("reasoning_reserved_special_token_", 0, 8, tokens);
  AppendNames({"reasoning_thinking_start", "reasoning_thinking_end"}, tokens);
  const int num_named = static_cast<int>(tokens.size());
  AppendNumbered("reserved_special_token_", 0, 2048 - num_named, tokens);
  return tokens;
}

SpecialTokens QwenSpecialTokens() {
  SpecialTokens tokens = {{151643, "<|endoftext|>"}};
  AppendNames({"im_start", "im_end"}, tokens);
  AppendNumbered("extra_", 0, 205, tokens);
  return tokens;
}

struct Encoding {
  std::string_view name;
  int32_t num_ranks;
  std::string_view pattern;
  SpecialTokens special_tokens;
  Normalization normalization = Normalization::kNone;
  std::vector<int32_t> prefix = {};
};

std::vector<Encoding> KnownEncodings() {
  return {
      {"gpt2", 50256, kGpt2Pattern, {{50256, "<|endoftext|>"}}},
      {"cl100k_base",
       100256,
       kDefaultPattern,
       {{100257, "<|endoftext|>"},
        {100258, "<|fim_prefix|>"},
        {100259, "<|fim_middle|>"},
        {100260, "<|fim_suffix|>"},
        {100276, "<|endofprompt|>"}}},
      {"o200k_base",
       199998,
       kO200kPattern,
       {{199999, "<|endoftext|>"}, {200018, "<|endofprompt|>"}}},
      {"llama3", 128000, kDefaultPattern, Llama3SpecialTokens(), Normalization::kNone, {128000}},
      {"llama4", 200000, kO200kPattern, Llama4SpecialTokens(), Normalization::kNone, {200000}},
      {"qwen", 151643, kQwenPattern, QwenSpecialTokens(), Normalization::kNfc},
  };
}

Encoding EncodingOf(size_t num_ranks) {
  std::string known;
  for (Encoding& encoding : KnownEncodings()) {
    if (static_cast<size_t>(encoding.num_ranks) == num_ranks) return std::move(encoding);
    known += StrCat(known.empty() ? "" : ", ", encoding.name, " (", encoding.num_ranks, ")");
  }
  throw Error(Kind::kData,
              StrCat(num_ranks,
                     " ranks are not those of a known encoding, so neither pattern nor "
                     "special tokens are known; known are ",
                     known, "; convert it to a tokenizer.json, or get the whole file again"));
}

// "aGVsbG8= 17"
void ReadLine(std::string_view line, std::vector<std::string>& tokens,
              std::unordered_map<std::string, size_t>& ranks) {
  const size_t space = line.find(' ');
  std::optional<std::string> bytes;
  if (space != std::string_view::npos) bytes = DecodeBase64(line.substr(0, space));
  if (!bytes || bytes->empty()) {
    throw Error(Kind::kData,
                "this is not a token in base64, a space and a rank; get the file again");
  }
  const std::string_view number = line.substr(space + 1);
  size_t rank = 0;
  const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), rank);
  if (code != std::errc() || end != number.data() + number.size()) {
    throw Error(Kind::kData, "the rank is not a number; get the file again");
  }
  if (rank != tokens.size()) {
    throw Error(Kind::kData, StrCat("the rank is ", rank, ", not ", tokens.size(),
                                    "; ranks must ascend from 0 without gaps"));
  }
  if (const auto [known, is_new] = ranks.emplace(*bytes, rank); !is_new) {
    throw Error(Kind::kData, StrCat("this token has the rank ", known->second, " already"));
  }
  tokens.push_back(*std::move(bytes));
}

std::vector<std::string> ReadRanks(std::string_view text, const std::filesystem::path& path) {
  std::vector<std::string> tokens;
  std::unordered_map<std::string, size_t> ranks;
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t size = text.find('\n');
    std::string_view content = text.substr(0, size);
    if (content.ends_with('\r')) content.remove_suffix(1);
    try {
      ReadLine(content, tokens, ranks);
    } catch (const Error& error) {
      throw Error(error.kind(), StrCat(path.string(), ":", line, ": ", error.message()));
    }
    text.remove_prefix(size == std::string_view::npos ? text.size() : size + 1);
  }
  return tokens;
}

}  // namespace

BpeTokenizer LoadTiktoken(const std::filesystem::path& path) {
  std::vector<std::string> tokens = ReadRanks(ReadFile(path, Kind::kData), path);
  try {
    Encoding encoding = EncodingOf(tokens.size());
    BpeParts parts = {.normalization = encoding.normalization,
                      .patterns = {std::string(encoding.pattern)},
                      .tokens = std::move(tokens),
                      .merge_order = MergeOrder::kByTokenId,
                      .ignore_merges = true,
                      .prefix = std::move(encoding.prefix)};
    parts.tokens.resize(encoding.special_tokens.back().first + 1);
    for (auto& [id, name] : encoding.special_tokens) {
      parts.tokens[id] = std::move(name);
      parts.added_tokens.push_back({.id = id});
    }
    return BpeTokenizer(std::move(parts));
  } catch (const Error& error) {
    throw Error(error.kind(), StrCat(path.string(), ": ", error.message()));
  }
}

}  // namespace cadmus
