// SPDX-License-Identifier: Apache-2.0
// A second opinion on schedules, for tests of the verifier: runs the lists, with values that know
// what they are, and looks at what comes out. Shares no code with the verifier.
#pragma once

#include "runtime/schedule/schedule.h"

namespace cadmus {

// Whether running the lists is one correct training step. Of passes that are not split.
bool RunsAsAStep(const Schedule& schedule);

}  // namespace cadmus
