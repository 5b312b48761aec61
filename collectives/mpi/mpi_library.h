// SPDX-License-Identifier: Apache-2.0
// MpiLibrary: the MPI that this program was built with, and the one that it has loaded.
#pragma once

#include <string>

namespace cadmus {

struct MpiLibrary {
  std::string built_with;  // "Open MPI 4.1.4"
  std::string loaded;      // as it names itself: "Open MPI v4.1.4"
  std::string path;        // of its file
};

// Works before MPI is started and after it has ended, on any thread.
MpiLibrary FindMpiLibrary();

}  // namespace cadmus
