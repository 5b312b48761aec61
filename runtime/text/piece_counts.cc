// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/piece_counts.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// Finds strings by views, without a copy.
struct ViewHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using Counts = std::unordered_map<std::string, uint64_t, ViewHash, std::equal_to<>>;

void AddPieces(const PreTokenizer& pre_tokenizer, std::string_view document, Counts& counts) {
  pre_tokenizer.ForEachPiece(document, [&](std::string_view piece) {
    if (const auto known = counts.find(piece); known != counts.end()) {
      ++known->second;
    } else {
      counts.emplace(piece, 1);
    }
  });
}

}  // namespace

std::vector<PieceCount> CountPieces(const PreTokenizer& pre_tokenizer,
                                    const DocumentSource& next_document, int num_threads) {
  CADMUS_CHECK(num_threads >= 1, StrCat("num_threads = ", num_threads));
  std::mutex mutex;  // guards all of these
  bool at_end = false;
  Counts total;
  std::exception_ptr failure;
  const auto next = [&]() -> std::optional<std::string> {
    const std::lock_guard lock(mutex);
    if (at_end || failure) return std::nullopt;
    std::optional<std::string> document = next_document();
    at_end = !document;
    return document;
  };
  const auto count = [&] {
    try {
      Counts counts;
      while (const std::optional<std::string> document = next()) {
        AddPieces(pre_tokenizer, *document, counts);
      }
      const std::lock_guard lock(mutex);
      for (const auto& [piece, occurrences] : counts) total[piece] += occurrences;
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 1; i < num_threads; ++i) threads.emplace_back(count);
    count();
  }
  if (failure) std::rethrow_exception(failure);

  std::vector<PieceCount> sorted;
  sorted.reserve(total.size());
  for (const auto& [piece, occurrences] : total) sorted.push_back({piece, occurrences});
  std::ranges::sort(sorted, {}, &PieceCount::piece);
  return sorted;
}

}  // namespace cadmus
