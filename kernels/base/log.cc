// SPDX-License-Identifier: Apache-2.0
#include "kernels/base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

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

// The logger is the only mutable global of the program.
struct Logger {
  Logger()
      : stderr_sink(std::make_shared<spdlog::sinks::stderr_sink_mt>()),
        logger("cadmus", stderr_sink) {
    logger.set_level(spdlog::level::debug);
    logger.flush_on(spdlog::level::debug);
    stderr_sink->set_level(spdlog::level::info);
    logger.set_formatter(NewFormatter());
  }
  // spdlog sinks are shared with the logger that they serve.
  std::shared_ptr<spdlog::sinks::stderr_sink_mt> stderr_sink;
  spdlog::logger logger;
  std::mutex open_mutex;
};

Logger& TheLogger() {
  static Logger logger;
  return logger;
}

}  // namespace

void Log(LogLevel level, std::string_view text) {
  const std::string& label = RankLabel();
  TheLogger().logger.log(ToSpdlog(level), "{}{}{}", label, label.empty() ? "" : ": ", text);
}

void SetStderrLevel(LogLevel level) { TheLogger().stderr_sink->set_level(ToSpdlog(level)); }

void OpenLogFile(std::string_view path) {
  Logger& logger = TheLogger();
  std::lock_guard lock(logger.open_mutex);
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(std::string(path));
    sink->set_formatter(NewFormatter());
    logger.logger.sinks().push_back(std::move(sink));
  } catch (const spdlog::spdlog_ex& e) {
    throw Error(Kind::kConfig, StrCat("cannot open the log file ", path, ": ", e.what()));
  }
}

}  // namespace cadmus
