// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/train_bpe.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/utf8.h"

namespace cadmus {
namespace {

constexpr int32_t kNumBytes = 256;
// A pair seen once says nothing about the language.
constexpr int64_t kLeastCount = 2;
constexpr uint32_t kNoNeighbour = std::numeric_limits<uint32_t>::max();

using PairKey = uint64_t;  // left id in the high half: orders like (left, right)

PairKey KeyOf(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// All distinct pieces as linked lists of tokens in one array, with the count and the places of
// every pair kept up to date as pairs are merged.
class PairTable {
 public:
  explicit PairTable(const std::vector<PieceCount>& pieces) {
    size_t size = 0;
    for (const PieceCount& piece : pieces) size += piece.piece.size();
    if (size >= kNoNeighbour) {
      throw Error(Kind::kData, StrCat("the distinct pieces of the text have ", size,
                                      " bytes, more than 4 GiB; train on a sample of it"));
    }
    symbols_.reserve(size);
    for (uint32_t p = 0; p < pieces.size(); ++p) {
      const auto& [piece, count] = pieces[p];
      counts_.push_back(static_cast<int64_t>(count));
      for (size_t i = 0; i < piece.size(); ++i) {
        const auto at = static_cast<uint32_t>(symbols_.size());
        symbols_.push_back({.id = static_cast<uint8_t>(piece[i]),
                            .piece = p,
                            .previous = i == 0 ? kNoNeighbour : at - 1,
                            .next = i + 1 == piece.size() ? kNoNeighbour : at + 1});
        if (i > 0) Add(at - 1);
      }
    }
    for (const auto& [key, pair] : pairs_) candidates_.push_back({pair.count, key});
    std::ranges::make_heap(candidates_, WorseThan);
    changed_.clear();
  }

  // The pair to merge next; nothing if none occurs often enough. A pair that is then not applied is
  // passed over.
  std::optional<Merge> Best() {
    while (!candidates_.empty()) {
      const Candidate best = candidates_.front();
      std::ranges::pop_heap(candidates_, WorseThan);
      candidates_.pop_back();
      const auto pair = pairs_.find(best.key);
      if (pair == pairs_.end() || pair->second.count < kLeastCount) continue;
      if (pair->second.count == best.count) {
        return Merge{static_cast<int32_t>(best.key >> 32), static_cast<int32_t>(best.key)};
      }
      // Its count has fallen since it was queued (where one rises it is queued again).
      if (pair->second.count < best.count) Queue({pair->second.count, best.key});
    }
    return std::nullopt;
  }

  // Replaces the pair by `result` wherever it occurs.
  void Apply(Merge merge, int32_t result) {
    const auto pair = pairs_.find(KeyOf(merge.left, merge.right));
    std::vector<uint32_t> places = std::move(pair->second.places);
    // Left to right, so that a run "aaa" becomes "aa", "a".
    std::ranges::sort(places);
    for (const uint32_t at : places) {
      Symbol& left = symbols_[at];
      if (left.id != merge.left || left.next == kNoNeighbour) continue;
      Symbol& right = symbols_[left.next];
      if (right.id != merge.right) continue;
      Remove(at);
      if (left.previous != kNoNeighbour) Remove(left.previous);
      if (right.next != kNoNeighbour) Remove(left.next);
      left.id = result;
      left.next = right.next;
      right.id = -1;
      if (left.next != kNoNeighbour) {
        symbols_[left.next].previous = at;
        Add(at);
      }
      if (left.previous != kNoNeighbour) Add(left.previous);
    }
    pairs_.erase(KeyOf(merge.left, merge.right));
    for (const PairKey key : changed_) {
      if (const auto risen = pairs_.find(key); risen != pairs_.end()) {
        Queue({risen->second.count, key});
      }
    }
    changed_.clear();
  }

 private:
  struct Symbol {
    int32_t id;  // -1: merged into an earlier symbol
    uint32_t piece;
    uint32_t previous;
    uint32_t next;
  };
  struct Pair {
    int64_t count = 0;
    std::vector<uint32_t> places;  // of the left symbol; some may be past
  };
  struct Candidate {
    int64_t count;
    PairKey key;
  };

  static bool WorseThan(const Candidate& a, const Candidate& b) {
    return a.count != b.count ? a.count < b.count : a.key > b.key;
  }

  void Queue(Candidate candidate) {
    candidates_.push_back(candidate);
    std::ranges::push_heap(candidates_, WorseThan);
  }

  PairKey KeyAt(uint32_t at) const {
    return KeyOf(symbols_[at].id, symbols_[symbols_[at].next].id);
  }

  // Counts the pair whose left symbol is `at`.
  void Add(uint32_t at) {
    const PairKey key = KeyAt(at);
    Pair& pair = pairs_[key];
    pair.count += counts_[symbols_[at].piece];
    pair.places.push_back(at);
    changed_.insert(key);
  }

  void Remove(uint32_t at) { pairs_.at(KeyAt(at)).count -= counts_[symbols_[at].piece]; }

  std::vector<Symbol> symbols_;
  std::vector<int64_t> counts_;  // by piece
  std::unordered_map<PairKey, Pair> pairs_;
  std::vector<Candidate>
      candidates_;  // heap, best first; no pair's highest entry is below its count
  std::unordered_set<PairKey> changed_;  // pairs whose count rose in this merge
};

void CheckSpecialTokens(const std::vector<std::string>& names) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& name : names) {
    if (name.empty() || !IsValidUtf8(name)) {
      throw Error(Kind::kConfig, "a special token is empty or not UTF-8; give it another name");
    }
    if (BytesOfSpelling(name).value_or("").size() == 1) {
      throw Error(Kind::kConfig, StrCat("the special token \"", name,
                                        "\" is spelled like a byte; give it another name"));
    }
    if (!seen.insert(name).second) {
      throw Error(Kind::kConfig, StrCat("the special token \"", name, "\" is given twice"));
    }
  }
}

}  // namespace

