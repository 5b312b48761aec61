// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/tokenizer.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "kernels/base/checksum.h"
#include "kernels/base/error.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/utf8.h"

namespace cadmus {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

uint64_t PairKey(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// Numbers and lengths in little-endian, so that the hash is the same on every machine.
void AppendNumber(std::string& out, uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(number >> shift));
}

void AppendString(std::string& out, std::string_view text) {
  AppendNumber(out, text.size());
  out.append(text);
}

std::string HashOf(const TokenizerParts& parts) {
  std::string content = "byte-level BPE";
  AppendString(content, parts.pattern);
  AppendNumber(content, parts.tokens.size());
  for (const std::string& token : parts.tokens) AppendString(content, token);
  AppendNumber(content, parts.merges.size());
  for (const Merge& merge : parts.merges) AppendNumber(content, PairKey(merge.left, merge.right));
  AppendNumber(content, parts.added_tokens.size());
  for (const AddedToken& added : parts.added_tokens) {
    AppendNumber(content, static_cast<uint64_t>(added.id) << 1 | (added.special ? 1 : 0));
  }
  return ContentHash(std::as_bytes(std::span(content)));
}

}  // namespace

// The symbols of one piece as a linked list over positions; reused from piece to piece.
struct Tokenizer::MergeScratch {
  struct Symbol {
    int32_t id;  // -1: merged into an earlier symbol
    uint32_t previous;
    uint32_t next;
  };
  std::vector<Symbol> symbols;
  std::vector<uint64_t> heap;  // (rank, position of the left symbol), least first
};

Tokenizer::Tokenizer(TokenizerParts parts)
    : parts_(std::move(parts)), pre_tokenizer_(parts_.pattern), content_hash_(HashOf(parts_)) {
  IndexAddedTokens();
  IndexTokens();
  IndexMerges();
  IndexWholePieces();
}

void Tokenizer::IndexAddedTokens() {
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
  for (const std::string_view name :
       {kEndOfText, std::string_view("<|end_of_text|>"), std::string_view("</s>")}) {
    if (!end_of_text_) end_of_text_ = SpecialId(name);
  }
}

void Tokenizer::IndexTokens() {
  byte_ids_.fill(-1);
  auto added = parts_.added_tokens.begin();
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (added != parts_.added_tokens.end() && added->id == id) {
      ++added;
      continue;
    }
    const std::string& bytes = parts_.tokens[id];
    if (bytes.empty()) throw Error(Kind::kData, StrCat("token ", id, " is empty; remove it"));
    const auto [other, inserted] = ids_.emplace(bytes, id);
    if (!inserted) {
      throw Error(Kind::kData, StrCat("the tokens ", other->second, " and ", id, " are both \"",
                                      SpellBytes(bytes), "\"; remove one"));
    }
    if (bytes.size() == 1) byte_ids_[static_cast<uint8_t>(bytes[0])] = id;
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (byte_ids_[byte] < 0) {
      throw Error(Kind::kData,
                  StrCat("the byte ", byte, " (spelled \"",
                         SpellBytes(std::string(1, static_cast<char>(byte))),
                         "\") is not in the vocabulary; byte-level BPE needs all 256"));
    }
  }
  for (const auto& [name, id] : added_ids_) {
    const std::optional<std::string> bytes = BytesOfSpelling(name);
    if (bytes && ids_.contains(*bytes)) {
      throw Error(Kind::kData, StrCat("the added token \"", name, "\" is spelled like the token ",
                                      ids_.at(*bytes), "; give it another name"));
    }
  }
}

void Tokenizer::IndexMerges() {
  merges_.reserve(parts_.merges.size());
  for (uint32_t rank = 0; rank < parts_.merges.size(); ++rank) {
    const auto [left, right] = parts_.merges[rank];
    const std::string bytes = StrCat(TokenBytes(left), TokenBytes(right));
    const auto result = ids_.find(bytes);
    if (result == ids_.end()) {
      throw Error(Kind::kData, StrCat("merge ", rank, " gives \"", SpellBytes(bytes),
                                      "\", which is not in the vocabulary"));
    }
    if (!merges_.emplace(PairKey(left, right), RankedMerge{rank, result->second}).second) {
      throw Error(Kind::kData, StrCat("merge ", rank, " of the tokens ", left, " and ", right,
                                      " is listed before; remove one"));
    }
  }
}

