// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/bpe_merges.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kNoPair = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kNoMerge = std::numeric_limits<uint64_t>::max();
// Up to here scanning all pairs for the best beats keeping them in a heap.
constexpr size_t kMaxShort = 48;

// The upper bits depend on all bits of `x`.
uint64_t Mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0x9E3779B97F4A7C15;
  return x ^ x >> 29;
}

uint64_t Word(std::string_view bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  return word;
}

// The bytes themselves if they are at most eight.
uint64_t WordOf(std::string_view bytes) {
  if (bytes.size() <= sizeof(uint64_t)) return Word(bytes);
  uint64_t hash = bytes.size();
  for (; bytes.size() > sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
    hash = Mix(hash ^ Word(bytes.substr(0, sizeof(uint64_t))));
  }
  return Mix(hash ^ Word(bytes));
}

// Half full at most.
size_t NumSlots(size_t max_entries) { return std::bit_ceil(std::max<size_t>(2 * max_entries, 16)); }

uint64_t PairOf(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

}  // namespace

TokenTable::TokenTable(size_t max_tokens) : slots_(NumSlots(max_tokens)) {}

size_t TokenTable::FindSlot(std::string_view bytes, std::span<const std::string> tokens) const {
  const uint64_t word = WordOf(bytes);
  const size_t mask = slots_.size() - 1;
  for (size_t at = Mix(word + bytes.size()) & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id < 0) return at;
    if (slot.word != word || slot.size != bytes.size()) continue;
    if (bytes.size() <= sizeof(word) || tokens[slot.id] == bytes) return at;
  }
}

std::optional<int32_t> TokenTable::Insert(int32_t id, std::span<const std::string> tokens) {
  const std::string_view bytes = tokens[id];
  Slot& slot = slots_[FindSlot(bytes, tokens)];
  if (slot.id >= 0) return slot.id;
  slot = {.word = WordOf(bytes), .size = static_cast<uint32_t>(bytes.size()), .id = id};
  return std::nullopt;
}

int32_t TokenTable::Find(std::string_view bytes, std::span<const std::string> tokens) const {
  return slots_[FindSlot(bytes, tokens)].id;
}

BpeMerges::BpeMerges(const std::array<int32_t, 256>& byte_ids, size_t max_merges)
    : byte_ids_(byte_ids),
      byte_pairs_(1 << 16, kNoMerge),
      slots_(NumSlots(max_merges), Slot{kNoPair, kNoMerge}) {}

size_t BpeMerges::FindSlot(uint64_t pair) const {
  const size_t mask = slots_.size() - 1;
  size_t at = Mix(pair) & mask;
  while (slots_[at].pair != pair && slots_[at].pair != kNoPair) at = (at + 1) & mask;
  return at;
}

uint64_t BpeMerges::Find(int32_t left, int32_t right) const {
  return slots_[FindSlot(PairOf(left, right))].merge;
}

bool BpeMerges::Insert(int32_t left, int32_t right, int32_t rank, int32_t result) {
  const uint64_t pair = PairOf(left, right);
  Slot& slot = slots_[FindSlot(pair)];
  if (slot.pair == pair) return false;
  slot = {.pair = pair, .merge = PairOf(rank, result)};
  return true;
}

void BpeMerges::IndexBytePairs() {
  for (size_t first = 0; first < 256; ++first) {
    for (size_t second = 0; second < 256; ++second) {
      byte_pairs_[first << 8 | second] = Find(byte_ids_[first], byte_ids_[second]);
    }
  }
}

void BpeMerges::Append(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const {
  if (piece.size() <= kMaxShort) return AppendShort(piece, scratch, ids);
  if (piece.size() >= kNone) {
    throw Error(Kind::kData, StrCat("a piece of ", piece.size(), " bytes without a place to cut ",
                                    "it is too long; is this text?"));
  }
  AppendLong(piece, scratch, ids);
}

void BpeMerges::AppendShort(std::string_view piece, Scratch& scratch,
                            std::vector<int32_t>& ids) const {
  auto& symbols = scratch.ids;
  auto& merges = scratch.candidates;  // of symbol i with the next
  symbols.resize(piece.size());
  merges.resize(piece.size());
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(piece[i]); };
  for (size_t i = 0; i < piece.size(); ++i) {
    symbols[i] = byte_ids_[byte(i)];
    merges[i] = i + 1 < piece.size() ? byte_pairs_[byte(i) << 8 | byte(i + 1)] : kNoMerge;
  }
  for (size_t size = piece.size(); size > 0;) {
    size_t best = 0;
    for (size_t i = 1; i < size; ++i) {
      if (merges[i] < merges[best]) best = i;
    }
    if (merges[best] == kNoMerge) {
      ids.insert(ids.end(), symbols.begin(), symbols.begin() + static_cast<ptrdiff_t>(size));
      return;
    }
    symbols[best] = static_cast<int32_t>(merges[best]);
    --size;
    std::copy(&symbols[best] + 2, &symbols[0] + size + 1, &symbols[best] + 1);
    std::copy(&merges[best] + 2, &merges[0] + size + 1, &merges[best] + 1);
    merges[best] = best + 1 < size ? Find(symbols[best], symbols[best + 1]) : kNoMerge;
    if (best > 0) merges[best - 1] = Find(symbols[best - 1], symbols[best]);
  }
}

void BpeMerges::AppendLong(std::string_view piece, Scratch& scratch,
                           std::vector<int32_t>& ids) const {
  // The symbols are a linked list over positions; the heap holds (rank, position of the left one).
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  const auto size = static_cast<uint32_t>(piece.size());
  const auto find_merge = [&](uint32_t at) {
    const uint32_t next = symbols[at].next;
    return next == kNone ? kNoMerge : Find(symbols[at].id, symbols[next].id);
  };
  const auto entry = [](uint64_t merge, uint32_t at) { return merge >> 32 << 32 | at; };

  symbols.clear();
  heap.clear();
  for (uint32_t at = 0; at < size; ++at) {
    symbols.push_back({.id = byte_ids_[static_cast<uint8_t>(piece[at])],
                       .previous = at == 0 ? kNone : at - 1,
                       .next = at + 1 == size ? kNone : at + 1});
  }
  for (uint32_t at = 0; at < size; ++at) {
    if (const uint64_t merge = find_merge(at); merge != kNoMerge) heap.push_back(entry(merge, at));
  }
  std::ranges::make_heap(heap, std::greater<>());
  const auto push = [&](uint32_t at) {
    if (const uint64_t merge = find_merge(at); merge != kNoMerge) {
      heap.push_back(entry(merge, at));
      std::ranges::push_heap(heap, std::greater<>());
    }
  };
  while (!heap.empty()) {
    const uint64_t rank = heap.front() >> 32;
    const auto at = static_cast<uint32_t>(heap.front());
    std::ranges::pop_heap(heap, std::greater<>());
    heap.pop_back();
    // Earlier merges may have taken either symbol away.
    if (symbols[at].id < 0) continue;
    const uint64_t merge = find_merge(at);
    if (merge == kNoMerge || merge >> 32 != rank) continue;
    Scratch::Symbol& left = symbols[at];
    Scratch::Symbol& right = symbols[left.next];
    left.id = static_cast<int32_t>(merge);
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

}  // namespace cadmus
