// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/bpe_tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/base/checksum.h"
#include "kernels/base/error.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/unicode.h"
#include "runtime/text/utf8.h"

namespace cadmus {
namespace {

constexpr std::string_view kEndOfTextNames[] = {kEndOfText, "<|end_of_text|>", "</s>",
                                                "<｜end▁of▁sentence｜>"};

// Numbers and lengths in little-endian, so that the hash is the same on every machine.
void AppendNumber(std::string& out, uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(number >> shift));
}

void AppendString(std::string& out, std::string_view text) {
  AppendNumber(out, text.size());
  out.append(text);
}

void AppendIds(std::string& out, const std::vector<int32_t>& ids) {
  AppendNumber(out, ids.size());
  for (const int32_t id : ids) AppendNumber(out, static_cast<uint64_t>(id));
}

// What parts had before other fields were added; data sets keep hashes of those.
bool IsPlain(const BpeParts& parts) {
  return parts.normalization == Normalization::kNone && parts.patterns.size() == 1 &&
         parts.merge_order == MergeOrder::kListed && !parts.ignore_merges && parts.prefix.empty() &&
         parts.suffix.empty() &&
         std::ranges::all_of(parts.added_tokens, [](const AddedToken& added) {
           return added == AddedToken{.id = added.id, .special = added.special};
         });
}

std::string HashOf(const BpeParts& parts) {
  std::string content = "byte-level BPE";
  for (const std::string& pattern : parts.patterns) AppendString(content, pattern);
  AppendNumber(content, parts.tokens.size());
  for (const std::string& token : parts.tokens) AppendString(content, token);
  AppendNumber(content, parts.merges.size());
  for (const auto [left, right] : parts.merges) {
    AppendNumber(content, static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right));
  }
  AppendNumber(content, parts.added_tokens.size());
  for (const AddedToken& added : parts.added_tokens) {
    AppendNumber(content, static_cast<uint64_t>(added.id) << 1 | (added.special ? 1 : 0));
  }
  if (!IsPlain(parts)) {
    AppendNumber(content, static_cast<uint64_t>(parts.normalization));
    AppendNumber(content, parts.patterns.size());
    AppendNumber(content, static_cast<uint64_t>(parts.merge_order));
    AppendNumber(content, parts.ignore_merges ? 1 : 0);
    AppendIds(content, parts.prefix);
    AppendIds(content, parts.suffix);
    for (const AddedToken& added : parts.added_tokens) {
      AppendNumber(content, (added.single_word ? 1 : 0) | (added.lstrip ? 2 : 0) |
                                (added.rstrip ? 4 : 0) | (added.normalized ? 8 : 0));
    }
  }
  return ContentHash(std::as_bytes(std::span(content)));
}

bool IsAllWhiteSpace(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto [character, size] = CharacterAt(text, at);
    if (!IsWhiteSpace(character)) return false;
    at += size;
  }
  return true;
}

}  // namespace

BpeTokenizer::BpeTokenizer(BpeParts parts)
    : parts_(std::move(parts)),
      pre_tokenizer_(parts_.patterns),
      ids_(parts_.tokens.size()),
      whole_pieces_(parts_.tokens.size()),
      plain_{AddedTokenMatcher({}), AddedTokenMatcher({})},
      trusted_(plain_),
      content_hash_(HashOf(parts_)) {
  IndexAddedTokens();
  IndexTokens();
  if (parts_.merge_order == MergeOrder::kListed) {
    IndexMerges();
  } else {
    IndexMergesByTokenId();
  }
  merges_->IndexBytePairs();
  IndexWholePieces();
  plain_ = MakeMatchers([](const AddedToken& added, std::string_view name) {
    return !added.special && IsAllWhiteSpace(name);
  });
  trusted_ = MakeMatchers([](const AddedToken&, std::string_view) { return true; });
}

bool BpeTokenizer::IsOrdinary(int32_t id) const {
  return !parts_.tokens[id].empty() &&
         !std::ranges::binary_search(parts_.added_tokens, id, {}, &AddedToken::id);
}

