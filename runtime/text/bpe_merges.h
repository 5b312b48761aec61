// SPDX-License-Identifier: Apache-2.0
// BpeMerges: byte-pair merging of one piece of text, made for speed; and TokenTable, tokens by
// their bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cadmus {

// Ids by bytes, in one flat table. Tokens of up to eight bytes are compared without reading them.
class TokenTable {
 public:
  explicit TokenTable(size_t max_tokens);

  // `tokens[id]` are the bytes of every id in the table, here and in Find. Returns the id that the
  // bytes of `id` had before, and keeps it.
  std::optional<int32_t> Insert(int32_t id, std::span<const std::string> tokens);
  // -1: there is none.
  int32_t Find(std::string_view bytes, std::span<const std::string> tokens) const;

 private:
  struct Slot {
    uint64_t word = 0;  // the bytes themselves, or a hash of more than eight
    uint32_t size = 0;
    int32_t id = -1;
  };
  size_t FindSlot(std::string_view bytes, std::span<const std::string> tokens) const;

  std::vector<Slot> slots_;  // a power of two; linear probing
};

class BpeMerges {
 public:
  // Reused from piece to piece.
  struct Scratch {
    struct Symbol {
      int32_t id;  // -1: merged into an earlier symbol
      uint32_t previous;
      uint32_t next;
    };
    std::vector<int32_t> ids;
    std::vector<uint64_t> candidates;
    std::vector<Symbol> symbols;
    std::vector<uint64_t> heap;
  };

  // `byte_ids[b]` is the token of the byte b.
  BpeMerges(const std::array<int32_t, 256>& byte_ids, size_t max_merges);

  // The tokens `left` and `right` become `result`; lower ranks first, equal ranks leftmost first.
  // False if the pair is there already. Requires rank >= 0 and result >= 0.
  bool Insert(int32_t left, int32_t right, int32_t rank, int32_t result);
  // Call once, after the last Insert.
  void IndexBytePairs();

  // Appends the tokens of `piece` after all merges: O(n log n), O(n^2) below a small n. Throws
  // kData for a piece of 4 GiB.
  void Append(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  // The rank in the upper half, the result in the lower; kNoMerge if the pair does not merge. Least
  // is first.
  uint64_t Find(int32_t left, int32_t right) const;
  void AppendShort(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;
  void AppendLong(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;

  struct Slot {
    uint64_t pair;
    uint64_t merge;
  };
  size_t FindSlot(uint64_t pair) const;

  std::array<int32_t, 256> byte_ids_;
  std::vector<uint64_t> byte_pairs_;  // of two bytes, most of all look-ups: [first << 8 | second]
  std::vector<Slot> slots_;           // a power of two; linear probing
};

}  // namespace cadmus
