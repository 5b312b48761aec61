// SPDX-License-Identifier: Apache-2.0
#include "models/hugging_face/names.h"

namespace cadmus {

std::pair<std::string_view, std::string_view> SplitBlockName(std::string_view name) {
  constexpr std::string_view kBlocks = "blocks.";
  if (!name.starts_with(kBlocks)) return {};
  name.remove_prefix(kBlocks.size());
  const size_t dot = name.find('.');
  return {name.substr(0, dot), name.substr(dot + 1)};
}

}  // namespace cadmus
