// SPDX-License-Identifier: Apache-2.0
#include "launch/config/did_you_mean.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace cadmus {
namespace {

std::string LowerCase(std::string_view word) {
  std::string out(word);
  for (char& c : out) c = (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace

int EditDistance(std::string_view a, std::string_view b) {
  // Rows of the table for the prefixes of `a` of length i − 2, i − 1 and i.
  std::vector<int> before_last(b.size() + 1);
  std::vector<int> last(b.size() + 1);
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row.back();
}

std::optional<std::string> DidYouMean(std::string_view word, std::span<const std::string> known) {
  std::optional<std::string> nearest;
  int least = static_cast<int>(word.size() + 2) / 3 + 1;
  for (const std::string& candidate : known) {
    const int distance = EditDistance(LowerCase(word), LowerCase(candidate));
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace cadmus