void BpeTokenizer::IndexAddedTokens() {
  int32_t previous = -1;
  for (const AddedToken& added : parts_.added_tokens) {
    CADMUS_CHECK(previous < added.id && added.id < vocab_size(),
                 StrCat("added token id ", added.id, " after ", previous, " of ", vocab_size()));
    previous = added.id;
    const std::string& name = parts_.tokens[added.id];
    if (name.empty() || !IsValidUtf8(name)) {
      throw Error(Kind::kData, StrCat("the name of the added token ", added.id,
                                      " is empty or not UTF-8; give it another"));
    }
    if (!added_ids_.emplace(name, added.id).second) {
      throw Error(Kind::kData, StrCat("two added tokens are named \"", name, "\"; rename one"));
    }
  }
  for (const std::string_view name : kEndOfTextNames) {
    if (!end_of_text_) end_of_text_ = SpecialId(name);
  }
  for (const auto* around : {&parts_.prefix, &parts_.suffix}) {
    for (const int32_t id : *around) {
      CADMUS_CHECK(id >= 0 && id < vocab_size(), StrCat("template token ", id));
    }
  }
}

void BpeTokenizer::IndexTokens() {
  const auto last_ordinary = std::ranges::find_if(
      parts_.tokens.rbegin(), parts_.tokens.rend(), [&](const std::string& token) {
        return IsOrdinary(static_cast<int32_t>(&token - &parts_.tokens[0]));
      });
  const auto num_ordinary = static_cast<int32_t>(parts_.tokens.rend() - last_ordinary);
  std::array<int32_t, 256> byte_ids;
  byte_ids.fill(-1);
  auto added = parts_.added_tokens.begin();
  for (int32_t id = 0; id < num_ordinary; ++id) {
    if (added != parts_.added_tokens.end() && added->id == id) {
      ++added;
      continue;
    }
    const std::string& bytes = parts_.tokens[id];
    if (bytes.empty()) throw Error(Kind::kData, StrCat("token ", id, " is empty; remove it"));
    if (const std::optional<int32_t> other = ids_.Insert(id, parts_.tokens)) {
      throw Error(Kind::kData, StrCat("the tokens ", *other, " and ", id, " are both \"",
                                      SpellBytes(bytes), "\"; remove one"));
    }
    if (bytes.size() == 1) byte_ids[static_cast<uint8_t>(bytes[0])] = id;
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (byte_ids[byte] < 0) {
      throw Error(Kind::kData,
                  StrCat("the byte ", byte, " (spelled \"",
                         SpellBytes(std::string(1, static_cast<char>(byte))),
                         "\") is not in the vocabulary; byte-level BPE needs all 256"));
    }
  }
  for (const auto& [name, id] : added_ids_) {
    const std::optional<std::string> bytes = BytesOfSpelling(name);
    const int32_t other = bytes ? ids_.Find(*bytes, parts_.tokens) : -1;
    if (other >= 0) {
      throw Error(Kind::kData, StrCat("the added token \"", name, "\" is spelled like the token ",
                                      other, "; give it another name"));
    }
  }
  size_t max_merges = parts_.merges.size();
  if (parts_.merge_order == MergeOrder::kByTokenId) {
    for (const std::string& token : parts_.tokens) max_merges += token.size();
  }
  merges_.emplace(byte_ids, max_merges);
}

void BpeTokenizer::IndexMerges() {
  for (size_t rank = 0; rank < parts_.merges.size(); ++rank) {
    const auto [left, right] = parts_.merges[rank];
    const std::string bytes = StrCat(TokenBytes(left), TokenBytes(right));
    for (const int32_t id : {left, right}) {
      if (IsOrdinary(id)) continue;
      throw Error(Kind::kData, StrCat("merge ", rank, " joins the added token \"", TokenBytes(id),
                                      "\", which text never gives; remove it"));
    }
    const int32_t result = ids_.Find(bytes, parts_.tokens);
    if (result < 0) {
      throw Error(Kind::kData, StrCat("merge ", rank, " gives \"", SpellBytes(bytes),
                                      "\", which is not in the vocabulary"));
    }
    if (!merges_->Insert(left, right, static_cast<int32_t>(rank), result)) {
      throw Error(Kind::kData, StrCat("merge ", rank, " of the tokens ", left, " and ", right,
                                      " is listed before; remove one"));
    }
  }
}

