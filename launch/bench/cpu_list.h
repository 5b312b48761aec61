// SPDX-License-Identifier: Apache-2.0
// Lists of core numbers as Linux writes them: "0-3,8".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cadmus {

// Ascending. What is no such list gives an empty one.
std::vector<int> ParseCpuList(std::string_view text);
// Of ascending numbers.
std::string CpuListText(const std::vector<int>& cores);

}  // namespace cadmus