BpeTokenizer TrainBpe(const TrainBpeArgs& args, const DocumentSource& next_document) {
  CheckSpecialTokens(args.special_tokens);
  const auto num_special = static_cast<int32_t>(args.special_tokens.size());
  if (args.vocab_size < kNumBytes + num_special) {
    throw Error(Kind::kConfig,
                StrCat("vocab_size = ", args.vocab_size, " is less than 256 bytes + ", num_special,
                       " special tokens; use at least ", kNumBytes + num_special));
  }
  const int32_t max_ordinary = args.vocab_size - num_special;

  BpeParts parts;
  parts.patterns = {args.pattern};
  std::unordered_set<std::string> taken;  // the bytes that are, or would be saved as, some token
  for (const std::string& name : args.special_tokens) {
    if (std::optional<std::string> bytes = BytesOfSpelling(name)) taken.insert(*std::move(bytes));
  }
  for (int32_t byte = 0; byte < kNumBytes; ++byte) {
    parts.tokens.emplace_back(1, static_cast<char>(byte));
  }
  PairTable pairs(CountPieces(PreTokenizer(args.pattern), next_document, args.num_threads));
  while (static_cast<int32_t>(parts.tokens.size()) < max_ordinary) {
    const std::optional<Merge> merge = pairs.Best();
    if (!merge) {
      LogWarning(StrCat("tokenizer: the text yields only ", parts.tokens.size() + num_special,
                        " tokens, not ", args.vocab_size,
                        ": no further pair occurs twice; train on more text for more"));
      break;
    }
    std::string bytes = StrCat(parts.tokens[merge->left], parts.tokens[merge->right]);
    if (!taken.insert(bytes).second) continue;
    pairs.Apply(*merge, static_cast<int32_t>(parts.tokens.size()));
    parts.tokens.push_back(std::move(bytes));
    parts.merges.push_back(*merge);
  }
  for (const std::string& name : args.special_tokens) {
    parts.added_tokens.push_back({.id = static_cast<int32_t>(parts.tokens.size())});
    parts.tokens.push_back(name);
  }
  return BpeTokenizer(std::move(parts));
}

BpeTokenizer TrainBpe(const TrainBpeArgs& args, std::span<const std::string_view> documents) {
  return TrainBpe(args, [&, next = size_t{0}]() mutable -> std::optional<std::string> {
    if (next == documents.size()) return std::nullopt;
    return std::string(documents[next++]);
  });
}

}  // namespace cadmus
