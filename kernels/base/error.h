// SPDX-License-Identifier: Apache-2.0
// Error: what every failure of Cadmus is thrown as. Its Kind is the exit code of the process,
// its text says what is wrong and how to mend it, and it carries rank, file and line.
//
//   throw Error(Kind::kData, StrCat(path, ": empty data set; build one with `cadmus data build`"));
//   CADMUS_CHECK(rows > 0, StrCat("rows = ", rows));
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

#include "kernels/base/str_cat.h"

namespace cadmus {

// The numbers are the exit codes of the program.
enum class Kind : int {
  kInternal = 1,
  kConfig = 2,  // usage or configuration
  kData = 3,    // data sets and tokenizers
  kCheckpoint = 4,
  kNumerics = 5,       // NaN or infinity
  kCommunication = 6,  // a collective failed or hangs
  kHardware = 7,
  kOutOfMemory = 8,
  kPreempted = 75,  // saved; the same command resumes
};

std::string_view KindName(Kind kind);

class Error : public std::runtime_error {
 public:
  Error(Kind kind, std::string_view message,
        std::source_location where = std::source_location::current());

  Kind kind() const { return kind_; }
  // The bare message, without rank, kind and place.
  const std::string& message() const { return message_; }

 private:
  Kind kind_;
  std::string message_;
};

// The label ("rank 3") that this thread's errors and log lines carry; empty at first.
void SetRankLabel(std::string label);
const std::string& RankLabel();

[[noreturn]] void ThrowCheckFailed(const char* condition, std::string_view message,
                                   std::source_location where = std::source_location::current());

}  // namespace cadmus

// Guards an invariant of Cadmus itself; wrong input is `throw Error(kind, ...)` instead.
// The message is evaluated only on failure.
#define CADMUS_CHECK(condition, message)               \
  do {                                                 \
    if (!static_cast<bool>(condition)) [[unlikely]] {  \
      ::cadmus::ThrowCheckFailed(#condition, message); \
    }                                                  \
  } while (false)

#define CADMUS_UNREACHABLE(why) ::cadmus::ThrowCheckFailed("unreachable", why)
