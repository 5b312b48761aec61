// SPDX-License-Identifier: Apache-2.0
// Fields of config.json that mean the same whatever the family.
#pragma once

namespace cadmus {

class ConfigJson;

// Marks those that change nothing that is computed, and holds the others to what is supported.
void ReadCommonFields(ConfigJson& json);

}  // namespace cadmus