void Tokenizer::IndexWholePieces() {
  MergeScratch scratch;
  std::vector<int32_t> merged;
  for (const auto& [bytes, id] : ids_) {
    merged.clear();
    AppendMerged(bytes, scratch, merged);
    if (merged.size() == 1) whole_pieces_.emplace(bytes, id);
  }
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text) const {
  std::vector<int32_t> ids;
  Encode(text, ids);
  return ids;
}

void Tokenizer::Encode(std::string_view text, std::vector<int32_t>& ids) const {
  MergeScratch scratch;
  pre_tokenizer_.ForEachPiece(text, [&](std::string_view piece) {
    if (const auto whole = whole_pieces_.find(piece); whole != whole_pieces_.end()) {
      ids.push_back(whole->second);
    } else {
      AppendMerged(piece, scratch, ids);
    }
  });
}

void Tokenizer::AppendMerged(std::string_view piece, MergeScratch& scratch,
                             std::vector<int32_t>& ids) const {
  auto& [symbols, heap] = scratch;
  if (piece.size() >= kNone) {
    throw Error(Kind::kData, StrCat("a piece of ", piece.size(), " bytes without a place to cut ",
                                    "it is too long; is this text?"));
  }
  const auto size = static_cast<uint32_t>(piece.size());
  const auto find_merge = [&](uint32_t at) {
    const uint32_t next = symbols[at].next;
    return next == kNone ? merges_.end() : merges_.find(PairKey(symbols[at].id, symbols[next].id));
  };
  const auto entry = [](uint32_t rank, uint32_t at) { return uint64_t{rank} << 32 | at; };

  symbols.clear();
  heap.clear();
  for (uint32_t at = 0; at < size; ++at) {
    symbols.push_back({.id = byte_ids_[static_cast<uint8_t>(piece[at])],
                       .previous = at == 0 ? kNone : at - 1,
                       .next = at + 1 == size ? kNone : at + 1});
  }
  for (uint32_t at = 0; at < size; ++at) {
    if (const auto merge = find_merge(at); merge != merges_.end()) {
      heap.push_back(entry(merge->second.rank, at));
    }
  }
  std::ranges::make_heap(heap, std::greater<>());
  const auto push = [&](uint32_t at) {
    if (const auto merge = find_merge(at); merge != merges_.end()) {
      heap.push_back(entry(merge->second.rank, at));
      std::ranges::push_heap(heap, std::greater<>());
    }
  };
  while (!heap.empty()) {
    const auto rank = static_cast<uint32_t>(heap.front() >> 32);
    const auto at = static_cast<uint32_t>(heap.front());
    std::ranges::pop_heap(heap, std::greater<>());
    heap.pop_back();
    // Earlier merges may have taken either symbol away.
    if (symbols[at].id < 0) continue;
    const auto merge = find_merge(at);
    if (merge == merges_.end() || merge->second.rank != rank) continue;
    MergeScratch::Symbol& left = symbols[at];
    MergeScratch::Symbol& right = symbols[left.next];
    left.id = merge->second.result;
    left.next = right.next;
    right.id = -1;
    if (left.next != kNone) symbols[left.next].previous = at;
    push(at);
    if (left.previous != kNone) push(left.previous);
  }
  for (uint32_t at = 0; at != kNone && at < size; at = symbols[at].next) {
    ids.push_back(symbols[at].id);
  }
}

std::string Tokenizer::Decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text.append(TokenBytes(id));
  return text;
}

std::string_view Tokenizer::TokenBytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    throw Error(Kind::kData, StrCat("token id ", id, " is outside the vocabulary of ", vocab_size(),
                                    " tokens; use the tokenizer that the ids were made with"));
  }
  return parts_.tokens[id];
}

std::optional<int32_t> Tokenizer::SpecialId(std::string_view name) const {
  const auto found = added_ids_.find(name);
  if (found == added_ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace cadmus
