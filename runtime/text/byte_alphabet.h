// SPDX-License-Identifier: Apache-2.0
// The GPT-2 alphabet: 256 printable characters that stand for the 256 bytes, so that tokens of
// arbitrary bytes can be spelled in a JSON file. A space is spelled U+0120, a newline U+010A.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cadmus {

// One character of UTF-8 per byte. Printable Latin-1 stands for itself; the n-th of the other
// bytes, in ascending order, is U+0100 + n.
std::string SpellBytes(std::string_view bytes);

// The bytes that `spelling` stands for; nothing if it holds a character outside the alphabet.
std::optional<std::string> BytesOfSpelling(std::string_view spelling);

}  // namespace cadmus
