// SPDX-License-Identifier: Apache-2.0
// TextTable: rows of cells in aligned columns, for a terminal.
#pragma once

#include <string>
#include <vector>

namespace cadmus {

class TextTable {
 public:
  // The first `num_left` columns are aligned to the left, the others to the right.
  explicit TextTable(size_t num_left) : num_left_(num_left) {}

  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // Each row on a line, behind two spaces; columns two spaces apart.
  std::string ToString() const;

 private:
  size_t num_left_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace cadmus