void BpeTokenizer::IndexMergesByTokenId() {
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (!IsOrdinary(id)) continue;
    const std::string_view bytes = parts_.tokens[id];
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
      const int32_t left = ids_.Find(bytes.substr(0, cut), parts_.tokens);
      const int32_t right = left < 0 ? -1 : ids_.Find(bytes.substr(cut), parts_.tokens);
      if (right >= 0) merges_->Insert(left, right, id, id);
    }
  }
}

void BpeTokenizer::IndexWholePieces() {
  BpeMerges::Scratch scratch;
  std::vector<int32_t> merged;
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (!IsOrdinary(id)) continue;
    if (!parts_.ignore_merges) {
      merged.clear();
      merges_->Append(parts_.tokens[id], scratch, merged);
      if (merged.size() != 1) continue;
    }
    whole_pieces_.Insert(id, parts_.tokens);
  }
}

BpeTokenizer::Matchers BpeTokenizer::MakeMatchers(bool (*wanted)(const AddedToken&,
                                                                 std::string_view)) const {
  std::vector<AddedTokenMatcher::Name> before;
  std::vector<AddedTokenMatcher::Name> after;
  std::string buffer;
  for (const AddedToken& added : parts_.added_tokens) {
    std::string_view name = parts_.tokens[added.id];
    if (!wanted(added, name)) continue;
    if (added.normalized && parts_.normalization == Normalization::kNfc) name = ToNfc(name, buffer);
    (added.normalized ? after : before).push_back({.text = std::string(name), .token = added});
  }
  return {AddedTokenMatcher(std::move(before)), AddedTokenMatcher(std::move(after))};
}

void BpeTokenizer::Append(std::string_view text, const EncodeOptions& options,
                          std::vector<int32_t>& ids) const {
  const Matchers& matchers = options.parse_added_tokens ? trusted_ : plain_;
  BpeMerges::Scratch scratch;
  std::string buffer;
  if (options.add_special_tokens) ids.insert(ids.end(), parts_.prefix.begin(), parts_.prefix.end());
  matchers.before_normalization.ForEachPart(
      text, [&](std::string_view part, std::optional<int32_t> id) {
        if (id) return ids.push_back(*id);
        if (parts_.normalization == Normalization::kNfc) part = ToNfc(part, buffer);
        matchers.after_normalization.ForEachPart(
            part, [&](std::string_view rest, std::optional<int32_t> rest_id) {
              if (rest_id) return ids.push_back(*rest_id);
              AppendText(rest, scratch, ids);
            });
      });
  if (options.add_special_tokens) ids.insert(ids.end(), parts_.suffix.begin(), parts_.suffix.end());
}

void BpeTokenizer::AppendText(std::string_view text, BpeMerges::Scratch& scratch,
                              std::vector<int32_t>& ids) const {
  pre_tokenizer_.ForEachPiece(text, [&](std::string_view piece) {
    if (const int32_t whole = whole_pieces_.Find(piece, parts_.tokens); whole >= 0) {
      ids.push_back(whole);
    } else {
      merges_->Append(piece, scratch, ids);
    }
  });
}

std::string BpeTokenizer::Decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text.append(TokenBytes(id));
  return text;
}

std::string_view BpeTokenizer::TokenBytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    throw Error(Kind::kData, StrCat("token id ", id, " is outside the vocabulary of ", vocab_size(),
                                    " tokens; use the tokenizer that the ids were made with"));
  }
  return parts_.tokens[id];
}

int32_t BpeTokenizer::TextBytes(int32_t id) const {
  const auto bytes = static_cast<int32_t>(TokenBytes(id).size());
  const auto added = std::ranges::lower_bound(parts_.added_tokens, id, {}, &AddedToken::id);
  const bool special = added != parts_.added_tokens.end() && added->id == id && added->special;
  return special ? 0 : bytes;
}

std::optional<int32_t> BpeTokenizer::SpecialId(std::string_view name) const {
  const auto found = added_ids_.find(name);
  if (found == added_ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace cadmus
