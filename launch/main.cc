// SPDX-License-Identifier: Apache-2.0
// cadmus: the one binary. Runs a verb and turns what it throws into a message and an exit code;
// returning without having finished MPI makes the launcher stop the peers.
#include <exception>

#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "launch/commands/command_line.h"

int main(int argc, char** argv) {
  try {
    return cadmus::RunCommandLine(argc, argv);
  } catch (const cadmus::Error& e) {
    cadmus::LogError(e.what());
    return static_cast<int>(e.kind());
  } catch (const std::exception& e) {
    cadmus::LogError(cadmus::StrCat("internal error: ", e.what()));
    return static_cast<int>(cadmus::Kind::kInternal);
  }
}
