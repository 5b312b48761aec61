// SPDX-License-Identifier: Apache-2.0
// Layouts whose schedule is a user's file.
#pragma once

#include <filesystem>
#include <vector>

#include "tests/launch/run/layouts/cases.h"

namespace cadmus {

// Writes the files into `folder`: each built-in schedule as ScheduleToText says it, some with the
// ranks in reverse order, and one by hand that no built-in schedule is.
std::vector<LayoutCase> ScheduleFileCases(const std::filesystem::path& folder);

}  // namespace cadmus
