// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::unique_ptr<spdlog::formatter> NewFormatter() {
  return std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %L %v",
                                                     spdlog::pattern_time_type::utc);
}

void Configure(spdlog::logger& logger) {
  logger.set_level(spdlog::level::debug);
  logger.flush_on(spdlog::level::debug);
  logger.set_formatter(NewFormatter());
}

// The logger is the only mutable global of the program.
struct Logger {
  struct File {
    std::string label;
    spdlog::logger logger;
  };

  Logger() : to_stderr("cadmus", std::make_shared<spdlog::sinks::stderr_sink_st>()) {
    Configure(to_stderr);
  }
  LogLevel StderrLevelOf(const std::string& label) const {
    const auto found = stderr_levels.find(label);
    return found == stderr_levels.end() ? LogLevel::kInfo : found->second;
  }

  std::mutex mutex;  // over all
  spdlog::logger to_stderr;
  std::map<std::string, LogLevel> stderr_levels;  // by rank label
  std::deque<File> files;
};

Logger& TheLogger() {
  static Logger logger;
  return logger;
}

}  // namespace

void Log(LogLevel level, std::string_view text) {
  const std::string& label = RankLabel();
  Logger& logger = TheLogger();
  std::lock_guard lock(logger.mutex);
  const auto write = [&](spdlog::logger& to) {
    to.log(ToSpdlog(level), "{}{}{}", label, label.empty() ? "" : ": ", text);
  };
  if (level >= logger.StderrLevelOf(label)) write(logger.to_stderr);
  for (Logger::File& file : logger.files) {
    if (file.label.empty() || label.empty() || file.label == label) write(file.logger);
  }
}

void SetStderrLevel(LogLevel level) {
  Logger& logger = TheLogger();
  std::lock_guard lock(logger.mutex);
  logger.stderr_levels[RankLabel()] = level;
}

void OpenLogFile(std::string_view path) {
  Logger& logger = TheLogger();
  std::lock_guard lock(logger.mutex);
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(std::string(path));
    logger.files.push_back({RankLabel(), spdlog::logger("cadmus", std::move(sink))});
    Configure(logger.files.back().logger);
  } catch (const spdlog::spdlog_ex& e) {
    throw Error(Kind::kConfig, StrCat("cannot open the log file ", path, ": ", e.what()));
  }
}

}  // namespace cadmus
