// SPDX-License-Identifier: Apache-2.0
// The command line: verbs and their flags. Parses, then hands plain structs to the verbs.
#pragma once

namespace cadmus {

// The exit code of the program. Wrong usage prints what is wrong and returns 2; failures are
// thrown.
int RunCommandLine(int argc, char** argv);

}  // namespace cadmus
