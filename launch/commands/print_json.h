// SPDX-License-Identifier: Apache-2.0
// What --json prints: a line on stdout.
#pragma once

#include <iostream>

namespace cadmus {

// Of nlohmann's. Strings need not be whole characters: what is no UTF-8 is replaced.
template <class Json>
void PrintJson(const Json& json) {
  std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
}

}  // namespace cadmus
