// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/cpu_list.h"

#include <algorithm>
#include <charconv>

#include "kernels/base/str_cat.h"

namespace cadmus {

std::vector<int> ParseCpuList(std::string_view text) {
  constexpr int kMostCores = 1 << 20;
  std::vector<int> cores;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto read = [&](int& number) {
    const auto [next, code] = std::from_chars(at, end, number);
    at = next;
    return code == std::errc() && number >= 0 && number < kMostCores;
  };
  while (at != end && *at != '\n') {
    int first = 0;
    if (!read(first)) return {};
    int last = first;
    if (at != end && *at == '-') {
      ++at;
      if (!read(last)) return {};
    }
    for (int core = first; core <= last; ++core) cores.push_back(core);
    if (at != end && *at == ',') ++at;
  }
  std::ranges::sort(cores);
  cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
  return cores;
}

std::string CpuListText(const std::vector<int>& cores) {
  std::string text;
  for (size_t begin = 0; begin < cores.size();) {
    size_t last = begin;
    while (last + 1 < cores.size() && cores[last + 1] == cores[last] + 1) ++last;
    text += StrCat(text.empty() ? "" : ",", cores[begin]);
    if (last > begin) text += StrCat("-", cores[last]);
    begin = last + 1;
  }
  return text;
}

}  // namespace cadmus
