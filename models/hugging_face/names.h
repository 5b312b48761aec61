// SPDX-License-Identifier: Apache-2.0
// HuggingFaceNames: what a family's parameters are called in a folder of Hugging Face, and how they
// are cut and turned there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/decoder/shape.h"

namespace cadmus {

// Rows of a parameter that are one tensor there. The parts of a parameter follow each other.
struct HuggingFacePart {
  std::string name;
  int64_t num_rows = 0;
  bool transposed = false;  // stored as [columns, rows]
};

struct HuggingFaceNames {
  // Of all tensors but the head's; folders of a model that was saved without its head lack it.
  std::string_view base_prefix;
  // The parts of the parameter `name`, which has `num_rows` rows. Throws kInternal for a name that
  // is not of the family.
  std::vector<HuggingFacePart> (*parts)(std::string_view name, int64_t num_rows,
                                        const DecoderShape& shape);
  // Whether it is no weight but a constant that older versions have stored too.
  bool (*is_buffer)(std::string_view name);
};

// The head's, where it is not tied to the embedding; some folders hold it twice where it is.
inline constexpr std::string_view kHuggingFaceHead = "lm_head.weight";

// One pair per name: ours, theirs.
using NamePair = std::pair<std::string_view, std::string_view>;

// "blocks.12.mlp.down.weight" is ("12", "mlp.down.weight"); two empty ones for what is in no block.
std::pair<std::string_view, std::string_view> SplitBlockName(std::string_view name);

}  // namespace cadmus
