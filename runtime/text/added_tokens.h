// SPDX-License-Identifier: Apache-2.0
// Added tokens: tokens with a name, which merges never make, and how their names are found in text.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cadmus {

struct AddedToken {
  int32_t id = 0;
  bool special = true;       // readers of decoded text should not see it
  bool single_word = false;  // not found beside a word character
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool normalized = false;   // found after normalisation, not before

  friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

// Finds names in text: the leftmost first, of those that start together the longest.
class AddedTokenMatcher {
 public:
  struct Name {
    std::string text;  // not empty
    AddedToken token;
  };

  explicit AddedTokenMatcher(std::vector<Name> names);

  bool empty() const { return names_.empty(); }

  // Calls `visit` with the parts of `text` in order: names with their ids, and the text between
  // them (never empty). A name that single_word forbids is part of the text around it.
  void ForEachPart(
      std::string_view text,
      const std::function<void(std::string_view part, std::optional<int32_t> id)>& visit) const;

 private:
  const Name* LongestNameAt(std::string_view text, size_t at) const;

  std::vector<Name> names_;  // sorted by text
  std::string first_bytes_;
};

}  // namespace cadmus
