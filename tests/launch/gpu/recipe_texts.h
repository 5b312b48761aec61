// SPDX-License-Identifier: Apache-2.0
// Recipes as text inside the program, which runs where there is no source tree.
#pragma once

namespace cadmus {

extern const char kQuickstartRecipe[];  // launch/recipes/llama-quickstart.textproto
extern const char kGpt2Recipe[];        // launch/recipes/gpt2-124m.textproto

}  // namespace cadmus
