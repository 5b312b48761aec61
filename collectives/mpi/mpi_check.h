// SPDX-License-Identifier: Apache-2.0
// CADMUS_MPI_CHECK(call): throws kCommunication in MPI's words unless the call succeeds.
#pragma once

#include <mpi.h>

#include <string>

#include "kernels/base/error.h"

namespace cadmus {

inline std::string MpiErrorInWords(int code) {
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) return StrCat("MPI error ", code);
  return std::string(text, static_cast<size_t>(length));
}

}  // namespace cadmus

#define CADMUS_MPI_CHECK(call)                                                                \
  do {                                                                                        \
    if (const int code_ = (call); code_ != MPI_SUCCESS) [[unlikely]] {                        \
      throw ::cadmus::Error(::cadmus::Kind::kCommunication,                                   \
                            ::cadmus::StrCat(#call, ": ", ::cadmus::MpiErrorInWords(code_))); \
    }                                                                                         \
  } while (false)
