// SPDX-License-Identifier: Apache-2.0
#include "collectives/mpi/mpi_library.h"

#include <dlfcn.h>
#include <mpi.h>

#include <array>
#include <string_view>

#include "kernels/base/str_cat.h"

namespace cadmus {

MpiLibrary FindMpiLibrary() {
  MpiLibrary library;
  library.built_with =
      StrCat("Open MPI ", OMPI_MAJOR_VERSION, ".", OMPI_MINOR_VERSION, ".", OMPI_RELEASE_VERSION);
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text;
  int length = 0;
  if (MPI_Get_library_version(text.data(), &length) == MPI_SUCCESS) {
    const std::string_view version(text.data(), static_cast<size_t>(length));
    library.loaded = version.substr(0, version.find_first_of(",\n"));
  }
  Dl_info info = {};
  if (::dladdr(reinterpret_cast<const void*>(&MPI_Get_library_version), &info) != 0 &&
      info.dli_fname != nullptr) {
    library.path = info.dli_fname;
  }
  return library;
}

}  // namespace cadmus
