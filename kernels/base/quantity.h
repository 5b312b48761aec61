// SPDX-License-Identifier: Apache-2.0
// Quantities as people read them: few figures and a letter for the power of a thousand.
#pragma once

#include <cstdint>
#include <string>

namespace cadmus {

// `digits` after the point: "4.6231".
std::string FixedText(double value, int digits);

// Three figures at most, with a letter for the thousands: "980", "1.53k", "41.2k", "412k", "3.07M".
// Requires 0 ≤ value.
std::string CompactText(double value);

// "71.2GiB"
std::string BytesText(int64_t bytes);

}  // namespace cadmus
