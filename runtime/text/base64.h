// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648, section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cadmus {

// The bytes that `text` stands for; nothing unless it is whole, padded groups of four, with no bits
// left over.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace cadmus
