// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/dataset_stats.h"

#include <algorithm>
#include <vector>

namespace cadmus {
namespace {

std::vector<int64_t> LengthsOfDocuments(const TokenData& data) {
  std::vector<int64_t> lengths;
  for (int64_t begin = 0; begin < data.num_tokens();) {
    const int64_t end = data.NextDocumentBegin(begin, data.num_tokens());
    lengths.push_back(end - begin);
    begin = end;
  }
  return lengths;
}

DatasetStats::Lengths QuantilesOf(std::vector<int64_t> lengths) {
  std::ranges::sort(lengths);
  const auto at = [&](size_t percent) {
    const size_t rank = (lengths.size() * percent + 99) / 100;  // from 1
    return lengths[std::max<size_t>(1, rank) - 1];
  };
  return {.least = lengths.front(),
          .p10 = at(10),
          .median = at(50),
          .p90 = at(90),
          .p99 = at(99),
          .most = lengths.back()};
}

}  // namespace

DatasetStats MeasureDataset(const TokenData& data, std::optional<int32_t> separator) {
  DatasetStats stats;
  stats.num_tokens = data.num_tokens();
  std::vector<int32_t> tokens(static_cast<size_t>(std::min(kTokensPerRead, data.num_tokens())));
  for (int64_t begin = 0; begin < data.num_tokens(); begin += kTokensPerRead) {
    const int64_t count = std::min(kTokensPerRead, data.num_tokens() - begin);
    data.Read(begin, count, tokens.data());
    for (int64_t i = 0; i < count; ++i) {
      const int32_t token = tokens[static_cast<size_t>(i)];
      stats.largest_token = std::max<int64_t>(stats.largest_token, token);
      stats.num_separators += separator && token == *separator ? 1 : 0;
    }
  }
  std::vector<int64_t> lengths = LengthsOfDocuments(data);
  stats.num_documents = static_cast<int64_t>(lengths.size());
  if (!lengths.empty()) stats.lengths = QuantilesOf(std::move(lengths));
  return stats;
}

}  // namespace cadmus
