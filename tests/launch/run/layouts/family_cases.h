// SPDX-License-Identifier: Apache-2.0
// Other families than Llama in layouts of the pairwise covering: half of them GPT-2, half with what
// later models of the Llama family add.
#pragma once

#include <vector>

#include "tests/launch/run/layouts/cases.h"

namespace cadmus {

std::vector<LayoutCase> FamilyCases();

}  // namespace cadmus
