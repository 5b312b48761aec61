// SPDX-License-Identifier: Apache-2.0
// DidYouMean: the known name that a mistyped one most resembles.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cadmus {

// The number of insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`
// (optimal string alignment).
int EditDistance(std::string_view a, std::string_view b);

// The first of the nearest candidates, letter case aside, if no more than about a third of the word
// is wrong.
std::optional<std::string> DidYouMean(std::string_view word, std::span<const std::string> known);

}  // namespace cadmus
