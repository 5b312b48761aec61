// SPDX-License-Identifier: Apache-2.0
// Log lines for people: UTC time, level, the thread's rank label, text. Errors of any rank and the
// information of rank 0 reach stderr; a rank's log file, once opened, receives all of its lines.
// The ranks of a process, if it has several, are told apart by their labels; threads without one
// belong to all.
#pragma once

#include <string_view>

namespace cadmus {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

void Log(LogLevel level, std::string_view text);
inline void LogInfo(std::string_view text) { Log(LogLevel::kInfo, text); }
inline void LogWarning(std::string_view text) { Log(LogLevel::kWarning, text); }
inline void LogError(std::string_view text) { Log(LogLevel::kError, text); }

// Lines of this thread's rank below `level` do not reach stderr from now on (kInfo at first).
void SetStderrLevel(LogLevel level);

// Also appends every line of this thread's rank to `path`, flushed per line. Throws kConfig if it
// cannot be opened.
void OpenLogFile(std::string_view path);

}  // namespace cadmus
